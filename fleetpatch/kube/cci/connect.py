"""Logs in to CCI with the `auth` of a plan, and returns the `Connection`."""

import math
import os
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec
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
    run: str = "",
) -> Connection:
    """Log in to the cluster that the fleet calls `name`, at the URL `server`.

    With `auth.iam` a token is requested from IAM; otherwise nothing is sent. Raises
    CredentialsError, and KubeconfigError for a proxy that cannot be used.
    """
    server = server.rstrip("/")  # paths are appended to it
    where = f"cluster {name}"
    log_in = _log_in(auth, LoginEnvironment(where, clock, environ, tls_for(server, where), run))
    return Connection(
        context="",
        cluster=name,
        server=server,
        grant=await log_in.grant(),
        proxy=proxy_for(server, None, where),
        renewal=log_in.grant if log_in.can_change else None,
        provider=ProviderName.CCI,
        remedy=log_in.remedy,
    )


class _LogIn(msgspec.Struct, frozen=True):
    """One way to log in; `can_change`: `grant` may return other credentials when called again.

    `remedy` says what to do if a server refuses them.
    """

    grant: Renewal
    remedy: str
    can_change: bool = True


def _log_in(auth: Auth, environment: LoginEnvironment) -> _LogIn:
    match auth:
        case Auth(token=TokenAuth(env=str(name))):
            token = environment.read_header_value(name, "the token")
            # The environment of a process does not change, so there is nothing to renew.
            fixed = partial(_return, _token_grant(token, environment.tls))
            return _LogIn(fixed, f"fetch a new token into ${name}", can_change=False)
        case Auth(token=TokenAuth(file=str(name))):
            reread = partial(_read_grant, expand_home(name), environment.tls)
            return _LogIn(reread, f"write a new token into {name}")
        case Auth(iam=IamAuth() as iam):
            remedy = f"check `server`, `iam.project` and the rights of user {iam.user!r}"
            return _LogIn(IamLogIn(iam, environment).grant, remedy)
        case Auth(aksk=AkSkAuth() as keys):
            fixed = partial(_return, access_key.grant(keys, environment))
            remedy = "check the access key, `aksk.project` and this machine's clock"
            return _LogIn(fixed, remedy, can_change=False)
        case _:
            raise AssertionError("the checks of a plan require exactly one way to log in")


async def _return(grant: Grant) -> Grant:
    return grant


async def _read_grant(file: Path, tls: ssl.SSLContext | None) -> Grant:
    return _token_grant(read_token(file), tls, TOKEN_FILE_FRESH_FOR)


def _token_grant(token: str, tls: ssl.SSLContext | None, fresh_for: float = math.inf) -> Grant:
    return Grant(CIMultiDict({"X-Auth-Token": token}), tls, secrets=(token,), fresh_for=fresh_for)
