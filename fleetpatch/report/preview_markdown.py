"""The preview of a plan as Markdown, for a pull request in which the plan is reviewed.

Names and values come from servers and from the plan, so what Markdown or HTML would read as markup
is escaped, and code is fenced by more backticks than it has.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from fleetpatch.model.text import clean
from fleetpatch.report.changes import changes
from fleetpatch.report.forecast import forecast_parts
from fleetpatch.report.places import PLACE_HEADER, described, place_rows
from fleetpatch.report.preview import Preview, Sample, warnings
from fleetpatch.report.table import TableRow
from fleetpatch.report.wording import command, number, several

_MARKUP: Final = re.compile(r"([\\`*_\[\]<>#|~&])")
_COUNTS_FROM: Final = 3
"""The first column of the table that has counts."""


def markdown_lines(preview: Preview, *, all_namespaces: bool = False) -> Iterator[str]:
    """Yield the preview; a long list of namespaces is cut as in `preview_lines`."""
    summary, info = preview.summary, preview.summary.info
    yield f"## {_text(info.plan_name)}: {_headline(preview)}"
    yield ""
    if info.description:
        yield _text(info.description)
        yield ""
    yield from _facts(preview)
    yield ""
    yield from _table(place_rows(summary, preview.places, preview.empty, all_namespaces))
    if preview.samples:
        yield ""
        yield from _examples(preview.samples)
    for warning in _warnings(preview):
        yield ""
        yield f"> {_text(warning)}"
    yield ""
    yield from _next(preview)


def _warnings(preview: Preview) -> Iterator[str]:
    # On a terminal stderr has the first of these; a pull request shows nothing of it.
    for place in preview.empty:
        yield f"Warning: nothing matches in {described(place)}"
    yield from warnings(preview)
    for text, count in preview.summary.warnings.items():
        yield f"Warning from the servers, {number(count)} times: {text}"


def _headline(preview: Preview) -> str:
    tally = preview.summary.tally
    if not tally.open:
        return "nothing to do"
    return f"{number(tally.open)} of {several(tally.total, 'object')} to patch"


def _facts(preview: Preview) -> Iterator[str]:
    """Yield a list of what identifies the plan, where it applies, and how it is carried out."""
    info = preview.summary.info
    if info.undo_of:
        yield f"- **Undoes** {_code(info.undo_of)}"
    if info.reason:
        yield f"- **Reason** {_text(info.reason)}"
    for key, value in info.annotations.items():
        yield f"- **{_text(key)}** {_text(value)}"
    yield f"- **Plan digest** {_code(info.plan_digest)}"
    yield f"- **Run** {_code(info.run)}"
    if preview.digest:
        yield f"- **Run digest** {_code(preview.digest)}"
    for cluster in info.clusters:
        yield f"- **Cluster** {_text(cluster.name)} at {_code(cluster.server)}"
    for missing, why in info.missing.items():
        yield f"- **Left out** {_text(missing)}: {_text(why)}"
    for name, text in forecast_parts(preview.forecast) if preview.forecast else ():
        yield f"- **{name}** {_text(text)}"


def _table(rows: Iterator[TableRow]) -> Iterator[str]:
    yield _line(_text(name.lower()) for name in PLACE_HEADER)
    columns = range(len(PLACE_HEADER))
    yield _line("---:" if column >= _COUNTS_FROM else "---" for column in columns)
    for row in rows:
        yield _line(number(cell) if isinstance(cell, int) else _text(cell) for cell in row)


def _line(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _examples(samples: Sequence[Sample]) -> Iterator[str]:
    lines = [line for sample in samples for line in _diff(sample)]
    fence = _fence("\n".join(lines), least=3)
    yield "<details open><summary>For example</summary>"
    yield ""
    yield f"{fence}diff"
    yield from lines
    yield fence
    yield ""
    yield "</details>"


def _diff(sample: Sample) -> Iterator[str]:
    target = sample.target
    place = f"{target.cluster} {target.resource.name} {target.namespace}/{target.name}"
    yield f"# {clean(place)}"
    for name, old, new in changes(target.before, sample.after):
        if old:
            yield f"- {name}: {old}"
        if new:
            yield f"+ {name}: {new}"


def _next(preview: Preview) -> Iterator[str]:
    apply = ["apply", preview.summary.info.run]
    # The digest covers the targets and their values: what was reviewed is carried out.
    apply += ["--digest", preview.digest] if preview.digest else []
    if preview.summary.tally.open:
        yield f"Nothing was sent. To patch exactly these objects: {_code(command(*apply))}"
    else:
        yield "Nothing to do: no object needs the patch."


def _text(text: str) -> str:
    """Return foreign text as Markdown that shows it as it is."""
    return _MARKUP.sub(r"\\\1", clean(text))


def _code(text: str) -> str:
    text = clean(text)
    fence = _fence(text, least=1)
    # A blank at both ends is removed again; it is needed where the text begins or ends with one.
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _fence(text: str, *, least: int) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)
