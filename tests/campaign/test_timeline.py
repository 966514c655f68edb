"""What a session observes of itself once a second, in virtual time.

Covered: differences between two observations, what limits the pace, waits, what the writer takes.
Left out: the run file (tests/journal/test_timeline.py), real sessions (tests/cli/test_report.py).
"""

import pytest

from fleetpatch.campaign.running.live import LiveCounts
from fleetpatch.campaign.running.timeline import TimelineRecorder
from fleetpatch.model.live import ClusterLoad
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.model.run import RunState, Tally
from fleetpatch.model.target import TargetId
from fleetpatch.model.timeline import Bucket
from fleetpatch.model.traffic import Traffic
from tests.fakes import FakeProgress, VirtualClock
from tests.plans import plan_from
from tests.report.samples import a_summary, a_target

PLAN = plan_from(
    {
        "metadata": {"name": "x"},
        "targets": [{"kinds": ["jobs.batch"]}],
        "patch": {"labels": {"a": "1"}},
    }
)
RATE = Pace(8, 20.0, PaceCause.RATE)
NOTHING = Pace(8, None, PaceCause.WORK)


class Counts(LiveCounts):
    """Counts whose load is that of the test."""

    load: ClusterLoad

    def loads(self) -> dict[str, ClusterLoad]:
        return {"prod-a": self.load, "over": ClusterLoad(0, NOTHING, Traffic())}


class Observed:
    """A session that is observed."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        summary = a_summary(RunState.PAUSED, Tally(pending=100), {})
        self.counts = Counts(summary, PLAN, self.clock, FakeProgress())
        self.recorder = TimelineRecorder(self.counts, self.clock)
        self.recorder.begin()

    async def second(self, load: ClusterLoad, settled: int = 0) -> None:
        self.counts.load = load
        for _ in range(settled):
            self.counts.ended(a_target(), Settlement(TargetId(1), Reason.PATCHED, 200, 1))
        await self.clock.sleep(1)
        self.recorder.observe()


def traffic(patches: int, reads: int = 0) -> Traffic:
    answers = {("patch", "200"): patches, ("get", "200"): reads, ("lease", "200"): 9}
    return Traffic(answers, {4: patches}, 0.01 * patches)


@pytest.fixture
def observed() -> Observed:
    return Observed()


async def test_each_observation_has_what_is_new_since_the_one_before(observed: Observed) -> None:
    await observed.second(ClusterLoad(3, RATE, traffic(10, 1), {"retry": 2}), settled=8)
    first = observed.recorder.new().total
    await observed.second(ClusterLoad(2, RATE, traffic(25, 1), {"retry": 3}), settled=14)

    assert first == Bucket(
        1.0,
        {"applied": 8},
        {"200": 10},
        {"200": 1},
        {"retry": 2},
        {4: 10},
        0.1,
        8.0,
        3,
        {"rate": 1},
    )
    assert observed.recorder.new().total == Bucket(
        1.0, {"applied": 14}, {"200": 15}, {}, {"retry": 1}, {4: 15}, 0.15, 8.0, 2, {"rate": 1}
    )


async def test_requests_in_flight_follow_from_what_has_ended_however_short_it_took(
    observed: Observed,
) -> None:
    await observed.second(ClusterLoad(0, RATE, traffic(500)), settled=500)

    total = observed.recorder.new().total
    assert (total.in_flight, total.most) == (5.0, 5)


async def test_a_request_that_took_longer_counts_as_the_pace_allows(observed: Observed) -> None:
    slow = Traffic({("patch", "timeout"): 8}, {21: 8}, 240.0)
    await observed.second(ClusterLoad(0, RATE, slow))

    assert observed.recorder.new().total.in_flight == 8.0


async def test_requests_that_are_not_answered_yet_are_in_flight(observed: Observed) -> None:
    await observed.second(ClusterLoad(6, RATE, Traffic()))

    assert observed.recorder.new().total.in_flight == 6.0


async def test_what_was_taken_is_not_taken_again(observed: Observed) -> None:
    await observed.second(ClusterLoad(3, RATE, traffic(10)), settled=8)

    assert observed.recorder.new()
    assert not observed.recorder.new()


async def test_a_wait_for_the_next_wave_or_the_window_takes_no_space(observed: Observed) -> None:
    observed.counts.limited("", "the window is closed")
    for _ in range(5):
        await observed.second(ClusterLoad(0, NOTHING, Traffic()))
    assert not observed.recorder.new()

    observed.counts.limited("", "")
    await observed.second(ClusterLoad(1, NOTHING, traffic(4)), settled=4)

    (bucket,) = observed.recorder.new().buckets.values()
    assert bucket.seconds == 1.0


async def test_a_pause_that_the_server_asks_for_is_shown(observed: Observed) -> None:
    await observed.second(ClusterLoad(0, Pace(1, None, PaceCause.RETRY_AFTER), Traffic()))

    assert observed.recorder.new().total.limits == {"retry-after": 1.0}
