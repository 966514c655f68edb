"""The lines of progress. Covered: when they are written, what they say, a pipe that is not read.

Left out: where the counts come from (tests/campaign/test_live.py).
"""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fleetpatch.model.live import Live, StatusReport
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.run import RunState, Summary, Tally
from fleetpatch.report import progress_lines
from fleetpatch.report.progress_lines import ProgressLines
from tests.report.samples import a_summary
from tests.values import replace

NOON = 1_800_014_400.0
AT = "2027-01-15T12:00:00Z "


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def lines(clock: Clock, every: float = 30.0) -> Iterator[tuple[ProgressLines, io.StringIO]]:
    stream = io.StringIO()
    shown = ProgressLines(
        stream, "paint-1", 12_000, every=every, monotonic=clock, wall=lambda: NOON
    )
    with shown:
        yield shown, stream


def a_report(**more: object) -> StatusReport:
    summary = a_summary(
        RunState.RUNNING,
        Tally(pending=7_800, applied=4_190, failed=10),
        {Outcome.APPLIED: {}, Outcome.FAILED: {}},
    )
    live = Live(140.0, 139.6, 23, {"prod-a": "the plan's rate of 140/s"}, ends_at=NOON + 60)
    return StatusReport(summary, replace(live, **more))


def test_a_run_begins_with_a_line_as_soon_as_its_session_reports() -> None:
    with lines(Clock()) as (progress, stream):
        progress.reported(a_report())
        progress.reported(a_report())

    assert stream.getvalue() == f"{AT}applying paint-1: 12,000 targets\n"


def test_a_run_that_is_refused_before_it_begins_has_no_line() -> None:
    with lines(Clock()) as (_, stream):
        pass

    assert not stream.getvalue()


def test_a_line_follows_every_thirty_seconds_and_no_more_often() -> None:
    clock = Clock()
    with lines(clock) as (progress, stream):
        for second in range(65):
            clock.now = float(second)
            progress.reported(a_report())

    _, *later = stream.getvalue().splitlines()
    line = (
        f"{AT}4,200 of 12,000: 4,190 applied, 10 failed; 140/s now, 140/s overall; prod-a: the"
        " plan's rate of 140/s; ends at about 2027-01-15T12:01:00Z"
    )
    assert later == [line, line]


def test_each_wave_and_each_wait_has_a_line_and_a_limit_of_a_cluster_has_none() -> None:
    with lines(Clock()) as (progress, stream):
        progress.wave(1, 3, None)
        progress.limited("prod-a", "the plan's rate")
        progress.wave(2, 3, NOON + 300)
        progress.limited("", "the window is closed\x1b[2J")
        progress.limited("", "")

    _, *later = stream.getvalue().splitlines()
    assert [line.removeprefix(AT) for line in later] == [
        "wave 1 of 3 begins",
        "wave 2 of 3 begins at 2027-01-15T12:05:00Z",
        "waiting: the window is closed",
    ]


def ended(state: RunState) -> str:
    summary: Summary = a_summary(state, Tally(applied=1, pending=1), {}, cause="lunch")
    with lines(Clock()) as (progress, stream):
        progress.ended(replace(summary, cause_code="pause-requested"))
    return stream.getvalue()


def test_a_pause_has_a_line_with_its_cause_and_the_end_of_a_finished_run_has_none() -> None:
    assert ended(RunState.PAUSED).endswith("paused, and can be resumed: lunch (pause-requested)\n")
    assert len(ended(RunState.FINISHED).splitlines()) == 1


class Full(io.StringIO):
    """A pipe without a reader, until `emptied` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.emptied = threading.Event()

    def write(self, text: str) -> int:
        self.emptied.wait()
        return super().write(text)


def test_a_pipe_without_a_reader_does_not_hold_up_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress_lines, "_JOIN_TIMEOUT", 0.0)
    stream = Full()
    progress = ProgressLines(stream, "paint-1", 1)
    with progress:
        for number in range(1, 4):
            progress.wave(number, 3, None)
    assert not stream.getvalue()

    stream.emptied.set()
    progress._writer.join()
    assert len(stream.getvalue().splitlines()) == 4
