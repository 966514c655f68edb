"""Scans kubeconfigs for the names of contexts, quickly and without errors; for completion.

A kubeconfig may have hundreds of contexts and certificates, which YAML takes seconds to read. So
the section `contexts` is scanned as kubectl and most tools write it: a list, with `name` and
`context` in each entry. `kube.kubeconfig.context` reads kubeconfigs by the rules.
"""

import os
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from fleetpatch.files import expand_home, read_start
from fleetpatch.kube.kubeconfig.content import SIZE_LIMIT

_SECTION: Final = re.compile(r"^contexts:[^\n]*\n((?:[ \t-][^\n]*\n|\n)*)", re.MULTILINE)
_ENTRY: Final = re.compile(r"^( *)- ", re.MULTILINE)
_TEXT: Final = r"""["']?([^"'\n#]+)"""
_NAMESPACE: Final = re.compile(rf"^ +namespace: *{_TEXT}", re.MULTILINE)


class _Context(msgspec.Struct, frozen=True):
    namespace: str = ""


class _NamedContext(msgspec.Struct, frozen=True):
    name: str
    context: _Context = _Context()


class _Kubeconfig(msgspec.Struct, frozen=True):
    contexts: tuple[_NamedContext, ...] = ()


def contexts_of(kubeconfig: str) -> dict[str, str]:
    """Return the namespaces of contexts by their names; "" is none.

    `kubeconfig` is a list of files as in $KUBECONFIG. Only regular files are read, since a pipe
    could block, and the command needs it. Files that cannot be read or are too large are left out.
    """
    found: dict[str, str] = {}
    for file in kubeconfig.split(os.pathsep):
        try:
            text, size = read_start(expand_home(file), SIZE_LIMIT)
        except (OSError, ValueError):  # ValueError: the path contains a NUL
            continue
        if size <= SIZE_LIMIT:
            for name, namespace in _contexts_in(text.decode("utf-8", "replace")):
                found.setdefault(name, namespace)
    return found


def _contexts_in(text: str) -> Iterator[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        try:
            config = msgspec.json.decode(text, type=_Kubeconfig)
        except (msgspec.MsgspecError, RecursionError):  # RecursionError: it is nested too deeply
            return
        yield from ((one.name, one.context.namespace) for one in config.contexts)
        return
    if not (section := _SECTION.search(f"{text}\n")):
        return
    starts = list(_ENTRY.finditer(section[1]))
    ends = [one.start() for one in starts[1:]] + [len(section[1])]
    for start, end in zip(starts, ends, strict=True):
        entry = section[1][start.start() : end]
        # `name` of the entry itself, not of what is nested in it.
        item = f"{start[1]}- "
        own = rf"^(?:{' ' * len(item)}|{item})name: *{_TEXT}"
        name, namespace = re.search(own, entry, re.MULTILINE), _NAMESPACE.search(entry)
        if name:
            yield name[1].strip(), namespace[1].strip() if namespace else ""
