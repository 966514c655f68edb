"""Draws progress with rich: a bar or a spinner, and below it the outcomes and what limits the pace.

rich's own thread reads the counters a few times a second, so the cost is the same for ten targets a
second and for ten thousand. The bar is removed at the end, since a summary follows.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
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
from fleetpatch.report import terminal
from fleetpatch.report.progress import ProgressCounters

REDRAWS = 5
"""Redraws per second; the load is negligible."""

_BAR = 24
"""Columns of the bar on a terminal of 80; it has more on a wider one."""
_BESIDE_THE_BAR = 56

_LIMITS_SHOWN = 2
"""Clusters whose limit is shown; two fit into a line of 80 columns."""


def planning(
    stream: TextIO, counters: ProgressCounters, what: str
) -> AbstractContextManager[Progress]:
    """Draw how many objects were found, and what is done with them."""
    columns = (SpinnerColumn(), TextColumn(what), _Found(counters), TimeElapsedColumn())
    return _Bar(stream, counters, columns, total=None)


def applying(
    stream: TextIO, counters: ProgressCounters, *, total: int
) -> AbstractContextManager[Progress]:
    """Draw how many of `total` open targets have ended, with outcomes and rate."""
    columns = (
        TextColumn("Applying"),
        BarColumn(bar_width=max(_BAR, min(4 * _BAR, terminal.columns() - _BESIDE_THE_BAR))),
        _Done(),
        TimeRemainingColumn(compact=True),
    )
    return _Bar(stream, counters, columns, total=total)


class _Bar(Progress):
    """A rich progress display that looks up its counters whenever it is drawn."""

    def __init__(
        self,
        stream: TextIO,
        counters: ProgressCounters,
        columns: Iterable[ProgressColumn],
        *,
        total: int | None,
    ) -> None:
        # Before rich's constructor, which draws for the first time.
        self._counters = counters
        super().__init__(
            *columns,
            console=Console(file=stream),
            refresh_per_second=REDRAWS,
            redirect_stdout=False,  # stdout carries the result, even into a pipe
            transient=True,
        )
        self.add_task("", total=total)

    def get_renderables(self) -> Iterable[RenderableType]:
        # rich calls this from its own thread. Reading a counter needs no lock: it may be late by
        # one redraw, and never shows a wrong number.
        for task in self.task_ids:
            self.update(task, completed=self._counters.outcomes.total())
        yield from super().get_renderables()
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
