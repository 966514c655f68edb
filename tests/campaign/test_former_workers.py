"""How long a session waits for the workers of one that was killed.

Left out: that nothing is sent meanwhile (tests/workers/test_lost_workers.py).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetpatch.campaign.running import former_workers
from fleetpatch.campaign.running.former_workers import MAX_SEND_PERIOD
from fleetpatch.journal import sessions
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import heartbeat
from fleetpatch.journal.runs.heartbeat import INTERVAL, Heartbeat, Heartbeats
from fleetpatch.model.live import Holder
from fleetpatch.model.run import RunState
from tests.fakes import VirtualClock
from tests.journal.makers import info, make, many, settle

HOLDER = Holder("s", "ann", "desk", 1, "2026-03-01T12:00:00Z", "m", "1")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunFile]:
    with make(tmp_path / "r.run", many(1)) as run:
        sessions.begin(run, 0.0, "ann@desk", over_workers=True)
        yield run


def silent_for(seconds: float, journal: RunFile) -> float:
    """Return what is left if the killed session has last written a heartbeat so long ago."""
    clock = VirtualClock()
    heartbeat.write(journal.path, Heartbeat(HOLDER, 1, clock.wall() - seconds))
    journal.heartbeats = Heartbeats(journal.path, HOLDER)
    return former_workers.seconds_left(journal, clock)


@pytest.mark.parametrize(
    ("silent", "left"),
    [
        (0.0, MAX_SEND_PERIOD),
        (INTERVAL, MAX_SEND_PERIOD),
        (INTERVAL + 2.0, MAX_SEND_PERIOD - 2.0),
        (3600.0, 0.0),
        (-60.0, MAX_SEND_PERIOD),
    ],
)
def test_the_last_right_ends_five_seconds_after_the_last_sign_of_life(
    silent: float, left: float, journal: RunFile
) -> None:
    assert silent_for(silent, journal) == pytest.approx(left)


def test_outcomes_that_were_recorded_after_the_last_heartbeat_are_a_sign_of_life(
    tmp_path: Path,
) -> None:
    two_seconds_ago = VirtualClock().wall() - 2.0
    with RunFile.create(tmp_path / "r.run", info(), now=lambda: two_seconds_ago) as journal:
        journal.add(many(1))
        journal.seal()
        sessions.begin(journal, 0.0, "ann@desk", over_workers=True)
        assert silent_for(60.0, journal) == 0.0

        journal.record(settle(journal.claim("north", limit=1)))

        assert silent_for(60.0, journal) == pytest.approx(MAX_SEND_PERIOD - 2.0)


def test_without_a_heartbeat_the_session_may_have_been_killed_right_now(journal: RunFile) -> None:
    assert former_workers.seconds_left(journal, VirtualClock()) == MAX_SEND_PERIOD


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.set_state(RunState.PAUSED),
        lambda run: sessions.begin(run, 0.0, "ann@desk", over_workers=False),
    ],
)
def test_workers_of_a_session_that_ended_and_sessions_without_any_are_not_awaited(
    change: Callable[[RunFile], None], journal: RunFile
) -> None:
    change(journal)

    assert silent_for(0.0, journal) == 0.0
