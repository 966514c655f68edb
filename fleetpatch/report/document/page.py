"""The report as one HTML page that needs nothing else: no network, no other file.

Jinja2 escapes all values, and `_shown` cleans them before: control and bidi characters, escape
sequences and megabytes of text do not reach the page. Its policy (CSP) allows only the style sheet
and the script in it, by their hashes, so that markup of a server would not be run either.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from fleetpatch._version import __version__
from fleetpatch.errors import UsageError
from fleetpatch.model.run import Tally, outcomes_as_json
from fleetpatch.model.text import clean
from fleetpatch.report.changes import changes
from fleetpatch.report.document import facts
from fleetpatch.report.document.contents import RunReport
from fleetpatch.report.runs import state_of
from fleetpatch.report.summary import steps
from fleetpatch.report.wording import duration, moment, number, several, steered, window_text

EXTRA: Final = "pip install 'fleetpatch[report]'"
"""The command that installs what the page needs."""

ROWS_SHOWN: Final = 1000
"""Rows of a table of places; the others share one row, so that the page stays small."""

MOST: Final = {"groups": 100, "fields": 30, "sessions": 50, "waves": 100, "runs": 20}
"""How much of each list the page shows, so that it stays small whatever a run has."""

_BRIEF: Final = 200
_USUAL: Final = 500
_LONG: Final = 2000
"""Characters of a text that are shown: one of many, any other, and a description or a command."""
_HERE: Final = Path(__file__).parent
_GENERATOR: Final = b'<meta name="generator" content="fleetpatch '
_NEEDED: Final = ("jinja2", "pygal")
_THINNEST: Final = 0.4
"""Per cent of a bar that are visible."""


class Bar(NamedTuple):
    """A part of a bar, from `start`, `width` wide, in per cent of the whole."""

    style: str
    start: float
    width: float


class Places(NamedTuple):
    """A table of places of one kind; `rest` adds up the `others` that are not shown."""

    title: str
    column: str
    rows: list[tuple[str, Tally]]
    others: int
    rest: Tally


def is_installed() -> bool:
    """Report whether the extra is installed."""
    return all(find_spec(name) is not None for name in _NEEDED)


def require_extra() -> None:
    """Raise UsageError if the extra is not installed."""
    if not is_installed():
        raise UsageError(
            f"an HTML page needs the extra `report`: {EXTRA}; --markdown, --json and --csv work"
            " without it"
        )


def is_page(start: bytes) -> bool:
    """Whether a file that begins like this is a page of a report."""
    return start.startswith(b"<!doctype html>") and _GENERATOR in start.partition(b"<title>")[0]


def page(report: RunReport) -> str:
    """Return the page. Raises UsageError without the extra."""
    require_extra()
    # Deferred: an extra, which takes 0.1 s to load.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 # see above
    from markupsafe import Markup  # noqa: PLC0415 # comes with jinja2

    from fleetpatch.report.document.charts import charts_of  # noqa: PLC0415 # needs pygal

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(_HERE),
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else _shown(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "moment": moment,
        "duration": duration,
        "brief": lambda text: clean(text, _BRIEF),
        "long": lambda text: Markup.escape(clean(text, _LONG)),
        # Only for what this package has made: the charts, the style sheet and the script.
        "markup": Markup,
    }
    style, script = (_HERE / "page.css").read_text(), (_HERE / "page.js").read_text()
    return environment.get_template("page.html.jinja").render(
        _context(report),
        charts=charts_of(report.timeline),
        style=style,
        script=script,
        policy=policy(style, script),
    )


def policy(style: str, script: str) -> str:
    """Return the policy (CSP) that allows this style sheet and this script, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _shown(value: object) -> str:
    return clean(str(value), _USUAL)


def _context(report: RunReport) -> dict[str, Any]:
    """Return all that the template reads."""
    span = facts.span_of(report)
    return {
        "report": report,
        "version": __version__,
        "facts": facts,
        "most": MOST,
        "runs": min(len(report.runs), MOST["runs"]),
        # A column of zeros says nothing, and a phone has no room for it.
        "columns": [one for one, count in outcomes_as_json(report.tally).items() if count],
        "counts_of": outcomes_as_json,
        "bars_of": _bars,
        "places": [
            _places("Clusters", "Cluster", report.by(lambda one: one.by_cluster)),
            _places("Kinds", "Kind", report.by(lambda one: one.by_kind)),
            _places("Namespaces", "Namespace", report.by(lambda one: one.by_namespace)),
        ],
        "changes": lambda one: list(changes(one.target.before, one.after or {})),
        "state_of": state_of,
        "steps": steps,
        "several": several,
        "steered": steered,
        "window_text": window_text,
        "span": span,
        "bar_of": partial(_bar, span),
    }


def _bars(tally: Tally) -> list[Bar]:
    bars, start = [], 0.0
    for outcome, count in outcomes_as_json(tally).items():
        width = 100 * count / tally.total if tally.total else 0.0
        if count:
            bars.append(Bar(outcome, round(start, 3), round(max(width, _THINNEST), 3)))
        start += width
    return bars


def _bar(
    span: tuple[float, float] | None, style: str, began: float | None, ended: float | None
) -> Bar | None:
    """Return a stretch of the whole time; None if it is not known."""
    if span is None or began is None:
        return None
    first, last = span
    length = max(last - first, 1e-9)
    start = min(max(100 * (began - first) / length, 0.0), 100 - _THINNEST)
    end = min(100 * ((last if ended is None else ended) - first) / length, 100.0)
    return Bar(style, round(start, 3), round(max(end - start, _THINNEST), 3))


def _places(title: str, column: str, tallies: Mapping[str, Tally]) -> Places:
    rows = list(tallies.items())
    rest = [tally for _, tally in rows[ROWS_SHOWN:]]
    return Places(title, column, rows[:ROWS_SHOWN], len(rest), sum(rest, Tally()))
