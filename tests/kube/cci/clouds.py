"""A small Huawei Cloud: IAM, and an API that requires its tokens, as the answers of one peer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from itertools import count
from typing import TypeAlias

from fleetpatch.kube import connect
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.auth import Auth
from fleetpatch.model.plan.section import section_of
from tests.kube.peers import Act, Peer, Request, VirtualClock, an_object, http, serve

PASSWORD = 'pass"word-of-the-tests'
PROJECT_ID = "0123456789abcdef0123456789abcdef"
ENVIRON = {"CCI_PASSWORD": PASSWORD, "CCI_ACCESS_KEY": "AK0TESTS", "CCI_SECRET_KEY": "sk-tests"}

open_cci = partial(connect.open_cci, concurrency=32, timeout=30.0, run="")

Answer: TypeAlias = bytes | Act | tuple[bytes, Act]


@dataclass
class Cloud:
    """Hands out tokens that last `lifetime` seconds by a clock that is `ahead` of ours.

    `refusals` are what IAM answers first, one a request. `dates` is what IAM tells of a token's
    life. `expired` are the tokens that the API does not take (any more).
    """

    clock: VirtualClock = field(default_factory=VirtualClock)
    lifetime: float = 86_400.0
    ahead: float = 0.0
    dates: frozenset[str] = frozenset({"issued_at", "expires_at", "Date"})
    refusals: list[Answer] = field(default_factory=list)
    logins: list[Request] = field(default_factory=list)
    expires: dict[str, float] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __call__(self, request: Request) -> Answer:
        if request.path == "/v3/auth/tokens":
            return self.log_in(request)
        end = self.expires.get(request.headers.get("x-auth-token", ""), 0.0)
        if end <= self.clock.now:
            body = {"error_msg": "Incorrect authentication information", "error_code": "APIG.0307"}
            return http(401, body)
        return http(200, an_object())

    def log_in(self, request: Request) -> Answer:
        self.logins.append(request)
        if self.refusals:
            return self.refusals.pop(0)
        token = f"MIIF-token-of-the-tests-{next(self.numbers)}"
        self.expires[token] = self.clock.now + self.lifetime
        moments = {
            "issued_at": self._moment(0.0),
            "expires_at": self._moment(self.lifetime),
        }
        body = {"token": {key: text for key, text in moments.items() if key in self.dates}}
        headers = {"X_Subject_Token": token}
        if "Date" in self.dates:
            now = datetime.fromtimestamp(self.clock.now + self.ahead, UTC)
            headers["Date"] = format_datetime(now, usegmt=True)
        return http(201, body, **headers)

    def _moment(self, after: float) -> str:
        moment = datetime.fromtimestamp(self.clock.now + self.ahead + after, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def iam(endpoint: str, **more: str) -> Auth:
    """Make what a plan says about IAM; `more` are its keys as a plan file has them."""
    user = {"endpoint": endpoint, "domain": "dom", "user": "alice", "project": "cn-north-4"}
    password = {} if "passwordFile" in more else {"passwordEnv": "CCI_PASSWORD"}
    return section_of(Auth, {"iam": user | password | more})


def token(**where: str) -> Auth:
    """Make what a plan says about a token: `env` or `file`."""
    return section_of(Auth, {"token": where})


def access_key() -> Auth:
    """Make what a plan says about an access key."""
    keys = {"accessKeyEnv": "CCI_ACCESS_KEY", "secretKeyEnv": "CCI_SECRET_KEY"}
    return section_of(Auth, {"aksk": keys | {"project": PROJECT_ID}})


@asynccontextmanager
async def running_cloud(cloud: Cloud, **environ: str) -> AsyncIterator[tuple[ApiServer, Peer]]:
    """Serve, and open a client of it that logs in by IAM."""
    async with (
        serve(cloud) as peer,
        open_cci(
            "cci",
            f"{peer.url}/",
            iam(peer.url),
            clock=cloud.clock,
            concurrency=64,
            environ=ENVIRON | environ,
        ) as api,
    ):
        yield api, peer
