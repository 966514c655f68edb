"""IAM, only the login: it issues a token of one project for a name and a password.

The answer to `POST /v3/auth/tokens` is a 201 with the token in the header `X-Subject-Token`, and
with the time of its expiry in the body.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from uuid import NAMESPACE_DNS, uuid5

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.sandbox.apiserver.statuses import JSON, ApiReply, encode
from fleetpatch.sandbox.cci.credentials import IssuedCredentials, secrets_equal
from fleetpatch.sandbox.cci.errors import iam_error
from fleetpatch.sandbox.cci.tokens import Issued, Tokens

PATH: Final = "/v3/auth/tokens"
SUBJECT_TOKEN: Final = "X-Subject-Token"  # noqa: S105 -- the name of a header
_METHOD: Final = "password"
_MOMENT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class _Named(msgspec.Struct):
    name: str


class _User(msgspec.Struct):
    name: str
    password: str
    domain: _Named


class _Password(msgspec.Struct):
    user: _User


class _Identity(msgspec.Struct):
    methods: list[str]
    password: _Password


class _Scope(msgspec.Struct):
    project: _Named


class _Auth(msgspec.Struct):
    identity: _Identity
    scope: _Scope


class _Login(msgspec.Struct):
    """The body of a login."""

    auth: _Auth


@dataclass(frozen=True, slots=True)
class Iam:
    """IAM for one account; `logged_in` is called for each issued token."""

    credentials: IssuedCredentials
    tokens: Tokens
    logged_in: Callable[[], None]

    def answer(self, body: bytes) -> ApiReply:
        """Answer a login: 201 with a token, 400 for an invalid body, 401 for an unknown user."""
        try:
            login = msgspec.json.decode(body, type=_Login).auth
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return iam_error(HTTPStatus.BAD_REQUEST, f"The request body is invalid: {error}")
        if login.identity.methods != [_METHOD]:
            why = "Expecting to find the method password, and no other"
            return iam_error(HTTPStatus.BAD_REQUEST, why)
        # One message for an unknown user and a wrong password: it must not reveal users.
        if not self._knows(login.identity.password.user):
            return iam_error(HTTPStatus.UNAUTHORIZED, "The username or password is wrong.")
        if login.scope.project.name != self.credentials.project:
            why = "The request you have made requires authentication."
            return iam_error(HTTPStatus.UNAUTHORIZED, why)
        issued = self.tokens.issue()
        self.logged_in()
        body = encode({"token": self._described(issued)})
        return ApiReply(HTTPStatus.CREATED, body, JSON, {SUBJECT_TOKEN: issued.token})

    def _knows(self, user: _User) -> bool:
        known = self.credentials
        pairs = (
            (user.domain.name, known.domain),
            (user.name, known.user),
            (user.password, known.password),
        )
        return all(secrets_equal(given, expected) for given, expected in pairs)

    def _described(self, issued: Issued) -> Json:
        known = self.credentials
        domain = {"name": known.domain, "id": identifier(known.domain)}
        return {
            "expires_at": _moment(issued.expires_at),
            "issued_at": _moment(issued.issued_at),
            "methods": [_METHOD],
            "project": {
                "name": known.project,
                "id": identifier(known.project),
                "domain": domain,
            },
            "user": {"name": known.user, "id": identifier(known.user), "domain": domain},
        }


def identifier(name: str) -> str:
    """The id of a domain, a project or a user: 32 hexadecimal digits, derived from its name."""
    return uuid5(NAMESPACE_DNS, name).hex


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_MOMENT)
