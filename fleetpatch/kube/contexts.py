"""Kubeconfig files: found, read, merged, and one context cut out of them.

As kubectl does it: the files of $KUBECONFIG (joined by `:`; those that do not exist are passed
over), else ~/.kube/config. The first file to define a name wins, `current-context` included, and a
relative path is relative to the file that holds it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fleetpatch.errors import KubeconfigError
from fleetpatch.model.addresses import AddressError, parse

_SCHEMES: Final = ("https", "http")
_CLUSTER_PATHS: Final = ("certificate-authority",)
_USER_PATHS: Final = ("client-certificate", "client-key", "tokenFile")
_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    # A string "false" is true to Python, and would switch verification off.
    "insecure-skip-tls-verify": (bool, "true or false, without quotes"),
    **dict.fromkeys(
        (
            "server",
            "tls-server-name",
            "proxy-url",
            "certificate-authority",
            "certificate-authority-data",
            "client-certificate",
            "client-certificate-data",
            "client-key",
            "client-key-data",
            "tokenFile",
            # Unquoted digits lose their leading zeros.
            "token",
            "username",
            "password",
        ),
        (str, "text; put it in quotes"),
    ),
}

Entry: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One file and what it holds."""

    file: Path
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """One context with its cluster and user, all paths absolute. `user` is full of secrets."""

    name: str
    cluster_name: str
    cluster: Entry
    user: Entry = field(repr=False)
    where: str
    """`context 'prod' in ~/.kube/config`, for messages."""

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
        if url.query or url.fragment:
            raise KubeconfigError(
                f"{self.where}: `server` must be a URL without a ? or #; write it like"
                " https://host:6443"
            )
        if url.username or url.password:
            raise KubeconfigError(
                f"{self.where}: `server` must not hold credentials; move them to its user"
            )
        return url.geturl().rstrip("/")


def find_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Find the kubeconfig files; empty where there is none by default.

    Raises KubeconfigError where $KUBECONFIG names files and none of them exists.
    """
    named = environ.get("KUBECONFIG")
    if not named:
        default = Path("~/.kube/config").expanduser()
        return (default,) if default.exists() else ()
    files = tuple(Path(name).expanduser() for name in named.split(os.pathsep) if name)
    found = tuple(file for file in files if file.exists())
    if not found:
        raise KubeconfigError(f"$KUBECONFIG: no such file: {named}; correct it or unset it")
    return found


def read(file: Path) -> Document:
    """Read one file. Raises KubeconfigError where it cannot be read or is no kubeconfig."""
    try:
        content = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeconfigError(
            f"{file}: cannot be read: {error.strerror}; check the file and its mode"
        ) from None
    except (YAMLError, ValueError) as error:
        # The parser's own message quotes the text around the mistake, which may be a token.
        raise KubeconfigError(
            f"{file}{_place(error)}: is not YAML; correct it, or write it anew"
        ) from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise KubeconfigError(f"{file}: is not a kubeconfig: its top level must be a mapping")
    return Document(file, content)


def choose(documents: Sequence[Document], name: str | None) -> Context:
    """Cut out the context `name`, by default the current one.

    Raises KubeconfigError, naming the contexts there are, where it is missing or incomplete.
    """
    files = ", ".join(str(document.file) for document in documents)
    known = ", ".join(sorted(_names(documents, "contexts"))) or "none"
    name = name or _current(documents)
    if not name:
        raise KubeconfigError(f"{files}: no current-context; choose one of these: {known}")
    context = _find(documents, "contexts", name)
    if context is None:
        raise KubeconfigError(f"{files}: no context {name!r}; there are: {known}")
    where = f"context {name!r} in {context.file}"
    cluster = _refer(documents, "clusters", context.body.get("cluster"), where)
    if cluster is None:
        raise KubeconfigError(f"{where}: names no cluster; add `cluster`")
    user = _refer(documents, "users", context.body.get("user"), where)
    for found in (cluster, user) if user else (cluster,):
        _check_types(found, where)
    return Context(
        name=name,
        cluster_name=cluster.name,
        cluster=_absolute(cluster, _CLUSTER_PATHS),
        user=_with_absolute_command(user) if user else {},
        where=where,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    file: Path
    body: Entry


def _place(error: Exception) -> str:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _current(documents: Sequence[Document]) -> str | None:
    named = (document.content.get("current-context") for document in documents)
    return next((str(name) for name in named if name), None)


def _entries(document: Document, section: str) -> list[Entry]:
    entries = document.content.get(section) or []
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and "name" in entry for entry in entries
    ):
        raise KubeconfigError(f"{document.file}: `{section}` must be a list of named entries")
    return entries


def _names(documents: Sequence[Document], section: str) -> list[str]:
    return [str(entry["name"]) for document in documents for entry in _entries(document, section)]


def _find(documents: Sequence[Document], section: str, name: str) -> _Found | None:
    for document in documents:
        for entry in _entries(document, section):
            if str(entry["name"]) == name:
                body = entry.get(section.removesuffix("s")) or {}
                if not isinstance(body, dict):
                    raise KubeconfigError(f"{document.file}: {name!r} of `{section}` has no body")
                return _Found(name, document.file, body)
    return None


def _refer(documents: Sequence[Document], section: str, name: Any, where: str) -> _Found | None:
    if not name:
        return None
    found = _find(documents, section, str(name))
    if found is None:
        known = ", ".join(sorted(_names(documents, section))) or "none"
        raise KubeconfigError(f"{where}: no {name!r} among the {section}; there are: {known}")
    return found


def _check_types(found: _Found, where: str) -> None:
    for key, (kind, wanted) in _TYPES.items():
        if not isinstance(found.body.get(key), kind | None):
            raise KubeconfigError(f"{where}: `{key}` must be {wanted}")


def _absolute(found: _Found, keys: Sequence[str]) -> Entry:
    folder = found.file.absolute().parent
    paths = {key: str(folder / str(found.body[key])) for key in keys if found.body.get(key)}
    return found.body | paths


def _with_absolute_command(found: _Found) -> Entry:
    """Make a user's paths absolute, an exec plugin's command included where it is a path."""
    user = _absolute(found, _USER_PATHS)
    plugin = user.get("exec")
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
        command = str(found.file.absolute().parent / str(plugin["command"]))
        user = user | {"exec": plugin | {"command": command}}
    return user
