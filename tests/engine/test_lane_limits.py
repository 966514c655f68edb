"""How far a limit of failures is exceeded, with a scripted cluster in virtual time.

Covered: limits from 0 to 5 and from 1% to 50%, with one worker and with 32: with one the run ends
at the very failure, with more at most what was in flight ends after it, and nothing is sent once
the limit was passed; parts that a breaker stopped, and a cluster that pauses for long. Left out:
causes (tests/campaign).
"""

from collections.abc import Callable

import anyio
import pytest

from fleetpatch.engine.breaker import Breaker
from fleetpatch.model.answer import Reply
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.target import Target
from fleetpatch.model.units import Amount, Percent
from fleetpatch.rules.running.limits import failures_allowed
from tests.engine.fleets import INTERRUPTED, Fleet
from tests.fakes import Call, FakeCluster, failure

TARGETS = 300
LIMITS: list[Amount] = [0, 1, 2, 3, 4, 5, *map(Percent, (1.0, 2.0, 10.0, 25.0, 50.0))]


def every_other_fails(cluster: FakeCluster) -> None:
    """Refuse the odd ones, each in words of its own."""
    answer = cluster.patches

    def patches(call: Call) -> Reply:
        number = int(call.target.name.rpartition("-")[2])
        return failure(422, "Invalid", "no") if number % 2 else answer(call)

    cluster.patches = patches


def limiting(fleet: Fleet, allowed: int) -> Callable[[Target, Settlement], None]:
    failures = 0

    def settled(_target: Target, settlement: Settlement) -> None:
        nonlocal failures
        failures += settlement.outcome is Outcome.FAILED
        if failures > allowed:
            fleet.lanes[0].stop(Cause(CauseCode.MAX_FAILURES, "too many failures"))

    return settled


@pytest.mark.parametrize("workers", [1, 32])
@pytest.mark.parametrize("limit", LIMITS, ids=str)
async def test_a_run_ends_at_the_failure_that_is_one_too_many(limit: Amount, workers: int) -> None:
    fleet = Fleet()
    cluster = fleet.add(TARGETS, concurrency=workers)
    every_other_fails(cluster)
    allowed = failures_allowed(limit, TARGETS)
    fleet.lanes[0].on_settled = limiting(fleet, allowed)

    causes = await fleet.run()

    failed = fleet.settled(Outcome.FAILED)
    sent = len(cluster.patched)
    if allowed >= TARGETS // 2:
        assert (causes, sent) == ((), TARGETS)
    else:
        assert causes == ("too many failures",)
        assert allowed < failed <= allowed + workers
        # All that was sent has ended: nothing went out after the limit was passed.
        assert sent == len(fleet.journal.settled)
        # A refused target takes a read as well, during which the others go on.
        assert sent <= 2 * (allowed + 1 + workers)


async def test_the_breaker_opens_for_a_part_that_is_refused_throughout() -> None:
    fleet = Fleet()
    cluster = fleet.add(TARGETS, concurrency=1)
    cluster.patches = lambda _call: failure(403, "Forbidden", "no")
    fleet.lanes[0].breaker = Breaker(refusals=25)

    (cause,) = await fleet.run()

    assert len(cluster.patched) == 25
    assert len(fleet.journal.pending) == TARGETS - 25
    assert f"stopped after 25 refusals in a row, {TARGETS - 25} not tried" in cause
    assert not fleet.lanes[0].cluster_stopped


async def test_a_cluster_that_asks_for_long_pauses_and_accepts_nothing_is_given_up() -> None:
    fleet = Fleet()
    cluster = fleet.add(TARGETS, concurrency=32, adaptive=True)
    cluster.patches = lambda _call: failure(429, "TooManyRequests", retry_after="30")

    (cause,) = await fleet.run()

    assert "prod-a: nothing was accepted for" in cause
    assert fleet.lanes[0].given_up
    # Those in flight at first, a pause, and then the probes that make it enough answers.
    assert fleet.clock.monotonic() < 200.0
    assert len(cluster.patched) < 50


async def test_targets_that_the_breaker_refuses_are_released_in_batches_and_not_claimed_again() -> (
    None
):
    fleet = Fleet()
    cluster = fleet.add(5000, concurrency=1)
    cluster.patches = lambda _call: failure(403, "Forbidden", "no")
    fleet.lanes[0].breaker = Breaker(refusals=25)

    await fleet.run()

    released = [len(targets) for call, targets in fleet.journal.calls if call == "release"]
    assert sum(released) == len(fleet.journal.pending) == 5000 - 25
    assert max(released) < 2000, "a million of them would not all be held at once"


async def test_a_part_that_is_stopped_gets_nothing_that_was_in_doubt_either() -> None:
    fleet = Fleet()
    cluster = fleet.add(TARGETS, concurrency=1)
    cluster.patches = lambda _call: failure(403, "Forbidden", "no")
    fleet.lanes[0].breaker = Breaker(refusals=25)
    fleet.journal.claim("prod-a", limit=TARGETS)  # as after `resume --failed`

    (cause,) = await fleet.run()

    assert len(cluster.patched) == 25
    assert len(fleet.journal.doubtful) == TARGETS - 25
    assert "25 refusals" in cause


async def test_only_sent_targets_of_a_server_that_hangs_stay_in_doubt() -> None:
    fleet = Fleet()
    cluster = fleet.add(TARGETS, concurrency=4)
    cluster.latency = 1e6

    async def interrupt() -> None:
        await fleet.clock.sleep(2)
        fleet.lanes[0].stop(INTERRUPTED)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(interrupt)
        await fleet.run()

    assert len(cluster.patched) == len(fleet.journal.doubtful) == 4
    assert len(fleet.journal.pending) == TARGETS - 4
