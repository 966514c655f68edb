"""IAM: a user's name and password for a token, which lasts a day and is sent as `X-Auth-Token`.

::

    POST {endpoint}/v3/auth/tokens
    201  X-Subject-Token: the token    {"token": {"issued_at": ..., "expires_at": ...}}

How long a token lasts is told by IAM's clock alone (`issued_at`, else the `Date` of its answer), so
that ours may be wrong by hours. It is renewed before its end: a fifth of its life, but no more than
five minutes. Where the end makes no sense, the token is used until a server refuses it.

IAM that is busy or breaks down is asked again a few times. A refusal is final: IAM locks accounts
after a few wrong passwords. The password goes to the plan's endpoint and nowhere else: redirects
are not followed (`fleetpatch.kube.http.transport`).
"""

import math
import random
from collections.abc import Callable
from typing import Final

import msgspec
from multidict import CIMultiDict
from yarl import URL

from fleetpatch.errors import CredentialsError
from fleetpatch.kube.cci.environment import LoginEnvironment
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.credentials import is_token
from fleetpatch.kube.http import requests
from fleetpatch.kube.http.decoding import Raw, RawReply, decode_answer, describe
from fleetpatch.kube.http.lenient_json import decode
from fleetpatch.kube.http.transport import Transport
from fleetpatch.kube.proxies import proxy_for
from fleetpatch.kube.tls import tls_for
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.auth import IamAuth
from fleetpatch.model.units import seconds_of_http_date, seconds_of_rfc3339
from fleetpatch.rules.running.backoff import Backoff

TRIES: Final = 5
LONGEST_MARGIN: Final = 300.0
"""Seconds before its end at which a token is renewed at the latest."""

_TIMEOUT: Final = 10.0
_BACKOFF: Final = Backoff(base=0.5, cap=8.0)
_CREATED: Final = (200, 201)
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class _Token(msgspec.Struct):
    expires_at: str | None = None
    issued_at: str | None = None


class _Answer(msgspec.Struct):
    token: _Token | None = None


_answers: Final = msgspec.json.Decoder(_Answer)


class IamLogIn:
    """One user of IAM; each call logs in once and gives the new token's grant.

    `random` is uniform in [0, 1) and spreads waits.
    """

    def __init__(
        self,
        auth: IamAuth,
        around: LoginEnvironment,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._auth = auth
        self._around = around
        self._random = random
        self._endpoint = auth.endpoint.rstrip("/")
        self._where = f"{around.where}: IAM at {self._endpoint}"
        self._tls = tls_for(self._endpoint, self._where)
        self._answered = False

    async def __call__(self) -> Grant:
        """Log in. Raises CredentialsError."""
        # Read at each log-in, so that nothing holds it in between and a file may change.
        password = self._password()
        reply = await self._ask(password)
        if isinstance(reply, Raw) and reply.status in _CREATED:
            return self._grant(reply)
        raise CredentialsError(f"{self._where}: {self._refusal(_read(reply))}")

    def _password(self) -> str:
        if self._auth.password_env:
            return self._around.variable(self._auth.password_env, "the password")
        return self._around.file(self._auth.password_file or "", "the password")

    async def _ask(self, password: str) -> RawReply:
        """Ask until the answer is worth looking at, or the tries are used up."""
        connection = Connection(
            context="",
            cluster="",
            server=self._endpoint,
            grant=Grant(tls=self._tls, secrets=(password,)),
            proxy=proxy_for(self._endpoint, None, self._where),
        )
        url = URL(f"{self._endpoint}/v3/auth/tokens")
        body = msgspec.json.encode(_body(self._auth, password))
        async with Transport(
            connection,
            self._around.clock,
            concurrency=1,
            timeout=_TIMEOUT,
            connect_timeout=_TIMEOUT,
        ) as transport:
            attempt = 1
            while True:
                raw = await transport.send(requests.POSTING, url, body)
                reply = _read(raw)
                if attempt == TRIES or not self._is_passing(reply):
                    return raw
                await self._wait(attempt, reply)
                attempt += 1

    def _is_passing(self, reply: Reply) -> bool:
        """Tell whether to ask again. Whom nobody ever reached is not waited for."""
        match reply:
            case Answer(status=status):
                self._answered = True
                return status == _TOO_MANY or status >= _SERVER_ERROR
            case NoAnswer(silence=silence):
                return self._answered or silence is Silence.RESET

    async def _wait(self, attempt: int, reply: Reply) -> None:
        clock = self._around.clock
        await clock.sleep(_BACKOFF.delay(attempt, reply, now=clock.wall(), random=self._random()))

    def _grant(self, raw: Raw) -> Grant:
        token = raw.headers.get("X-Subject-Token", "")
        if not is_token(token):
            raise CredentialsError(
                f"{self._where}: answered {raw.status} without a token; check `iam.endpoint`"
            )
        life = lifetime(raw, now=self._around.clock.wall())
        return Grant(
            CIMultiDict({"X-Auth-Token": token}),
            self._around.tls,
            secrets=(token,),
            fresh_for=life - min(life / 5, LONGEST_MARGIN) if life < math.inf else life,
        )

    def _refusal(self, reply: Reply) -> str:
        said, auth = describe(reply), self._auth
        place = f"${auth.password_env}" if auth.password_env else auth.password_file
        match reply:
            case NoAnswer():
                return f"no answer ({said}); check `iam.endpoint` and the network"
            case Answer(status=401):
                return (
                    f"refuses user {auth.user!r} of domain {auth.domain!r} ({said}); "
                    f"check `iam.domain`, `iam.user` and the password in {place}"
                )
            case Answer(status=403):
                return (
                    f"does not let user {auth.user!r} into project {auth.project!r} ({said}); "
                    "check `iam.project` and the user's rights"
                )
            case Answer(status=status) if status == _TOO_MANY or status >= _SERVER_ERROR:
                return f"gave up after {TRIES} tries ({said}); try again when it is well"
            case Answer():
                return f"gives no token ({said}); check `iam.endpoint` and `iam.project`"


def lifetime(raw: Raw, *, now: float) -> float:
    """Seconds that the token of an answer lasts, infinite where that cannot be told.

    `now` (seconds since the epoch, our clock) is asked only where IAM does not tell its own time.
    """
    answered = decode(_answers, raw.body)
    token = (answered and answered.token) or _Token()
    end = seconds_of_rfc3339(token.expires_at or "")
    begin = seconds_of_rfc3339(token.issued_at or "")
    begin = begin or seconds_of_http_date(raw.headers.get("Date", "")) or now
    return end - begin if end is not None and end > begin else math.inf


def _read(raw: RawReply) -> Reply:
    return decode_answer(raw) if isinstance(raw, Raw) else raw


def _body(auth: IamAuth, password: str) -> Json:
    user = {"name": auth.user, "password": password, "domain": {"name": auth.domain}}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": auth.project}},
        }
    }
