"""Covers `report.progress` on a pseudo-terminal, and that it prints nothing elsewhere.

Leaves out how a bar looks in every terminal there is: that is rich's business.
"""

import fcntl
import io
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from fleetpatch.model.outcome import Outcome
from fleetpatch.model.ports import Progress
from fleetpatch.report.progress import ProgressCounters, watch_applying, watch_planning
from tests.report.samples import a_summary


class Screen:
    """The output to a terminal; complete when the block has ended."""

    def __init__(self) -> None:
        self.raw = b""

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.decode())


@contextmanager
def terminal(screen: Screen, columns: int = 120) -> Iterator[TextIO]:
    """A terminal of so many columns, read by a thread as one would by eye."""
    theirs, ours = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read() -> None:
        # Linux ends a terminal whose other side has hung up with EIO.
        try:
            while chunk := os.read(theirs, 4096):
                screen.raw += chunk
        except OSError:
            return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(ours, "w") as stream:
            yield stream
    finally:
        reader.join()
        os.close(theirs)


@pytest.fixture(autouse=True)
def a_capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_planning_shows_how_many_objects_were_found() -> None:
    screen = Screen()
    with terminal(screen) as stream, watch_planning(stream) as progress:
        progress.planned(500)
        progress.planned(734)
    assert "Planning 1,234 objects found" in screen.text


def test_applying_shows_done_outcomes_and_retries() -> None:
    screen = Screen()
    with terminal(screen) as stream, watch_applying(stream, total=2000) as progress:
        progress.settled(Outcome.APPLIED, 1200)
        progress.settled(Outcome.FAILED, 3)
        progress.retried()
    assert "1,203/2,000" in screen.text
    assert "applied 1,200" in screen.text
    assert "failed 3" in screen.text
    assert "retries 1" in screen.text
    assert "skipped" not in screen.text


def test_applying_shows_what_holds_the_run_back() -> None:
    screen = Screen()
    with terminal(screen, columns=200) as stream, watch_applying(stream, total=9) as progress:
        for place, what in (("", "wave 1"), ("b", ""), ("c", "server"), ("d", "ceiling")):
            progress.limited(place, what)
    assert "wave 1; c: server; and 1 more" in screen.text


def test_on_eighty_columns_everything_can_be_read() -> None:
    screen = Screen()
    limit = "wave 3 of 5; prod-a: latency, 40 in flight, 950/s"
    with terminal(screen, columns=80) as stream, watch_applying(stream, total=20000) as progress:
        for outcome in Outcome:
            progress.settled(outcome, 1200)
        progress.retried()
        progress.limited("", limit)

    lines = [line.strip() for line in screen.text.splitlines()]
    assert any("4,800/20,000" in line and line.startswith("Applying") for line in lines)
    counted = "applied 1,200  unchanged 1,200  skipped 1,200  failed 1,200  retries 1"
    assert counted in lines
    assert limit in lines


def test_the_bar_is_gone_and_the_cursor_back_at_the_end() -> None:
    screen = Screen()
    with terminal(screen) as stream, watch_applying(stream, total=1) as progress:
        progress.settled(Outcome.APPLIED, 1)
    assert b"\x1b[?25l" in screen.raw
    assert screen.raw.rindex(b"\x1b[?25h") > screen.raw.rindex(b"\x1b[?25l")
    assert screen.raw.endswith(b"\x1b[2K")


def test_the_cursor_is_back_when_the_run_breaks() -> None:
    screen = Screen()
    with (
        pytest.raises(ZeroDivisionError),
        terminal(screen) as stream,
        watch_applying(stream, total=1),
    ):
        raise ZeroDivisionError
    assert b"\x1b[?25h" in screen.raw


def test_a_narrow_terminal_breaks_nothing() -> None:
    screen = Screen()
    with terminal(screen, columns=20) as stream, watch_applying(stream, total=10) as progress:
        progress.settled(Outcome.SKIPPED, 10)
    assert screen.raw


def test_nothing_is_drawn_without_a_terminal() -> None:
    stream = io.StringIO()
    with watch_planning(stream) as progress:
        progress.planned(5)
    assert not stream.getvalue()

    with watch_applying(stream, total=5) as progress:
        progress.settled(Outcome.APPLIED, 5)
        progress.ended(a_summary())
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().endswith(" applying the run: 5 targets\n")


def test_lines_are_written_on_a_terminal_if_somebody_asks_for_them() -> None:
    screen = Screen()
    with terminal(screen) as stream, watch_applying(stream, total=5, every=10.0) as progress:
        progress.ended(a_summary())
    assert "applying the run: 5 targets" in screen.text
    assert b"\x1b[?25l" not in screen.raw


def test_nothing_is_shown_where_progress_is_off() -> None:
    stream, screen = io.StringIO(), Screen()
    with watch_applying(stream, total=5, every=0.0):
        pass
    with terminal(screen) as shown, watch_applying(shown, total=5, every=0.0):
        pass
    assert (stream.getvalue(), screen.raw) == ("", b"")


def test_counters_keep_the_port_and_count() -> None:
    counters = ProgressCounters()
    progress: Progress = counters
    progress.planned(3)
    progress.settled(Outcome.APPLIED, 2)
    progress.settled(Outcome.APPLIED, 1)
    progress.retried()
    assert (counters.found, counters.retries) == (3, 1)
    assert counters.outcomes == {Outcome.APPLIED: 3}
