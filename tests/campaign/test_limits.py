"""Limits that end a session early.

Covered: failures counted exactly, those of earlier sessions and those that were accepted, shares,
overshoot; the retry budget and what counts into it; the deadline, in virtual time. Left out: that
nothing is sent afterwards (tests/engine/test_lane_limits.py).
"""

from typing import Any

import anyio
import pytest

from fleetpatch.campaign.running.limits import RunLimits
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.run import Tally
from fleetpatch.model.target import TargetId
from fleetpatch.rules.answers.verdicts import Verdict
from tests.engine.scripted import TARGET
from tests.fakes import VirtualClock
from tests.plans import plan_from


class Watched:
    """The limits of a run of 200 open targets, and the causes of its stop."""

    def __init__(
        self, *, tally: Tally | None = None, accepted: int = 0, requests: int = 0, **sections: Any
    ) -> None:
        plan = plan_from(
            {
                "metadata": {"name": "x"},
                "targets": [{"kinds": ["jobs.batch"]}],
                "patch": {"labels": {"a": "1"}},
                **sections,
            }
        )
        self.causes: list[Cause] = []
        self.requests = requests
        self.limits = RunLimits(
            plan.retry.budget,
            plan.limits,
            tally or Tally(pending=200),
            200,
            accepted,
            self.causes.append,
        )

    @property
    def texts(self) -> list[str]:
        return [cause.text for cause in self.causes]

    def fail(self, count: int) -> None:
        for _ in range(count):
            self.limits.settled(TARGET, Settlement(TargetId(1), Reason.REJECTED))

    def retry(self, count: int, verdict: Verdict = Verdict.RETRY, status: int | None = 429) -> None:
        for _ in range(count):
            self.limits.retried(RetryRecord(TARGET, 1, status, verdict, "busy", 0.1), self.requests)


def test_failures_that_a_worker_reports_together_are_all_counted() -> None:
    watched = Watched(limits={"maxFailures": 1})
    reasons = (Reason.PATCHED, Reason.REJECTED, Reason.DRIFTED, Reason.REJECTED, Reason.FORBIDDEN)

    watched.limits.all_settled([(TARGET, Settlement(TargetId(1), one)) for one in reasons])

    (halt,) = watched.causes
    assert halt.text.startswith("2 targets failed")
    assert "1 of these ended while the run was stopping" in str(watched.limits.halted)


def test_a_report_without_failures_counts_the_requests_without_an_answer() -> None:
    together, alone = Watched(requests=100), Watched(requests=100)
    for watched in (together, alone):
        watched.retry(250, Verdict.IN_DOUBT, None)

    together.limits.all_settled([(TARGET, Settlement(TargetId(1), Reason.PATCHED, 200))])
    alone.limits.settled(TARGET, Settlement(TargetId(1), Reason.PATCHED, 200))
    for watched in (together, alone):
        watched.retry(1)

    assert together.texts == alone.texts != []


@pytest.mark.parametrize(("limit", "allowed"), [(0, 0), (3, 3), ("1%", 2), ("50%", 100)])
def test_one_failure_more_than_allowed_halts(limit: int | str, allowed: int) -> None:
    watched = Watched(limits={"maxFailures": limit})

    watched.fail(allowed)
    assert (watched.causes, watched.limits.halted) == ([], None)
    watched.fail(1)

    (cause,) = watched.texts
    assert cause.startswith(
        f"{allowed + 1} targets failed and limits.maxFailures allows {allowed};"
    )


def test_failures_in_flight_are_counted_and_reported_separately() -> None:
    watched = Watched(limits={"maxFailures": 1})

    watched.fail(5)

    assert len(watched.causes) == 1
    assert "5 targets failed" in str(watched.limits.halted)
    assert "3 of these ended while the run was stopping" in str(watched.limits.halted)


def test_other_outcomes_are_no_failures() -> None:
    watched = Watched(limits={"maxFailures": 0})
    for reason in (Reason.PATCHED, Reason.DRIFTED, Reason.GONE, Reason.ALREADY_SET):
        watched.limits.settled(TARGET, Settlement(TargetId(1), reason))

    assert watched.causes == []


