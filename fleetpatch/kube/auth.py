"""Credentials of a context, and of a pod: from where they stand, or from who has to be asked.

What a kubeconfig holds itself is read by `written`. Exec plugins, auth-providers and a pod's
service account are the business of kubernetes_asyncio's loader (`loader`). Private keys given as
data are in files only until the TLS context has read them.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio

from fleetpatch.errors import CredentialsError, KubeconfigError
from fleetpatch.kube import tokens, written
from fleetpatch.kube.connection import Grant
from fleetpatch.kube.contexts import Context
from fleetpatch.kube.text import without_secrets
from fleetpatch.model.text import clean

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LONGEST_PLUGIN_RUN: Final = 120.0
_DYNAMIC: Final = ("exec", "auth-provider")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A grant, and what the kubeconfig says about reaching the server with it."""

    grant: Grant
    insecure: bool = False
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)


def is_dynamic(context: Context) -> bool:
    """Tell whether loading the context again may give other credentials."""
    return any(context.user.get(key) for key in _DYNAMIC)


async def load(context: Context) -> Loaded:
    """Get the credentials of a context. Raises KubeconfigError and CredentialsError."""
    with TemporaryDirectory(prefix="fleetpatch-") as name:
        folder = Path(name)
        if any(key in context.user for key in _DYNAMIC):
            settings = await _asked(context, folder)
        else:
            settings = written.read(context, folder)
        return Loaded(
            grant=Grant.authorizing(
                _authorization(context, settings),
                settings.tls(context.where),
                tokens.REREAD_EVERY if context.user.get("tokenFile") else math.inf,
            ),
            insecure=context.server.startswith("https") and not settings.verify_ssl,
            server_name=settings.tls_server_name,
            proxy=settings.proxy,
        )


def read_bearer(file: Path) -> str:
    """Read a token file into an `Authorization` header. Raises CredentialsError."""
    return f"Bearer {tokens.read(file)}"


def in_cluster(folder: Path, environ: dict[str, str]) -> tuple[str, Grant]:
    """Find the server and the service account of the pod we run in.

    Raises KubeconfigError where this is no pod, or has no service account.
    """
    from fleetpatch.kube import loader  # noqa: PLC0415 - heavy, and needed by few

    try:
        settings = loader.in_cluster(folder, environ)
    except (loader.ConfigException, OSError) as error:
        raise KubeconfigError(
            f"no kubeconfig, and no pod's service account ({clean(str(error))}); "
            "set KUBECONFIG or write ~/.kube/config"
        ) from None
    grant = Grant.authorizing(
        read_bearer(folder / "token"),
        settings.tls(f"the service account in {folder}"),
        tokens.REREAD_EVERY,
    )
    return settings.host, grant


async def _asked(context: Context, folder: Path) -> written.Settings:
    from fleetpatch.kube import loader  # noqa: PLC0415 - heavy, and needed by few

    try:
        with anyio.fail_after(_LONGEST_PLUGIN_RUN):
            return await loader.ask(context, folder)
    except TimeoutError:
        raise CredentialsError(
            f"{context.where}: {_helper(context)} did not end within "
            f"{_LONGEST_PLUGIN_RUN:.0f} s; run it by hand"
        ) from None
    except loader.ConfigException as error:
        raise _unfit(context, without_secrets(clean(str(error), 300))) from None
    except OSError as error:
        raise _unfit(context, clean(error.strerror or type(error).__name__)) from None
    except Exception as error:  # noqa: BLE001 - untyped: it raises whatever its parsing meets
        # Messages of parsers may quote what they parse.
        raise _unfit(context, type(error).__name__) from None


def _authorization(context: Context, settings: written.Settings) -> str | None:
    if token_file := context.user.get("tokenFile"):
        return read_bearer(Path(token_file))
    authorization = settings.authorization
    if is_dynamic(context) and not authorization and not settings.cert_file:
        raise CredentialsError(
            f"{context.where}: {_helper(context)} gave neither a token nor a certificate with its "
            "key; run it by hand and look at what it prints"
        )
    if authorization and not authorization.isprintable():
        raise CredentialsError(
            f"{context.where}: its token holds a line end or control character; write it anew"
        )
    return authorization


def _helper(context: Context) -> str:
    plugin = context.user.get("exec")
    if isinstance(plugin, dict):
        return f"the credential plugin {plugin.get('command')!r}"
    return "its auth-provider"


def _unfit(context: Context, detail: str) -> KubeconfigError | CredentialsError:
    if is_dynamic(context):
        return CredentialsError(
            f"{context.where}: {_helper(context)} failed ({detail}); run it by hand, or log in anew"
        )
    return KubeconfigError(f"{context.where}: cannot be loaded ({detail}); correct it")
