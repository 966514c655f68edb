"""What a session reports while it is live, in virtual time.

Covered: counts by place and reason, rates without waits, the wave under way, what is expected, the
progress that is passed on. Left out: how the report reaches others (tests/e2e/test_steering.py),
and the load of each cluster (tests/workers/test_traffic.py).
"""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fleetpatch.campaign.running.live import LiveCounts
from fleetpatch.engine.pipeline import RunLane
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import RunState, Summary, Tally, Usage, WaveProgress
from fleetpatch.model.steering import PaceInForce
from fleetpatch.model.target import Target, TargetId
from tests.fakes import FakeProgress, VirtualClock
from tests.plans import plan_from
from tests.report.samples import JOBS, TFJOBS, a_summary, a_target
from tests.values import replace

OPEN = 100


def a_plan(**more: Any) -> Plan:
    return plan_from(
        {
            "metadata": {"name": "x"},
            "targets": [{"kinds": ["jobs.batch"]}],
            "patch": {"labels": {"a": "1"}},
        }
        | more
    )


def at_the_start(**more: Any) -> Summary:
    tally = Tally(pending=OPEN, applied=5)
    base = a_summary(RunState.PAUSED, tally, {Outcome.APPLIED: {Reason.PATCHED: 5}}, cause="lunch")
    places = {"by_kind": {"jobs.batch": tally, "tfjobs.kubeflow.org": Tally()}}
    return replace(base, **places, by_namespace={"team-a": tally}, **more)


class Session:
    """A session that settles targets when it is told to."""

    def __init__(self, summary: Summary | None = None, plan: Plan | None = None) -> None:
        self.clock, self.shown = VirtualClock(), FakeProgress()
        self.counts = LiveCounts(
            summary or at_the_start(), plan or a_plan(), self.clock, self.shown
        )

    def settle(
        self, number: int, reason: Reason = Reason.PATCHED, target: Target | None = None
    ) -> None:
        for _ in range(number):
            settlement = Settlement(TargetId(1), reason, 200, 1, 0, 1.0, None, "in detail")
            self.counts.ended(target or a_target(), settlement)

    async def live(self, seconds: int, each: int = 0) -> None:
        for _ in range(seconds):
            await self.clock.sleep(1)
            self.settle(each)
            self.counts.report()


async def test_counts_begin_with_those_of_the_run_file() -> None:
    session = Session()
    session.settle(3)
    session.settle(2, Reason.REJECTED)

    summary = session.counts.report().summary

    assert (summary.state, summary.cause) == (RunState.RUNNING, "")
    assert summary.tally == Tally(pending=OPEN - 5, applied=8, failed=2)
    assert summary.reasons == {
        Outcome.APPLIED: {Reason.PATCHED: 8},
        Outcome.FAILED: {Reason.REJECTED: 2},
    }
    assert summary.by_cluster["prod-a"] == summary.by_namespace["team-a"] == summary.tally


async def test_targets_that_a_worker_reports_together_count_as_those_that_end_one_by_one() -> None:
    ended = [
        (a_target(name, resource=kind), Settlement(TargetId(1), reason, 200, detail=name))
        for name, kind, reason in (
            ("etl-1", JOBS, Reason.PATCHED),
            ("etl-2", TFJOBS, Reason.REJECTED),
            ("etl-3", JOBS, Reason.PATCHED),
            ("etl-4", JOBS, Reason.REJECTED),
        )
    ]
    together, alone = Session(), Session()

    together.counts.all_ended(ended)
    for target, settlement in ended:
        alone.counts.ended(target, settlement)

    assert together.counts.report() == alone.counts.report()


async def test_targets_are_counted_by_their_kind() -> None:
    tfjobs = Tally(pending=3)
    base = at_the_start()
    session = Session(replace(base, by_kind={"jobs.batch": Tally(), "tfjobs.kubeflow.org": tfjobs}))
    session.settle(2, target=a_target(resource=TFJOBS))

    by_kind = session.counts.report().summary.by_kind

    assert by_kind == {"jobs.batch": Tally(), "tfjobs.kubeflow.org": Tally(pending=1, applied=2)}


async def test_each_reason_has_the_first_target_as_its_sample() -> None:
    session = Session()
    session.settle(1, Reason.REJECTED, a_target("etl-1"))
    session.settle(1, Reason.REJECTED, a_target("etl-2"))

    samples = session.counts.report().samples

    assert list(samples) == [Reason.REJECTED]
    assert str(samples[Reason.REJECTED]) == f"prod-a {JOBS.name} team-a/etl-1"
    assert samples[Reason.REJECTED].detail == "in detail"


async def test_the_rate_now_is_that_of_the_last_ten_seconds() -> None:
    session = Session()
    session.counts.report()
    await session.live(20, each=1)
    assert session.counts.report().live.rate_now == pytest.approx(1.0)

    await session.live(10, each=3)

    live = session.counts.report().live
    assert live.rate_now == pytest.approx(3.0)
    assert live.rate_overall == pytest.approx(50 / 30)


