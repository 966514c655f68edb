"""The preview of a plan as Markdown, for a pull request in which the plan is reviewed."""

from collections.abc import Iterator
from typing import Final

from fleetpatch.report.forecast import forecast_parts
from fleetpatch.report.markdown import code, examples, row, text
from fleetpatch.report.places import PLACE_HEADER, described, place_rows
from fleetpatch.report.preview import Preview, warnings
from fleetpatch.report.table import TableRow
from fleetpatch.report.wording import command, number, several

_COUNTS_FROM: Final = 3
"""The first column of the table that has counts."""


def markdown_lines(preview: Preview, *, all_namespaces: bool = False) -> Iterator[str]:
    """Yield the preview; a long list of namespaces is cut as in `preview_lines`."""
    summary, info = preview.summary, preview.summary.info
    yield f"## {text(info.plan_name)}: {_headline(preview)}"
    yield ""
    if info.description:
        yield text(info.description)
        yield ""
    yield from _facts(preview)
    yield ""
    yield from _table(place_rows(summary, preview.places, preview.empty, all_namespaces))
    if preview.samples:
        yield ""
        yield from examples((one.target, one.after) for one in preview.samples)
    for warning in _warnings(preview):
        yield ""
        yield f"> {text(warning)}"
    yield ""
    yield from _next(preview)


def _warnings(preview: Preview) -> Iterator[str]:
    # On a terminal stderr has the first of these; a pull request shows nothing of it.
    for place in preview.empty:
        yield f"Warning: nothing matches in {described(place)}"
    yield from warnings(preview)
    for found, count in preview.summary.warnings.items():
        yield f"Warning from the servers, {number(count)} times: {found}"


def _headline(preview: Preview) -> str:
    tally = preview.summary.tally
    if not tally.open:
        return "nothing to do"
    return f"{number(tally.open)} of {several(tally.total, 'object')} to patch"


def _facts(preview: Preview) -> Iterator[str]:
    """Yield a list of what identifies the plan, where it applies, and how it is carried out."""
    info = preview.summary.info
    if info.undo_of:
        yield f"- **Undoes** {code(info.undo_of)}"
    if info.reason:
        yield f"- **Reason** {text(info.reason)}"
    for key, value in info.annotations.items():
        yield f"- **{text(key)}** {text(value)}"
    yield f"- **Plan digest** {code(info.plan_digest)}"
    yield f"- **Run** {code(info.run)}"
    if preview.digest:
        yield f"- **Run digest** {code(preview.digest)}"
    for cluster in info.clusters:
        yield f"- **Cluster** {text(cluster.name)} at {code(cluster.server)}"
    for missing, why in info.missing.items():
        yield f"- **Left out** {text(missing)}: {text(why)}"
    for name, what in forecast_parts(preview.forecast) if preview.forecast else ():
        yield f"- **{name}** {text(what)}"


def _table(rows: Iterator[TableRow]) -> Iterator[str]:
    yield row(text(name.lower()) for name in PLACE_HEADER)
    columns = range(len(PLACE_HEADER))
    yield row("---:" if column >= _COUNTS_FROM else "---" for column in columns)
    for cells in rows:
        yield row(number(cell) if isinstance(cell, int) else text(cell) for cell in cells)


def _next(preview: Preview) -> Iterator[str]:
    apply = ["apply", preview.summary.info.run]
    # The digest covers the targets and their values: what was reviewed is carried out.
    apply += ["--digest", preview.digest] if preview.digest else []
    if preview.summary.tally.open:
        yield f"Nothing was sent. To patch exactly these objects: {code(command(*apply))}"
    else:
        yield "Nothing to do: no object needs the patch."
