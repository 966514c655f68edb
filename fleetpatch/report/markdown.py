"""Foreign text in Markdown: it is shown as it is, and never read as markup.

Names and values come from servers and from the plan, so what Markdown or HTML would read as markup
is escaped, and code is fenced by more backticks than it has.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from fleetpatch.model.fields import Fields
from fleetpatch.model.target import Target
from fleetpatch.model.text import clean
from fleetpatch.report.changes import changes

_MARKUP: Final = re.compile(r"([\\`*_\[\]<>#|~&])")


def text(foreign: str) -> str:
    """Return foreign text as Markdown that shows it as it is."""
    return _MARKUP.sub(r"\\\1", clean(foreign))


def code(foreign: str) -> str:
    """Return foreign text as a code span, in which nothing is a link or a mention of a user."""
    cleaned = clean(foreign)
    if not cleaned:
        return ""  # two backticks would open a span that ends within a later one
    marks = fence(cleaned, least=1)
    # A blank at both ends is removed again; it is needed where the text begins or ends with one.
    pad = " " if "`" in cleaned else ""
    return f"{marks}{pad}{cleaned}{pad}{marks}"


def fence(content: str, *, least: int) -> str:
    """Return backticks that fence the content."""
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    return "`" * max(least, longest + 1)


def row(cells: Iterable[str]) -> str:
    """Return a row of a table, whose cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def examples(samples: Iterable[tuple[Target, Fields]]) -> Iterator[str]:
    """Yield the changes of some targets as a diff; each with its values after the change."""
    lines = [line for target, after in samples for line in _diff(target, after)]
    marks = fence("\n".join(lines), least=3)
    yield "<details open><summary>For example</summary>"
    yield ""
    yield f"{marks}diff"
    yield from lines
    yield marks
    yield ""
    yield "</details>"


def _diff(target: Target, after: Fields) -> Iterator[str]:
    yield f"# {clean(target.full_name)}"
    for name, old, new in changes(target.before, after):
        if old:
            yield f"- {name}: {old}"
        if new:
            yield f"+ {name}: {new}"
