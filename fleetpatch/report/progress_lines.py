"""Writes the progress of a run as plain lines, for logs of cron and CI: what a bar is for people.

    2026-11-26T20:15:00Z applying relabel-ml-teams-20261126T2014Z-4f9a1c: 12,000 targets
    2026-11-26T20:15:30Z 4,200 of 12,000: 4,190 applied, 10 failed; 140/s now, 140/s overall
    2026-11-26T20:16:02Z wave 2 of 5 begins at 2026-11-26T20:21:02Z

A thread writes them: a pipe without a reader must not hold up the run.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self, TextIO

from fleetpatch.model.live import StatusReport
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.run import RunState, Summary
from fleetpatch.model.text import clean
from fleetpatch.report.progress import ProgressCounters
from fleetpatch.report.wording import STATE, moment, number, rate, several

INTERVAL: Final = 30.0
"""Seconds between two lines."""
_JOIN_TIMEOUT: Final = 1.0
"""Seconds to wait for the last line, if the reader does not read."""


class ProgressLines(ProgressCounters):
    """Implements the port `Progress`; a context manager, in which lines are written.

    A line is written when the session begins, every `every` seconds, and at each wave and wait.
    `total` is the number of open targets of the run named `run`. `monotonic` and `wall` are clocks,
    in seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        run: str,
        total: int,
        *,
        every: float = INTERVAL,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._stream, self._run, self._total, self._every = stream, run, total, every
        self._monotonic, self._wall = monotonic, wall
        self._due = monotonic() + every
        self._has_begun = False
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # A daemon: the process must be able to exit while the thread waits for its reader.
        self._writer = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.put(None)
        self._writer.join(_JOIN_TIMEOUT)

    def limited(self, place: str, what: str) -> None:
        """Write what the run waits for; what limits a cluster is not worth a line."""
        super().limited(place, what)
        if what and not place:
            self._say(f"waiting: {clean(what)}")

    def wave(self, number: int, of: int, starts_at: float | None) -> None:
        """Write which wave begins, or when it will."""
        super().wave(number, of, starts_at)
        at = "" if starts_at is None else f" at {moment(starts_at)}"
        self._say(f"wave {number} of {of} begins{at}")

    def reported(self, report: StatusReport) -> None:
        """Write how far the run is, if it is time for that."""
        super().reported(report)
        self._begin()
        now = self._monotonic()
        if now >= self._due:
            self._due = now + self._every
            self._say(_line_of(report))

    def ended(self, summary: Summary) -> None:
        """Write that the run was paused or halted, and why."""
        self._begin()
        if summary.state is not RunState.FINISHED:
            code = f" ({clean(summary.cause_code)})" if summary.cause_code else ""
            self._say(f"{STATE[summary.state]}: {clean(summary.cause)}{code}")

    def _begin(self) -> None:
        """Write the first line; not before the session reports, since it may be refused."""
        if not self._has_begun:
            self._has_begun = True
            self._say(f"applying {clean(self._run)}: {several(self._total, 'target')}")

    def _say(self, text: str) -> None:
        self._begin()
        self._lines.put(f"{moment(self._wall())} {text}\n")

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            with suppress(OSError, ValueError):  # a stream that is closed has no reader any more
                self._stream.write(line)
                self._stream.flush()


def _line_of(report: StatusReport) -> str:
    tally, live = report.summary.tally, report.live
    counts = {
        Outcome.APPLIED: tally.applied,
        Outcome.UNCHANGED: tally.unchanged,
        Outcome.SKIPPED: tally.skipped,
        Outcome.FAILED: tally.failed,
    }
    ended = ", ".join(f"{number(count)} {what}" for what, count in counts.items() if count)
    parts = [
        f"{number(tally.total - tally.open)} of {number(tally.total)}" + (ended and f": {ended}"),
        f"{rate(live.rate_now)} now, {rate(live.rate_overall)} overall",
    ]
    parts += [f"{cluster}: {words}" for cluster, words in live.limited_by.items()][:2]
    if live.ends_at is not None:
        parts.append(f"ends at about {moment(live.ends_at)}")
    return clean("; ".join(parts))
