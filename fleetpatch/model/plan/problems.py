"""Findings and problems: what is wrong with a plan file, and where.

Checks read the plain tree and yield `Finding`s, each with a path in the tree. The loader knows the
text, and turns findings into `Problem`s with line and column.
"""

import re
from typing import Final, TypeAlias

import msgspec

from fleetpatch.model.text import is_unicode

API_VERSION: Final = "fleetpatch/v1"
"""The version of the plan file format."""

TreePath: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the plan's root: `("targets", 0, "kinds")`."""


_SIMPLE: Final = re.compile(r"[\w-]+")


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in a text; line and column count from 1, columns in characters."""

    line: int
    column: int


class Finding(msgspec.Struct, frozen=True):
    """A mistake at `path`: `what` says what is wrong, and what to do.

    `of_key` is set if the key is wrong and not its value. `offset` is the position in the text at
    `path`, in characters, if that is known. A path that does not exist means that something is
    missing; it is placed at the innermost mapping or list that exists.
    """

    path: TreePath
    what: str
    of_key: bool = False
    offset: int = 0


class Problem(msgspec.Struct, frozen=True):
    """`file:line:column: what, and what to do`; without line and column if there is no text."""

    file: str
    what: str
    place: Place | None = None

    def __str__(self) -> str:
        where = f"{self.place.line}:{self.place.column}:" if self.place else ""
        return f"{self.file}:{where} {self.what}"


def _shown(key: str) -> str:
    # A lone surrogate cannot be printed as UTF-8, so its escape is shown.
    return key if is_unicode(key) else ascii(key)[1:-1]


def show_path(path: TreePath) -> str:
    """Render a path as people write it: `targets[0].kinds`, `patch.labels."a.b/c"`."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            quoted = step if _SIMPLE.fullmatch(step) else f'"{_shown(step)}"'
            shown += f".{quoted}" if shown else quoted
    return shown
