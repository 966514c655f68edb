"""Shows the progress of planning and applying on a terminal.

The engine's calls only add to counters. rich's own thread reads them a few times a second and
draws, so the cost is the same for ten targets a second and for ten thousand. Without a terminal
nothing is drawn; the log has the same information. The bar is removed at the end, since a summary
follows.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fleetpatch.model.outcome import Outcome
from fleetpatch.model.text import clean

REDRAWS = 5
"""Redraws per second; the load is negligible."""

_LIMITS_SHOWN = 2
"""Clusters whose limit is shown; two fit into a line of 80 columns."""


class ProgressCounters:
    """Implements the port `Progress` by counting; used without a terminal as well."""

    def __init__(self) -> None:
        self.found = 0
        self.retries = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.limits: dict[str, str] = {}

    def planned(self, found: int) -> None:
        """Count objects that the survey has found."""
        self.found += found

    def settled(self, outcome: Outcome, count: int) -> None:
        """Count targets that have ended with this outcome."""
        self.outcomes[outcome] += count

    def retried(self) -> None:
        """Count an attempt that will be retried."""
        self.retries += 1

    def limited(self, place: str, what: str) -> None:
        """Set what limits the pace of the cluster `place` now; empty if nothing does."""
        self.limits[place] = what


@contextmanager
def watch_planning(stream: TextIO) -> Iterator[ProgressCounters]:
    """Show on `stream` how many objects the survey has found so far."""
    counters = ProgressCounters()
    columns = (SpinnerColumn(), TextColumn("Planning"), _Found(counters), TimeElapsedColumn())
    with _drawn(stream, counters, columns, total=None):
        yield counters


@contextmanager
def watch_applying(stream: TextIO, *, total: int) -> Iterator[ProgressCounters]:
    """Show on `stream` how many of `total` open targets have ended, with outcomes and rate."""
    counters = ProgressCounters()
    columns = (
        TextColumn("Applying"),
        BarColumn(bar_width=24),
        _Done(),
        TimeRemainingColumn(compact=True),
    )
    with _drawn(stream, counters, columns, total=total):
        yield counters


@contextmanager
def _drawn(
    stream: TextIO,
    counters: ProgressCounters,
    columns: Iterable[ProgressColumn],
    *,
    total: int | None,
) -> Iterator[None]:
    # Not rich's own detection: escape sequences must never be written to a file or pipe.
    if not stream.isatty():
        yield
        return
    bar = _Bar(
        *columns,
        console=Console(file=stream),
        refresh_per_second=REDRAWS,
        redirect_stdout=False,  # stdout carries the result, even into a pipe
        transient=True,
    )
    bar.follow(counters, total)
    with bar:
        yield


class _Bar(Progress):
    """A rich progress display that looks up its counters whenever it is drawn."""

    _counters: ProgressCounters | None = None

    def follow(self, counters: ProgressCounters, total: int | None) -> None:
        self._counters = counters
        self.add_task("", total=total)

    def get_renderables(self) -> Iterable[RenderableType]:
        # rich calls this from its own thread. Reading a counter needs no lock: it may be late by
        # one redraw, and never shows a wrong number.
        if self._counters is not None:
            for task in self.task_ids:
                self.update(task, completed=self._counters.outcomes.total())
        yield from super().get_renderables()
        if self._counters is not None:
            yield from _below(self._counters)


class _Found(ProgressColumn):
    def __init__(self, counters: ProgressCounters) -> None:
        super().__init__()
        self._counters = counters

    def render(self, _task: Task) -> Text:
        return Text(f"{self._counters.found:,} objects found")


class _Done(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate = f"{task.speed:,.0f}/s" if task.speed else "-/s"
        return Text(f"{task.completed:,.0f}/{task.total or 0:,.0f} {rate}")


def _below(counters: ProgressCounters) -> Iterator[Text]:
    """Yield the lines below the bar: the outcomes, and what limits the pace; no empty lines."""
    for line in (_outcomes(counters), _limits(counters)):
        if line:
            line.no_wrap, line.overflow = True, "ellipsis"
            yield line


def _outcomes(counters: ProgressCounters) -> Text:
    """Return `applied 1,200  failed 3  retries 37`."""
    shown = Text()
    for outcome in Outcome:
        if count := counters.outcomes[outcome]:
            shown.append(f"{outcome} {count:,}  ", style=_STYLES[outcome])
    if retries := counters.retries:
        shown.append(f"retries {retries:,}", style="yellow")
    return shown


def _limits(counters: ProgressCounters) -> Text:
    """Return `prod-a: latency, 40 in flight`, for the first few clusters."""
    limited = [(place, what) for place, what in counters.limits.items() if what]
    shown = [f"{place}: {what}" if place else what for place, what in limited[:_LIMITS_SHOWN]]
    if more := limited[_LIMITS_SHOWN:]:
        shown.append(f"and {len(more)} more")
    return Text(clean("; ".join(shown)), style="dim")


_STYLES = {
    Outcome.APPLIED: "green",
    Outcome.UNCHANGED: "dim",
    Outcome.SKIPPED: "yellow",
    Outcome.FAILED: "bold red",
}
