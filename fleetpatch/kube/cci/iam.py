"""IAM: exchanges the name and password of a user for a token, which is sent as `X-Auth-Token`.

::

    POST {endpoint}/v3/auth/tokens
    201  X-Subject-Token: the token    {"token": {"issued_at": ..., "expires_at": ...}}

A token lasts a day. Its lifetime is measured on IAM's clock alone (`issued_at`, else the `Date` of
the answer), so that our clock may be wrong by hours. A token is renewed before its end: by a fifth
of its lifetime, but at most five minutes. If the end is missing or not plausible, a token is used
until a server refuses it.

If IAM is busy or fails, the request is repeated a few times. A refusal is final: IAM locks accounts
after a few wrong passwords. The password is sent only to the plan's endpoint: redirects are not
followed (`fleetpatch.kube.http.transport`).
"""

import math
import random
from functools import partial
from typing import Final

import msgspec
from multidict import CIMultiDict
from yarl import URL

from fleetpatch.errors import CredentialsError
from fleetpatch.kube.cci.environment import LoginEnvironment
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.credentials import is_token
from fleetpatch.kube.http import requests
from fleetpatch.kube.http.decoding import Raw, RawReply
from fleetpatch.kube.http.lenient_json import decode
from fleetpatch.kube.http.transport import Transport
from fleetpatch.kube.proxies import proxy_for
from fleetpatch.kube.retry import Retrier, RetryPolicy, reply_of
from fleetpatch.kube.tls import tls_for
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence, one_line_with_reason
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.auth import IamAuth
from fleetpatch.model.units import seconds_of_http_date, seconds_of_rfc3339
from fleetpatch.rules.running.backoff import Backoff

LOGIN_RETRIES: Final = RetryPolicy(5, Backoff(base=0.5, cap=8.0))
"""At most about 15 seconds, since the run waits for its first token."""

MAX_MARGIN: Final = 300.0
"""Seconds before its end at which a token is renewed at the latest."""

_TIMEOUT: Final = 10.0
"""Seconds for one request."""
_CREATED: Final = (200, 201)
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class _Token(msgspec.Struct):
    expires_at: str | None = None
    issued_at: str | None = None


class _TokenAnswer(msgspec.Struct):
    token: _Token | None = None


_token_answers: Final = msgspec.json.Decoder(_TokenAnswer)


class IamLogIn:
    """The log-in of one user of IAM; each call of `grant` fetches a new token."""

    def __init__(self, auth: IamAuth, environment: LoginEnvironment) -> None:
        self._auth = auth
        self._environment = environment
        self._retrier = Retrier(environment.clock, random.random)
        self._endpoint = auth.endpoint.rstrip("/")
        self._where = f"{environment.where}: IAM at {self._endpoint}"
        self._tls = tls_for(self._endpoint, self._where)
        self._has_answered = False

    async def grant(self) -> Grant:
        """Log in. Raises CredentialsError."""
        # Read at each log-in: the password is not kept in between, and its file may change.
        password = self._password()
        raw = await self._request_token(password)
        if isinstance(raw, Raw) and raw.status in _CREATED:
            return self._grant_of(raw)
        raise CredentialsError(f"{self._where}: {self._refusal(reply_of(raw))}")

    def _password(self) -> str:
        if self._auth.password_env:
            return self._environment.read_variable(self._auth.password_env, "the password")
        return self._environment.read_file(self._auth.password_file or "", "the password")

    async def _request_token(self, password: str) -> RawReply:
        connection = Connection(
            context="",
            cluster="",
            server=self._endpoint,
            # The password is a secret of the transport, which masks it in what IAM answers.
            grant=Grant(tls=self._tls, secrets=(password,)),
            proxy=proxy_for(self._endpoint, None, self._where),
        )
        url = URL(f"{self._endpoint}/v3/auth/tokens")
        body = msgspec.json.encode(_body(self._auth, password))
        # A connection for this request only: the next log-in is hours away.
        async with Transport(
            connection,
            self._environment.clock,
            concurrency=1,
            timeout=_TIMEOUT,
            connect_timeout=_TIMEOUT,
            user_agent=requests.user_agent(self._environment.run),
        ) as transport:
            return await self._retrier.retry(
                partial(transport.send, requests.POST_LOGIN, url, body),
                policy=LOGIN_RETRIES,
                is_transient=self._is_transient,
            )

    def _is_transient(self, raw: RawReply) -> bool:
        """Return whether to repeat the request."""
        # An endpoint that has never answered is probably a wrong address.
        if isinstance(raw, NoAnswer):
            return self._has_answered or raw.silence is Silence.RESET
        self._has_answered = True
        return _is_busy(raw.status)

    def _grant_of(self, raw: Raw) -> Grant:
        token = raw.headers.get("X-Subject-Token", "")
        if not is_token(token):
            raise CredentialsError(
                f"{self._where}: answered {raw.status} without a token; check `iam.endpoint`"
            )
        # Renewed before its end, so that no request meets an expired token.
        life = lifetime(raw, now=self._environment.clock.wall())
        return Grant(
            CIMultiDict({"X-Auth-Token": token}),
            self._environment.tls,
            secrets=(token,),
            fresh_for=life - min(life / 5, MAX_MARGIN) if life < math.inf else life,
        )

    def _refusal(self, reply: Reply) -> str:
        shown, auth = one_line_with_reason(reply), self._auth
        place = f"${auth.password_env}" if auth.password_env else auth.password_file
        match reply:
            case NoAnswer():
                return f"no answer ({shown}); check `iam.endpoint` and the network"
            case Answer(status=401):
                return (
                    f"refuses user {auth.user!r} of domain {auth.domain!r} ({shown}); "
                    f"check `iam.domain`, `iam.user` and the password in {place}"
                )
            case Answer(status=403):
                return (
                    f"refuses user {auth.user!r} access to project {auth.project!r} ({shown}); "
                    "check `iam.project` and the user's rights"
                )
            case Answer(status=status) if _is_busy(status):
                return (
                    f"gave up after {LOGIN_RETRIES.attempts} tries ({shown}); try again when IAM"
                    " is available"
                )
            case Answer():
                return f"sent no token ({shown}); check `iam.endpoint` and `iam.project`"


def lifetime(raw: Raw, *, now: float) -> float:
    """Return the seconds that the token of an answer lasts; infinite if that is not known.

    `now` (seconds since the epoch, our clock) counts only where IAM does not send its own time.
    """
    answer = decode(_token_answers, raw.body)
    token = (answer and answer.token) or _Token()
    end = seconds_of_rfc3339(token.expires_at or "")
    begin = seconds_of_rfc3339(token.issued_at or "")
    # The difference of two times of one clock does not depend on how wrong that clock is.
    begin = begin or seconds_of_http_date(raw.headers.get("Date", "")) or now
    return end - begin if end is not None and end > begin else math.inf


def _is_busy(status: int) -> bool:
    return status == _TOO_MANY or status >= _SERVER_ERROR


def _body(auth: IamAuth, password: str) -> Json:
    user = {"name": auth.user, "password": password, "domain": {"name": auth.domain}}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": auth.project}},
        }
    }
