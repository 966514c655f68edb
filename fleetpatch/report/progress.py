"""Counts the progress of planning and applying, and shows it on a terminal.

The engine's calls only add to counters. Without a terminal nothing is drawn; the log has the same
information.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from fleetpatch.model.live import StatusReport
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.run import Summary
from fleetpatch.report.wording import moment


class ProgressCounters:
    """Implements the port `Progress` by counting; used without a terminal as well."""

    def __init__(self) -> None:
        self.found = 0
        self.retries = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.limits: dict[str, str] = {}
        self.report: StatusReport | None = None

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

    def wave(self, number: int, of: int, starts_at: float | None) -> None:
        """Set the wave that is under way, or awaited."""
        begins = f" begins at {moment(starts_at)}" if starts_at is not None else ""
        self.limits[""] = f"wave {number} of {of}{begins}"

    def reported(self, report: StatusReport) -> None:
        """Keep the status of the session."""
        self.report = report

    def ended(self, summary: Summary) -> None:
        """Do nothing: the summary follows."""


@contextmanager
def watch_planning(stream: TextIO, what: str = "Planning") -> Iterator[ProgressCounters]:
    """Show on `stream` how many objects were found so far, after the word `what`."""
    counters = ProgressCounters()
    # Not rich's own detection: escape sequences must never be written to a file or pipe.
    if not stream.isatty():
        yield counters
        return
    # Deferred: rich loads in 30 ms, and only a terminal needs it.
    from fleetpatch.report import progress_bar  # noqa: PLC0415 - see above

    with progress_bar.planning(stream, counters, what):
        yield counters


@contextmanager
def watch_applying(
    stream: TextIO, *, total: int, run: str = "the run", every: float | None = None
) -> Iterator[ProgressCounters]:
    """Show on `stream` how many of `total` open targets of a run have ended, and how fast.

    A terminal shows a bar. Elsewhere, or if `every` is given, lines are written, one every so many
    seconds; 0 shows nothing.
    """
    if every == 0.0:
        yield ProgressCounters()
        return
    if every is not None or not stream.isatty():
        from fleetpatch.report.progress_lines import INTERVAL, ProgressLines  # noqa: PLC0415 - as above

        with ProgressLines(stream, run, total, every=every or INTERVAL) as lines:
            yield lines
        return
    counters = ProgressCounters()
    from fleetpatch.report import progress_bar  # noqa: PLC0415 - as above

    with progress_bar.applying(stream, counters, total=total):
        yield counters