def test_failures_of_earlier_sessions_count_unless_they_were_accepted() -> None:
    tally = Tally(pending=100, failed=3)
    counted = Watched(tally=tally, limits={"maxFailures": 3})
    accepted = Watched(tally=tally, accepted=3, limits={"maxFailures": 3})
    for watched in (counted, accepted):
        watched.fail(1)

    assert counted.causes
    assert not accepted.causes


def test_a_spent_retry_budget_stops_the_run_once_and_names_the_cause() -> None:
    watched = Watched(requests=5000)

    watched.retry(500)
    assert watched.causes == []
    watched.retry(2)

    (cause,) = watched.texts
    assert "501 of 5000 requests were retries (10% allowed), the last after: 429 busy" in cause


def test_a_small_run_has_as_many_retries_as_the_search_for_a_pace_can_cost() -> None:
    watched = Watched(requests=50)

    watched.retry(250)
    assert watched.causes == []
    watched.retry(1)
    assert watched.causes


def test_conflicts_and_stale_credentials_are_not_the_servers_fault() -> None:
    watched = Watched()

    watched.retry(1000, Verdict.CONFLICT)
    watched.retry(1000, Verdict.RENEW)

    assert watched.causes == []
    assert watched.limits.retries == 2000


def test_a_cluster_that_leaves_everything_without_an_answer_costs_no_budget() -> None:
    watched = Watched()

    watched.retry(1000, Verdict.IN_DOUBT, None)

    assert watched.causes == []


def test_unanswered_requests_count_when_their_cluster_answers_again() -> None:
    watched = Watched()

    watched.retry(240, Verdict.IN_DOUBT, None)
    watched.limits.settled(TARGET, Settlement(TargetId(1), Reason.PATCHED, 200))
    watched.retry(10, Verdict.IN_DOUBT, None)
    assert watched.causes == []
    watched.retry(1)

    (cause,) = watched.texts
    assert "251 of 0 requests were retries" in cause


def test_a_cluster_that_answers_reads_alone_does_cost_budget() -> None:
    watched = Watched()
    for _ in range(300):
        watched.retry(1, Verdict.IN_DOUBT, None)
        read = Settlement(TargetId(1), Reason.SETTLED_BY_READING, None, 1, 1)
        watched.limits.settled(TARGET, read)

    watched.retry(1)

    assert watched.causes


def test_a_request_that_never_reached_the_server_costs_no_budget() -> None:
    watched = Watched()

    watched.retry(1000, Verdict.RETRY, None)
    watched.retry(250)

    assert watched.causes == []


def test_a_share_is_of_all_targets_to_patch_whatever_has_ended_before() -> None:
    watched = Watched(tally=Tally(pending=10, skipped=190), limits={"maxFailures": "1%"})

    watched.fail(2)
    assert watched.causes == []
    watched.fail(1)
    assert watched.causes


async def test_the_deadline_stops_the_session() -> None:
    clock = VirtualClock()
    watched = Watched(limits={"deadline": "2h"})

    await watched.limits.deadline(clock)

    passed = Cause(CauseCode.DEADLINE_PASSED, "the deadline of 2 h 0 min has passed")
    assert (clock.monotonic(), watched.causes) == (7200, [passed])


async def test_the_deadline_counts_the_time_that_a_machine_sleeps() -> None:
    class Suspended(VirtualClock):
        asleep = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.asleep

    clock = Suspended()
    watched = Watched(limits={"deadline": "2h"})

    async def suspend() -> None:
        await clock.sleep(3600)
        clock.asleep = 8 * 3600.0

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(suspend)
        await watched.limits.deadline(clock)

    assert clock.monotonic() - clock.asleep < 3700


async def test_a_session_without_a_deadline_is_not_stopped() -> None:
    clock = VirtualClock()

    await Watched().limits.deadline(clock)

    assert clock.slept == []


def test_waiting_for_a_webhook_uses_up_no_budget() -> None:
    watched = Watched(retry={"budget": "1%"}, requests=1000)
    waiting = RetryRecord(TARGET, 1, 500, Verdict.RETRY, "x", 2.0, Reason.WEBHOOK_UNREACHABLE)

    for _ in range(1000):
        watched.limits.retried(waiting, watched.requests)

    assert watched.causes == []