async def test_a_wait_for_the_next_wave_does_not_count_as_time() -> None:
    session = Session(at_the_start(waves=(WaveProgress(30, 0, 30),) * 3))
    session.counts.report()
    await session.live(10, each=2)

    session.counts.wave(2, 3, session.clock.wall() + 60)
    await session.live(60)

    waiting = session.counts.report().live
    assert waiting.rate_now == 0.0
    assert waiting.rate_overall == pytest.approx(2.0)
    session.counts.wave(2, 3, None)
    await session.live(10, each=2)
    assert session.counts.report().live.rate_overall == pytest.approx(2.0)


async def test_the_end_follows_from_the_rate_the_waves_and_their_pauses() -> None:
    waves = (WaveProgress(20, 0, 20), WaveProgress(40, 0, 40), WaveProgress(40, 0, 40))
    plan = a_plan(waves={"sizes": [20, 40], "pause": "1m"})
    session = Session(at_the_start(waves=waves), plan)
    session.counts.wave(1, 3, None)
    session.counts.report()
    await session.live(5, each=2)

    report = session.counts.report()

    now = session.clock.wall()
    assert report.live.wave is not None
    assert report.live.wave.next_at == pytest.approx(now + 5 + 60)
    assert report.live.ends_at == pytest.approx(now + 5 + 60 + 20 + 60 + 20)
    assert [wave.open for wave in report.summary.waves] == [10, 40, 40]


@pytest.mark.parametrize(("clusters", "a_second"), [(("prod-a",), 0.5), (("a", "b"), 1.0)])
async def test_the_end_follows_from_a_rate_that_was_set_just_now(
    clusters: tuple[str, ...], a_second: float
) -> None:
    places = dict.fromkeys(clusters, Tally(pending=OPEN)) | {"over": Tally(applied=1)}
    session = Session(replace(at_the_start(), by_cluster=places))
    session.counts.report()
    await session.live(5, each=2)

    session.counts.in_force = lambda: PaceInForce(rate=0.5, rate_by="me@here")

    live = session.counts.report().live
    assert live.ends_at == pytest.approx(session.clock.wall() + (OPEN - 10) / a_second)


async def test_the_end_is_no_sooner_than_the_rate_of_the_plan_allows() -> None:
    session = Session(plan=a_plan(pace={"rate": "1/s"}))
    session.counts.report()
    # The burst.
    await session.live(5, each=2)

    live = session.counts.report().live
    assert live.ends_at == pytest.approx(session.clock.wall() + OPEN - 10)


async def test_no_end_is_expected_while_no_request_is_answered() -> None:
    session = Session()
    session.counts.report()
    await session.live(5, each=2)
    failing = Pace(4, None, PaceCause.FAILING)
    lane = SimpleNamespace(cluster="prod-a", in_flight=0, worker="", pace=failing)
    session.counts.watch([cast("RunLane", lane)], [], Usage)

    live = session.counts.report().live

    assert (live.ends_at, live.wave) == (None, None)


async def test_a_later_wave_leaves_nothing_open_before_it() -> None:
    waves = (WaveProgress(20, 0, 20), WaveProgress(80, 0, 80))
    session = Session(at_the_start(waves=waves), a_plan(waves={"sizes": [20, "100%"]}))
    session.settle(20)
    session.counts.wave(2, 2, session.clock.wall() + 300)

    report = session.counts.report()

    assert [wave.open for wave in report.summary.waves] == [0, 80]
    assert report.live.wave is not None
    assert report.live.wave.starts_at == session.clock.wall() + 300


async def test_what_the_session_waits_for_is_reported_until_it_goes_on() -> None:
    session = Session()
    session.counts.limited("", "the window is closed")
    session.counts.limited("prod-a", "the plan's rate")
    assert session.counts.report().live.waits_for == "the window is closed"

    session.counts.limited("", "")

    assert session.counts.report().live.waits_for == ""
    assert session.shown.limits == {"": "", "prod-a": "the plan's rate"}


async def test_all_calls_of_the_progress_are_passed_on() -> None:
    session = Session(at_the_start(waves=(WaveProgress(50, 0, 50),) * 2))
    session.counts.planned(3)
    session.counts.settled(Outcome.APPLIED, 4)
    session.counts.retried()
    session.counts.wave(1, 2, None)
    report = session.counts.report()
    session.counts.reported(report)

    shown = session.shown
    assert (shown.found, shown.outcomes, shown.retries) == (3, {Outcome.APPLIED: 4}, 1)
    assert (shown.waves, shown.reports) == ([(1, 2, None)], [report])


def test_places_are_added_up_each_by_itself() -> None:
    session = Session(
        replace(
            at_the_start(),
            by_kind={"jobs.batch": Tally(pending=50), "tfjobs.kubeflow.org": Tally(pending=50)},
            by_namespace={"team-a": Tally(pending=60), "team-b": Tally(pending=40)},
        )
    )
    session.settle(2, target=a_target())
    session.settle(3, Reason.DRIFTED, replace(a_target(resource=TFJOBS), namespace="team-b"))
    session.counts.report()
    session.settle(4, target=a_target(resource=TFJOBS))
    summary = session.counts.report().summary
    assert summary.by_kind == {
        "jobs.batch": Tally(pending=48, applied=2),
        "tfjobs.kubeflow.org": Tally(pending=43, applied=4, skipped=3),
    }
    assert summary.by_namespace == {
        "team-a": Tally(pending=54, applied=6),
        "team-b": Tally(pending=37, skipped=3),
    }
    assert (summary.tally.applied, summary.tally.skipped) == (11, 3)
