"""Fits lines into the width of a terminal, which would break them anywhere.

| line | in less room |
|---|---|
| of a table | its columns of text are cut (`TableLine.fitted`) |
| with a path | the path loses its beginning: its name, which commands take, stays whole |
| with a command at its end | the command goes to a line of its own, so that it can be copied |
| `Next:` with a command | what the command does goes to a line of its own, too |
| any other | is broken between words, and indented below its first line |

A word that is longer than the line, such as a command, stays as it is.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from fleetpatch.model.text import visible
from fleetpatch.report.table import CUT, TableLine

_PATH: Final = re.compile(r"((?:Run file|Log):? +)(/.*)")
_NEXT: Final = re.compile(r"((?:Next|More): +)(\S.*?)(?:  (\(.*\)))?")
_COMMAND: Final = re.compile(r"(?:(.*:) | *)(fleetpatch [^`]*)")
_HANGING: Final = re.compile(
    r" *(?:[A-Z][A-Za-z ]{1,10}[:] +|[A-Z][a-z]{1,8} {2,}|Expected | {2,})?"
)
_LEAST: Final = 20
"""Characters of a line that are left beside its indentation at least."""


def fit(lines: Iterable[str], width: int) -> Iterator[str]:
    """Yield the lines in at most `width` characters, as far as possible, without control ones."""
    for line in lines:
        if isinstance(line, TableLine):
            yield visible(line.fitted(width))
        elif len(shown := visible(line)) <= width:
            yield shown
        else:
            yield from _broken(shown, width)


def _broken(line: str, width: int) -> Iterator[str]:
    if path := _PATH.fullmatch(line):
        yield path[1] + _tail(path[2], width - len(path[1]))
    elif following := _NEXT.fullmatch(line):
        label, command, what = following.groups()
        whole = label + command
        yield from [whole] if len(whole) <= width else [label.rstrip(), _indented(command, width)]
        yield from _wrapped(f"{' ' * len(label)}{what}", width, " " * len(label)) if what else ()
    elif ending := _COMMAND.fullmatch(line):
        yield from _wrapped(ending[1], width, "  ") if ending[1] else ()
        yield _indented(ending[2], width)
    else:
        found = _HANGING.match(line)
        indent = found.end() if found else 0
        yield from _wrapped(line, width, " " * (indent if width - indent >= _LEAST else 0))


def _indented(command: str, width: int) -> str:
    """Return a command on a line of its own, which is not broken."""
    return f"  {command}" if len(command) + 2 <= width else command


def _tail(path: str, room: int) -> str:
    """Return the end of a path, from one of its folders on; its last part stays whole."""
    rest = path
    while len(rest) + len(CUT) > room and "/" in rest[1:]:
        rest = rest[rest.index("/", 1) :]
    return rest if rest == path else CUT + rest


def _wrapped(line: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
