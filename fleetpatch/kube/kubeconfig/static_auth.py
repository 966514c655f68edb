"""Logs in with credentials in a kubeconfig, or in files that it names.

The rules are client-go's. Data takes precedence over a file of the same meaning, and a token file
over a token as long as it can be read. A name without a password has an empty password. A token
together with a name is an error. `tls_of` returns the TLS context of a cluster, with or without a
client certificate.
"""

import base64
import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import ClassVar, TypeAlias

from fleetpatch.errors import CredentialsError, KubeconfigError
from fleetpatch.kube.connection import Grant
from fleetpatch.kube.credentials import TOKEN_FILE_FRESH_FOR, read_token
from fleetpatch.kube.kubeconfig import impersonation
from fleetpatch.kube.kubeconfig.context import Context
from fleetpatch.kube.kubeconfig.file import KubeconfigEntry
from fleetpatch.kube.tls import tls_context
from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.text import clean

Pem: TypeAlias = Path | bytes
"""A file in PEM format, or the content of one."""


class KeyPair(PartialRepr, frozen=True):
    """A client certificate and its private key."""

    _printed: ClassVar = ("certificate",)

    certificate: Pem
    key: Pem


class StaticAuth:
    """The log-in of a context whose credentials are in its kubeconfig or in files.

    `can_change`: `grant` may return other credentials when it is called again. Raises
    KubeconfigError for credentials that are not valid.
    """

    def __init__(self, context: Context) -> None:
        user = context.user
        self.can_change = bool(user.get("tokenFile"))
        self._where = context.where
        self._file = Path(user["tokenFile"]) if self.can_change else None
        self._token: str = user.get("token") or ""
        self._basic = _basic(user)
        self._impersonation = impersonation.headers(context)
        has_name = user.get("username") or user.get("password")
        if has_name and (self._token or self._file):
            raise KubeconfigError(
                f"{self._where}: its user has a token and a username or password; remove one of"
                " them"
            )
        self._tls = tls_of(context, key_pair_of(context))

    async def grant(self) -> Grant:
        """Read the credentials. Raises CredentialsError."""
        if self._file is not None:
            self._token = self._reread(self._file)
        authorization = f"Bearer {self._token}" if self._token else self._basic
        # A line end in the token would end the header and begin another one.
        if not authorization.isprintable():
            raise CredentialsError(
                f"{self._where}: its token contains a line end or a control character; correct it"
            )
        fresh_for = TOKEN_FILE_FRESH_FOR if self._file is not None else math.inf
        return Grant.authorizing(authorization, self._tls, fresh_for, self._impersonation)

    def _reread(self, file: Path) -> str:
        try:
            return read_token(file)
        except CredentialsError:
            # The last token that was read, or the one in the kubeconfig, may still be valid.
            if not self._token:
                raise
            return self._token


def is_static(context: Context) -> bool:
    """Return whether the user of a context has credentials without its exec plugin."""
    user = context.user
    has_certificate = any(user.get(f"client-certificate{end}") for end in ("", "-data"))
    has_key = any(user.get(f"client-key{end}") for end in ("", "-data"))
    return bool(
        user.get("token")
        or user.get("tokenFile")
        or user.get("username")
        or (has_certificate and has_key)
    )


def key_pair_of(context: Context) -> KeyPair | None:
    """Return the client certificate of a context, if any. Raises KubeconfigError."""
    # Without TLS there is no handshake in which a certificate could be presented.
    if not context.server.startswith("https:"):
        return None
    certificate = pem_of(context.user, "client-certificate", context.where)
    key = pem_of(context.user, "client-key", context.where)
    if certificate is None:
        return None
    if key is None:
        raise KubeconfigError(
            f"{context.where}: its client certificate and key cannot be used (there is no"
            " `client-key`); add it"
        )
    return KeyPair(certificate, key)


def pem_of(body: KubeconfigEntry, key: str, where: str) -> Pem | None:
    """Return the value of `key-data` or the file of `key`. Raises KubeconfigError."""
    if data := body.get(f"{key}-data"):
        try:
            # YAML folds long lines, so blanks and line ends may be within the data.
            return base64.b64decode("".join(data.split()), validate=True)
        except ValueError:
            raise KubeconfigError(
                f"{where}: cannot be loaded (`{key}-data` is not base64); correct it"
            ) from None
    path = body.get(key)
    if not path:
        return None
    try:
        if Path(path).is_file():
            return Path(path)
    except OSError as error:
        raise KubeconfigError(
            f"{where}: cannot be loaded ({path}: {error.strerror}); correct it"
        ) from None
    raise KubeconfigError(f"{where}: cannot be loaded (File does not exist: {path}); correct it")


def content_of(pem: Pem, where: str) -> bytes:
    """Return the content of `pem`. Raises KubeconfigError, which begins with `where`."""
    if isinstance(pem, bytes):
        return pem
    try:
        return pem.read_bytes()
    except OSError as error:
        raise KubeconfigError(
            f"{where}: {pem} cannot be read: {error.strerror}; check the file and its mode"
        ) from None


def tls_of(context: Context, key_pair: KeyPair | None) -> SSLContext | None:
    """Return the TLS context for the server of `context`; None for plain HTTP.

    Raises KubeconfigError for a certificate or key that cannot be used.
    """
    if not context.server.startswith("https:"):
        return None
    where, verify = context.where, not context.cluster.get("insecure-skip-tls-verify")
    authority = pem_of(context.cluster, "certificate-authority", where)
    # An error as in client-go, since it is not clear whether the server was to be verified.
    if authority is not None and not verify:
        raise KubeconfigError(
            f"{where}: its cluster has a `certificate-authority` and `insecure-skip-tls-verify:"
            " true`; remove one of them"
        )
    with ExitStack() as files:

        def path_of(pem: Pem) -> str:
            return files.enter_context(_as_file(pem, where))

        return tls_context(
            path_of(authority) if authority else None,
            (path_of(key_pair.certificate), path_of(key_pair.key)) if key_pair else None,
            verify=verify,
            where=where,
        )


@contextmanager
def _as_file(pem: Pem, where: str) -> Iterator[str]:
    """Yield the path of a file that contains `pem`: OpenSSL reads private keys from files only.

    Content that is not in a file is written to a temporary one, which only we can read, until the
    block ends.
    """
    if isinstance(pem, Path):
        yield str(pem)
        return
    try:
        file = tempfile.NamedTemporaryFile(prefix="fleetpatch-")  # noqa: SIM115 - closed below
    except OSError as error:
        reason = clean(str(error.strerror or error))
        raise KubeconfigError(
            f"{where}: no temporary file for its certificates ({reason}); set TMPDIR"
        ) from None
    with file:
        file.write(pem)
        file.flush()
        yield file.name


def _basic(user: KubeconfigEntry) -> str:
    if not user.get("username"):
        return ""
    pair = f"{user['username']}:{user.get('password') or ''}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
