"""Credentials that stand in a kubeconfig, or in files that it names.

Most kubeconfigs hold nothing else, and for them kubernetes_asyncio's loader would be imported in
vain, which takes as long as all other imports together. What it makes of them is made here in the
same way: data wins over a file of the same meaning, a token over a name and password.
"""

import base64
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.contexts import Context, Entry
from fleetpatch.kube.tls import tls_context


@dataclass(slots=True)
class Settings:
    """What a context comes to; the names are those that kubernetes_asyncio's loader fills in."""

    api_key: dict[str, str] = field(default_factory=dict, repr=False)
    host: str = ""
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_ssl: bool = True
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    refresh_api_key_hook: Any = None

    @property
    def authorization(self) -> str | None:
        """The `Authorization` header, if any."""
        return self.api_key.get("BearerToken")

    def tls(self, where: str) -> ssl.SSLContext | None:
        """Make the TLS context, or None for plain HTTP. Raises KubeconfigError."""
        if not self.host.startswith("https"):
            return None
        certificate = (self.cert_file, self.key_file) if self.cert_file else None
        return tls_context(self.ssl_ca_cert, certificate, verify=self.verify_ssl, where=where)


def read(context: Context, folder: Path) -> Settings:
    """Take the credentials of a context; what is given as data becomes files in `folder`.

    A token file is left to the caller, who reads it again and again. Raises KubeconfigError.
    """
    cluster, user = context.cluster, context.user
    settings = Settings(
        host=context.server,
        verify_ssl=not cluster.get("insecure-skip-tls-verify"),
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )
    if authorization := _authorization(user):
        settings.api_key["BearerToken"] = authorization
    if settings.host.startswith("https"):
        settings.ssl_ca_cert = _file(cluster, "certificate-authority", context.where, folder)
        settings.cert_file = _file(user, "client-certificate", context.where, folder)
        settings.key_file = _file(user, "client-key", context.where, folder)
    return settings


def _authorization(user: Entry) -> str | None:
    if token := user.get("token"):
        return f"Bearer {token}"
    if "username" in user and "password" in user:
        pair = f"{user['username']}:{user['password']}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def _file(body: Entry, key: str, where: str, folder: Path) -> str | None:
    """Name the file that holds `key`, or None; OpenSSL reads keys from files alone."""
    if data := body.get(f"{key}-data"):
        try:
            content = base64.b64decode(data)
        except ValueError:
            raise KubeconfigError(
                f"{where}: cannot be loaded (`{key}-data` is not base64); correct it"
            ) from None
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(content)
        return file.name
    path = body.get(key)
    if path and not Path(path).is_file():
        raise KubeconfigError(
            f"{where}: cannot be loaded (File does not exist: {path}); correct it"
        )
    return path or None
