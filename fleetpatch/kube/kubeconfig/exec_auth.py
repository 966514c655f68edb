"""Log-in with an exec plugin: the protocol client.authentication.k8s.io, in v1 and v1beta1.

A kubeconfig names a command that prints an ExecCredential with a token, a client certificate with
its key, or both. The rules are client-go's (plugin/pkg/client/auth/exec and tools/clientcmd), with
two exceptions. A plugin has a time limit and a size limit; kubectl has none. A missing
`interactiveMode` means IfAvailable in v1 as well; kubectl refuses such a kubeconfig.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from ssl import SSLContext
from typing import Annotated, ClassVar, Final, Literal

import anyio
import msgspec

from fleetpatch.errors import CredentialsError, KubeconfigError
from fleetpatch.kube.connection import Grant
from fleetpatch.kube.kubeconfig import exec_process, impersonation
from fleetpatch.kube.kubeconfig.context import Context
from fleetpatch.kube.kubeconfig.exec_info import exec_info
from fleetpatch.kube.kubeconfig.static_auth import KeyPair, tls_of
from fleetpatch.model.masking import mask_strictly
from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.text import clean

TIME_LIMIT: Final = 120.0
"""Seconds for a plugin that does not ask a person."""
INTERACTIVE_TIME_LIMIT: Final = 900.0
"""Seconds for a plugin that may ask a person: a device code is usually valid for 15 minutes."""

_GROUP: Final = "client.authentication.k8s.io"
_API_VERSIONS: Final = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_MAX_MARGIN: Final = 60.0
"""Seconds before its expiry at which a credential is renewed at the latest."""
_MIN_LIFE: Final = 10.0
"""Seconds; the next renewal is not earlier, so that an expired credential causes no loop."""
_QUOTED: Final = 300
"""Characters of the last line on stderr in a message."""
_terminal: Final = anyio.Lock()
"""Held while a plugin runs that may ask a person, since two prompts at once would be confusing."""


class _Variable(msgspec.Struct):
    name: str
    value: str | None = None


class _ExecConfig(msgspec.Struct, rename="camel"):
    """The key `exec` of a kubeconfig's user; null is the same as absent."""

    command: str | None = None
    api_version: str | None = None
    args: list[str] | None = None
    env: list[_Variable] | None = None
    install_hint: str | None = None
    provide_cluster_info: bool | None = None
    interactive_mode: Literal["", "Never", "IfAvailable", "Always"] | None = None


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    """The output of a plugin."""

    api_version: str
    kind: str
    status: _Status | None = None


class _Credential(PartialRepr, frozen=True):
    """A checked answer of a plugin; `expires` is in seconds since the epoch."""

    _printed: ClassVar = ("key_pair", "expires")

    token: str
    key_pair: KeyPair | None
    expires: float | None


