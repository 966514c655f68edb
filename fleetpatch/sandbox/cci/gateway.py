"""The gateway before the API: it authenticates requests and checks query parameters.

The first of these headers in a request decides:

| header | contains |
|---|---|
| `X-Auth-Token` | a token of IAM that has not expired, or the token in the credentials file |
| `Authorization: SDK-HMAC-SHA256 ...` | a signature (`fleetpatch.sandbox.cci.signatures`) |
| `Authorization: Bearer ...` | a token of the kubeconfig, as Kubernetes clients send it |

kubectl cannot use the last one, because it does not send tokens over plain HTTP.

The API treats an authenticated request as the administrator's. With a bearer token, it is the
request of that token's user.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from fleetpatch.model.providers.tables import CCI
from fleetpatch.sandbox.apiserver.api import Api, ApiRequest
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.routes import find_route
from fleetpatch.sandbox.apiserver.statuses import ApiReply, Refusal
from fleetpatch.sandbox.cci import iam, signatures
from fleetpatch.sandbox.cci.credentials import IssuedCredentials, secrets_equal
from fleetpatch.sandbox.cci.errors import gateway_error, unauthenticated

_TOKEN: Final = "x-auth-token"  # noqa: S105 -- the name of a header
_PROJECT: Final = "x-project-id"


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway before one API; `wall` is the clock, in seconds since the epoch."""

    api: Api
    iam: iam.Iam
    credentials: IssuedCredentials
    wall: Callable[[], float]

    def answer(self, request: ApiRequest) -> ApiReply:
        """Answer a request with an error, or pass it on to IAM or to the API."""
        # A login needs no credentials in its headers.
        if (request.method, request.path) == ("POST", iam.PATH):
            return self.iam.answer(request.body)
        try:
            authenticated = self._authenticated(request)
            _check_parameters(self.api.release, request)
        except Refusal as refusal:
            return refusal.reply
        return self.api.answer(authenticated)

    def revoke(self) -> None:
        """Expire all tokens that IAM has issued so far."""
        self.iam.tokens.revoke()

    def _authenticated(self, request: ApiRequest) -> ApiRequest:
        """Authenticate a request, and return it as the API receives it. Raises Refusal (401)."""
        token = request.headers.get(_TOKEN)
        scheme = request.authorization.partition(" ")[0]
        if token is not None:
            if not self._is_valid(token):
                raise unauthenticated("decrypt token fail")
        elif scheme == signatures.ALGORITHM:
            self._check_signature(request)
        elif scheme.lower() == "bearer":
            if not self.api.access.knows(request.authorization):
                raise unauthenticated("decrypt token fail")
            return request
        else:
            raise unauthenticated("x-auth-token not found")
        # The API does not know this kind of Authorization header. Without one, the request is the
        # administrator's.
        rest = {name: value for name, value in request.headers.items() if name != "authorization"}
        return replace(request, headers=rest)

    def _is_valid(self, token: str) -> bool:
        return secrets_equal(token, self.credentials.token) or self.iam.tokens.is_valid(token)

    def _check_signature(self, request: ApiRequest) -> None:
        known = self.credentials
        signatures.check(request, {known.access_key: known.secret_key}, self.wall())
        # SDKs send the id of the project; its name is accepted, too.
        project = request.headers.get(_PROJECT, known.project)
        if project not in (known.project, iam.identifier(known.project)):
            raise unauthenticated("the project of X-Project-Id is not one of the access key's")


def _check_parameters(release: Release, request: ApiRequest) -> None:
    """Check that a PATCH has only query parameters of its kind. Raises Refusal (400)."""
    if request.method != "PATCH":
        return
    capability = CCI.capability(find_route(release, request.path).resource)
    if capability is None:
        return
    unknown = sorted(set(request.parameters) - set(capability.query))
    if unknown:
        message = f"API request error: no such query parameter here: {', '.join(unknown)}"
        raise Refusal(gateway_error(HTTPStatus.BAD_REQUEST, message))
