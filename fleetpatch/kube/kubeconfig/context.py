"""Finds and merges the kubeconfig files, and selects one context.

The rules are kubectl's. The files are those of $KUBECONFIG (separated by `:`; files that do not
exist are skipped), else ~/.kube/config. Of several definitions of a name, and of `current-context`,
the first one counts. A relative path is relative to the file that it is in.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

import msgspec

from fleetpatch.errors import KubeconfigError
from fleetpatch.files import expand_home
from fleetpatch.kube.kubeconfig.content import DEFAULT
from fleetpatch.kube.kubeconfig.file import SECTIONS, KubeconfigEntry, KubeconfigFile
from fleetpatch.kube.kubeconfig.keys import check_entry
from fleetpatch.kube.proxies import proxy_for
from fleetpatch.model.addresses import AddressError, is_host, normalized, parse
from fleetpatch.model.partial_repr import PartialRepr

_SCHEMES: Final = ("https", "http")
_CLUSTER_PATHS: Final = ("certificate-authority",)
_USER_PATHS: Final = ("client-certificate", "client-key", "tokenFile")


class Context(PartialRepr, frozen=True):
    """One context with its cluster and user, all paths absolute. `user` contains secrets."""

    _printed: ClassVar = ("name", "cluster_name", "cluster", "where", "warnings")

    name: str
    cluster_name: str
    cluster: KubeconfigEntry
    user: KubeconfigEntry
    where: str
    """The beginning of messages: `context 'prod' in ~/.kube/config`."""
    warnings: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        """The server's URL, without a slash at its end.

        Raises KubeconfigError for a URL that is missing or not valid.
        """
        text = self.cluster.get("server")
        if not text:
            raise KubeconfigError(f"{self.where}: its cluster has no `server`; add its URL")
        try:
            url = parse(str(text), _SCHEMES)
        except AddressError as error:
            raise KubeconfigError(
                f"{self.where}: `server` {error}; write a URL like https://host:6443"
            ) from None
        # Paths are appended to this URL, and would become a part of its query.
        if url.query or url.fragment:
            raise KubeconfigError(
                f"{self.where}: `server` must be a URL without a ? or #; write it like"
                " https://host:6443"
            )
        # The URL is recorded in run files and shown in messages.
        if url.username or url.password:
            raise KubeconfigError(
                f"{self.where}: `server` must not contain credentials; move them to its user"
            )
        return url.geturl().rstrip("/")

    @property
    def server_name(self) -> str | None:
        """The name that the server's certificate must have, if it is not the host of `server`.

        Raises KubeconfigError for a name that is not valid. aiohttp removes dots at the end, so "."
        would switch the check of the name off.
        """
        name: str | None = self.cluster.get("tls-server-name") or None
        if name is not None and not is_host(name):
            raise KubeconfigError(
                f"{self.where}: `tls-server-name` is not a valid host name or IP address;"
                " correct it"
            )
        return name

    @property
    def route(self) -> str:
        """The settings beside `server` that determine which server answers, as text.

        These are `proxy-url`, without its password, and `tls-server-name`; empty if neither is
        given. Raises KubeconfigError for a value that is not valid.
        """
        configured = self.cluster.get("proxy-url")
        proxy = proxy_for(self.server, configured, self.where) if configured else None
        parts = [f"proxy-url {normalized(proxy)}"] if proxy else []
        if self.server_name:
            parts.append(f"tls-server-name {self.server_name.lower().rstrip('.')}")
        return ", ".join(parts)


def find_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the kubeconfig files; empty if $KUBECONFIG is not set and no default one exists.

    Raises KubeconfigError if $KUBECONFIG names files and none of them exists.
    """
    named = environ.get("KUBECONFIG")
    if not named:
        default = expand_home(DEFAULT)
        return (default,) if _exists(default) else ()
    files = tuple(expand_home(name) for name in named.split(os.pathsep) if name)
    found = tuple(file for file in files if _exists(file))
    if not found:
        raise KubeconfigError(f"$KUBECONFIG: no such file: {named}; correct it or unset it")
    return found


def choose_context(documents: Sequence[KubeconfigFile], name: str | None) -> Context:
    """Return the context `name`, by default the current one.

    Raises KubeconfigError if it is missing, with the names of all contexts, or not complete.
    """
    files = ", ".join(str(document.file) for document in documents)
    known = ", ".join(sorted(_names(documents, "contexts"))) or "none"
    # The first file with a `current-context` decides, as for all repeated settings.
    name = name or next(filter(None, (document.current_context for document in documents)), "")
    if not name and not _names(documents, "contexts"):
        raise KubeconfigError(f"{files}: no contexts; add one, or name another file in $KUBECONFIG")
    if not name:
        raise KubeconfigError(f"{files}: no current-context; choose one of these: {known}")
    context = _find(documents, "contexts", name)
    if context is None:
        raise KubeconfigError(f"{files}: no context {name!r}; there are: {known}")
    where = f"context {name!r} in {context.file}"
    cluster = _refer(documents, "clusters", context, where)
    if cluster is None:
        raise KubeconfigError(f"{where}: has no cluster; add `cluster`")
    user = _refer(documents, "users", context, where)
    warnings = [warning for document in documents for warning in document.warnings]
    # Only the entries in use are checked: a mistake in another one cannot affect this run.
    for found in filter(None, (context, cluster, user)):
        warnings += check_entry(found.section, found.entry, where)
    return Context(
        name=name,
        cluster_name=cluster.name,
        cluster=_absolute(cluster, _CLUSTER_PATHS),
        user=_with_absolute_command(user) if user else {},
        where=where,
        warnings=tuple(warnings),
    )


class _Found(msgspec.Struct, frozen=True):
    """An entry of a section, and the file that it is in."""

    section: str
    name: str
    file: Path
    entry: KubeconfigEntry

    @property
    def body(self) -> KubeconfigEntry:
        return self.entry.get(SECTIONS[self.section]) or {}


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        # Reading the file will fail for the same reason, with a better message.
        return True


def _names(documents: Sequence[KubeconfigFile], section: str) -> list[str]:
    return [name for document in documents for name in document.entries[section]]


def _find(documents: Sequence[KubeconfigFile], section: str, name: str) -> _Found | None:
    for document in documents:
        if (entry := document.entries[section].get(name)) is not None:
            return _Found(section, name, document.file, entry)
    return None


def _refer(
    documents: Sequence[KubeconfigFile], section: str, context: _Found, where: str
) -> _Found | None:
    """Return the cluster or user to which the context refers; None if it does not refer to one."""
    key = SECTIONS[section]
    name = context.body.get(key)
    if not isinstance(name, str | None):
        raise KubeconfigError(f"{where}: `{key}` must be text; put it in quotes")
    if not name:
        return None
    found = _find(documents, section, name)
    if found is None:
        known = ", ".join(sorted(_names(documents, section))) or "none"
        raise KubeconfigError(f"{where}: no {name!r} among the {section}; there are: {known}")
    return found


def _absolute(found: _Found, keys: Sequence[str]) -> KubeconfigEntry:
    folder = found.file.absolute().parent
    paths = {key: str(folder / str(found.body[key])) for key in keys if found.body.get(key)}
    return found.body | paths


def _with_absolute_command(found: _Found) -> KubeconfigEntry:
    """Make the paths of a user absolute, and the command of its exec plugin if that is a path."""
    user = _absolute(found, _USER_PATHS)
    plugin = user.get("exec")
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
        command = str(found.file.absolute().parent / str(plugin["command"]))
        user = user | {"exec": plugin | {"command": command}}
    return user