class ExecAuth:
    """The log-in of a context by its exec plugin; each call of `grant` runs the plugin once.

    `now` is the clock that `expirationTimestamp` is compared with. Raises KubeconfigError for an
    `exec` that is not valid.
    """

    can_change: Final = True

    def __init__(self, context: Context, now: Callable[[], float] = time.time) -> None:
        self._context = context
        self._now = now
        self._config = _parse(context)
        self._impersonation = impersonation.headers(context)
        self._tls_of_pair: tuple[KeyPair | None, SSLContext | None] = (None, tls_of(context, None))

    async def grant(self) -> Grant:
        """Run the plugin. Raises CredentialsError, and KubeconfigError if it cannot start."""
        credential = self._read(await self._run())
        # aiohttp reuses connections only of the same TLS context, so it is kept as long as the
        # certificate is the same.
        if self._tls_of_pair[0] != credential.key_pair:
            self._tls_of_pair = (credential.key_pair, self._tls(credential.key_pair))
        authorization = f"Bearer {credential.token}" if credential.token else None
        return Grant.authorizing(
            authorization, self._tls_of_pair[1], self._fresh_for(credential), self._impersonation
        )

    async def _run(self) -> bytes:
        """Run the plugin and return its output."""
        interactive = self._is_interactive()
        command = [self._find(), *(self._config.args or ())]
        variables = {one.name: one.value or "" for one in self._config.env or ()}
        info = exec_info(
            self._context,
            self._config.api_version or "",
            interactive=interactive,
            with_cluster=bool(self._config.provide_cluster_info),
        )
        # As in client-go: the kubeconfig's variables override ours, and the protocol's both.
        environ = os.environ | variables | {"KUBERNETES_EXEC_INFO": info}
        limit = INTERACTIVE_TIME_LIMIT if interactive else TIME_LIMIT
        try:
            async with _terminal if interactive else nullcontext():
                result = await exec_process.run(
                    command, environ, interactive=interactive, time_limit=limit
                )
        except TimeoutError:
            raise CredentialsError(
                f"{self._context.where}: {self._name} did not end within {limit:g} s; run it by"
                " hand"
            ) from None
        except OSError as error:
            raise self._failed(clean(error.strerror or type(error).__name__)) from None
        # For example a NUL character, which ends a string in C.
        except ValueError:
            raise KubeconfigError(
                f"{self._context.where}: the command, `args` or `env` of `exec` contain characters"
                " that no process can take; correct them"
            ) from None
        if result.is_cut:
            raise self._failed("it printed more than 1 MiB")
        if result.exit_code != 0:
            raise self._failed(_describe_failure(result))
        return result.stdout

    def _find(self) -> str:
        """Return the path of the command. As in Go, relative directories in $PATH do not count.

        A command with a slash is absolute already (`context`).
        """
        command = self._config.command or ""
        if os.sep in command:
            return os.path.normpath(command)
        folders = os.environ.get("PATH", "").split(os.pathsep)
        path = os.pathsep.join(folder for folder in folders if Path(folder).is_absolute())
        if found := shutil.which(command, path=path):
            return found
        raise self._failed("No such file or directory in $PATH", self._install_hint)

    @property
    def _install_hint(self) -> str:
        return f"install it: {clean(self._config.install_hint or 'its documentation says how')}"

    @property
    def _name(self) -> str:
        return f"the credential plugin {self._config.command!r}"

    def _is_interactive(self) -> bool:
        match self._config.interactive_mode or "IfAvailable":
            case "Never":
                return False
            case "Always" if not _has_terminal():
                raise CredentialsError(
                    f"{self._context.where}: {self._name} must ask a person (interactiveMode:"
                    " Always), but standard input is not a terminal; start fleetpatch in a"
                    " terminal, or use other credentials"
                )
        return _has_terminal()

    def _read(self, output: bytes) -> _Credential:
        """Check the output of the plugin. Raises CredentialsError, which never quotes it."""
        try:
            answer = msgspec.json.decode(output, type=_ExecCredential)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            detail = str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
            raise self._failed(f"it did not print an ExecCredential: {detail}") from None
        if answer.kind != "ExecCredential":
            raise self._failed("it did not print an ExecCredential, but another `kind`")
        # client-go refuses this, too: the fields of another version may have another meaning.
        if answer.api_version != self._config.api_version:
            raise self._failed(
                f"the apiVersion of its answer does not match {self._config.api_version}, which"
                " the kubeconfig asks for"
            )
        status = answer.status or _Status()
        token = (status.token or "").strip()
        certificate, key = status.client_certificate_data, status.client_key_data
        # Otherwise a certificate without its key would fail only at the first connection.
        if bool(certificate) != bool(key):
            raise self._failed(
                "it printed a certificate without its key, or a key without its certificate"
            )
        if not token and not certificate:
            raise self._failed("it printed neither a token nor a certificate with its key")
        if not token.isprintable():
            raise self._failed("its token contains a line end or a control character")
        pair = KeyPair(certificate.encode(), key.encode()) if certificate and key else None
        expires = status.expiration_timestamp
        return _Credential(token, pair, expires.timestamp() if expires else None)

    def _tls(self, key_pair: KeyPair | None) -> SSLContext | None:
        try:
            return tls_of(self._context, key_pair)
        except KubeconfigError as error:
            if key_pair is None:
                raise
            raise CredentialsError(f"{error} (they are from {self._name})") from None

    def _fresh_for(self, credential: _Credential) -> float:
        """Return the seconds until the plugin runs again, shortly before the credential expires."""
        if credential.expires is None:
            return float("inf")
        life = credential.expires - self._now()
        return max(life - min(life / 5, _MAX_MARGIN), _MIN_LIFE)

    def _failed(self, detail: str, remedy: str = "") -> CredentialsError:
        remedy = remedy or "run it by hand, or log in again"
        return CredentialsError(f"{self._context.where}: {self._name} failed ({detail}); {remedy}")


def _parse(context: Context) -> _ExecConfig:
    """Check the key `exec`. Raises KubeconfigError."""
    try:
        config = msgspec.convert(context.user.get("exec"), _ExecConfig)
    except (msgspec.ValidationError, RecursionError) as error:
        raise KubeconfigError(
            f"{context.where}: `exec` of its user is not valid: {clean(str(error))}; correct it"
        ) from None
    if not config.command:
        raise KubeconfigError(f"{context.where}: `exec` of its user has no `command`; add it")
    if config.api_version not in _API_VERSIONS:
        raise KubeconfigError(
            f"{context.where}: `apiVersion` of `exec` must be one of {', '.join(_API_VERSIONS)};"
            " update the kubeconfig and the plugin"
        )
    if any(not variable.name for variable in config.env or ()):
        raise KubeconfigError(f"{context.where}: an `env` of `exec` has no name; add it")
    return config


def _has_terminal() -> bool:
    """Return whether stdin is a terminal that we may read."""
    if not os.isatty(0):
        return False
    try:
        # In the background, reading would take the input of the shell.
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        # Not the terminal of our session, so we cannot be in its background.
        return True


def _describe_failure(result: exec_process.PluginResult) -> str:
    """Describe an exit code other than 0 and the last line on stderr, without secrets."""
    how = f"exit code {result.exit_code}" if result.exit_code > 0 else f"signal {-result.exit_code}"
    lines = result.stderr_end.decode(errors="replace").strip().splitlines()
    if not lines:
        return how
    return f"{how}: {clean(mask_strictly(lines[-1]), _QUOTED)}"
