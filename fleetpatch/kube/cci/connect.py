"""From what a plan says about a cluster of CCI to a `Connection` that is logged in."""

import math
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from multidict import CIMultiDict

from fleetpatch.files import expand_home
from fleetpatch.kube.cci import access_key
from fleetpatch.kube.cci.environment import LoginEnvironment
from fleetpatch.kube.cci.iam import IamLogIn
from fleetpatch.kube.connection import Connection, Grant, Renewal
from fleetpatch.kube.credentials import TOKEN_FILE_FRESH_FOR, read_token
from fleetpatch.kube.proxies import proxy_for
from fleetpatch.kube.tls import tls_for
from fleetpatch.model.plan.auth import AkSkAuth, Auth, IamAuth, TokenAuth
from fleetpatch.model.ports import Clock
from fleetpatch.model.providers.capability import ProviderName


async def connect_to_cci(
    name: str,
    server: str,
    auth: Auth,
    *,
    clock: Clock,
    environ: Mapping[str, str] = os.environ,
) -> Connection:
    """Log in to the cluster that the fleet calls `name`, at `server`.

    With `auth.iam` a token is fetched; else nothing is sent. Raises CredentialsError.
    """
    server = server.rstrip("/")
    where = f"cluster {name}"
    log_in = _choose(auth, LoginEnvironment(where, clock, environ, tls_for(server, where)))
    return Connection(
        context="",
        cluster=name,
        server=server,
        grant=await log_in.grant(),
        proxy=proxy_for(server, None, where),
        renewal=log_in.grant if log_in.changes else None,
        provider=ProviderName.CCI,
        remedy=log_in.remedy,
    )


@dataclass(frozen=True, slots=True)
class _LogIn:
    """A way in. `changes` tells whether to go it again may bring something else."""

    grant: Renewal
    remedy: str
    changes: bool = True


def _choose(auth: Auth, around: LoginEnvironment) -> _LogIn:
    match auth:
        case Auth(token=TokenAuth(env=str(name))):
            grant = _showing(around.for_header(name, "the token"), around.tls)
            remedy = f"fetch a new token into ${name}"
            return _LogIn(partial(_as_it_is, grant), remedy, changes=False)
        case Auth(token=TokenAuth(file=str(name))):
            file = expand_home(name)
            return _LogIn(partial(_read, file, around.tls), f"write a new token into {name}")
        case Auth(iam=IamAuth() as iam):
            remedy = f"check `server`, `iam.project` and the rights of user {iam.user!r}"
            return _LogIn(IamLogIn(iam, around), remedy)
        case Auth(aksk=AkSkAuth() as keys):
            grant = access_key.grant(keys, around)
            remedy = "check the access key, `aksk.project` and this machine's clock"
            return _LogIn(partial(_as_it_is, grant), remedy, changes=False)
        case _:
            raise AssertionError("a plan's checks let no other `auth` through")


async def _as_it_is(grant: Grant) -> Grant:
    return grant


async def _read(file: Path, tls: ssl.SSLContext | None) -> Grant:
    return _showing(read_token(file), tls, TOKEN_FILE_FRESH_FOR)


def _showing(token: str, tls: ssl.SSLContext | None, fresh_for: float = math.inf) -> Grant:
    return Grant(CIMultiDict({"X-Auth-Token": token}), tls, secrets=(token,), fresh_for=fresh_for)
