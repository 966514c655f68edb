"""One target that is sent again after a pause, over scripted clusters in virtual time.

Covered: waits to the millisecond, attempts and the deadline running out, the record of retries, the
pacer, and admission webhooks that cannot be reached. Left out: conflicts (test_patcher_conflicts),
the waits' own rules (tests/rules/running/test_backoff.py).
"""

import anyio

from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.pace import Ceilings, PaceCause
from fleetpatch.rules.answers.verdicts import Verdict
from fleetpatch.rules.running.backoff import Backoff
from tests.engine.scripted import (
    BUSY,
    CONFLICT,
    DONE,
    MOVED,
    PLANNED,
    POLICY,
    TARGET,
    UNAVAILABLE,
    UNREACHABLE,
    ScriptedPatcher,
)
from tests.fakes import FakeCluster, VirtualClock, always, failure, in_turn, ok
from tests.values import replace

# Again, after a pause


async def test_retry_after_is_waited_out_exactly() -> None:
    scripted = ScriptedPatcher().will(BUSY, replace(BUSY, retry_after="5"), ok(DONE))

    ended = await scripted.settle()

    assert [call.at for call in scripted.cluster.calls] == [0.0, 2.0, 7.0]
    assert (ended.reason, ended.attempts, ended.reads) == (Reason.PATCHED, 3, 0)
    assert ended.elapsed_ms == 7000.0


async def test_without_retry_after_the_pauses_grow_with_jitter() -> None:
    scripted = ScriptedPatcher(random=lambda: 0.5).will(*[UNAVAILABLE] * 3, ok(DONE))

    await scripted.settle()

    assert scripted.clock.slept == [0.125, 0.25, 0.5]


async def test_every_retry_is_on_record_before_it_is_waited_for() -> None:
    scripted = ScriptedPatcher().will(BUSY, UNREACHABLE, ok(DONE))

    await scripted.settle()

    assert scripted.retries == [
        RetryRecord(TARGET, 1, 429, Verdict.RETRY, "TooManyRequests", 2.0),
        RetryRecord(TARGET, 2, None, Verdict.RETRY, "unreachable: connection refused", 0.0),
    ]


async def test_a_wait_past_the_targets_deadline_is_not_begun() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=100, deadline=5.0))
    scripted.cluster.patches, scripted.cluster.reads = always(BUSY), always(ok(PLANNED))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts) == (Reason.EXHAUSTED, 3)
    sent = [call.at for call in scripted.cluster.patched]
    assert sent == [0.0, 2.0, 4.0], "of 2 s each, a third wait would end after 6 s"


async def test_a_target_whose_time_is_over_is_read_where_it_may_be_applied() -> None:
    scripted = ScriptedPatcher(replace(POLICY, deadline=0.5))
    scripted.cluster.patches = always(failure(504, "Timeout", retry_after="2"))
    scripted.cluster.reads = always(ok(DONE))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts) == (Reason.SETTLED_BY_READING, 1)


async def test_a_line_that_takes_longer_than_the_targets_deadline_ends_it() -> None:
    scripted = ScriptedPatcher(replace(POLICY, deadline=5.0), pacer_rate=0.1)
    scripted.will(BUSY, reads=(ok(PLANNED),))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts) == (Reason.EXHAUSTED, 1)
    assert scripted.cluster.verbs == ["PATCH", "GET"]


async def test_a_target_ends_as_exhausted_after_its_last_attempt() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=3)).will(*[BUSY] * 3, reads=(ok(PLANNED),))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.http_status) == (Reason.EXHAUSTED, 3, 429)
    assert len(scripted.retries) == 2


async def test_one_attempt_means_one() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=1)).will(BUSY, reads=(ok(PLANNED),))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts) == (Reason.EXHAUSTED, 1)


async def test_every_attempt_and_every_read_passes_the_pacer() -> None:
    scripted = ScriptedPatcher(pacer_rate=0.1)
    scripted.will(CONFLICT, UNAVAILABLE, ok(DONE), reads=(ok(MOVED),))

    await scripted.settle()

    assert [(call.verb, call.at) for call in scripted.cluster.calls] == [
        ("PATCH", 0.0),
        ("GET", 10.0),
        ("PATCH", 20.0),
        ("PATCH", 30.0),
    ]


async def test_a_permit_that_is_not_used_is_given_back() -> None:
    clock = VirtualClock()
    cluster, shutdown = FakeCluster(clock), Shutdown(clock)
    cluster.patches = in_turn(failure(503, "ServiceUnavailable"))
    cluster.reads = always(ok(PLANNED))
    pacer = Pacer(clock, Ceilings(rate=0.1, burst=1, concurrency=1))
    context = PatchContext(cluster, replace(POLICY, deadline=1.0), pacer, shutdown, clock)

    # The queue of the pacer takes longer than the deadline of the target. A permit that is lost
    # leaves none for the read that follows, and for the next target.
    with anyio.fail_after(10):
        patcher = ClusterPatcher(context, lambda: 0.0)
        ended = await patcher.patch(TARGET, on_retry=lambda _retry: None)
        assert await pacer.admit(shutdown) is not None

    assert isinstance(ended, Settlement)
    assert (ended.reason, ended.attempts) == (Reason.EXHAUSTED, 1)


# An admission webhook that cannot be reached


WEBHOOK_DOWN = failure(
    500, "InternalError", 'Internal error occurred: failed calling webhook "v": connection refused'
)


async def test_a_webhook_that_comes_back_after_some_seconds_fails_no_target() -> None:
    scripted = ScriptedPatcher()
    scripted.cluster.patches = lambda call: WEBHOOK_DOWN if call.at < 20.0 else ok(DONE)

    ended = await scripted.settle()

    assert ended.reason is Reason.PATCHED
    assert [call.at for call in scripted.cluster.patched] == [0.0, 2.0, 6.0, 14.0, 30.0]


async def test_a_webhook_that_stays_unreachable_is_the_reason_and_nothing_is_stored() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=2))
    scripted.cluster.patches, scripted.cluster.reads = always(WEBHOOK_DOWN), always(ok(PLANNED))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.reads) == (Reason.WEBHOOK_UNREACHABLE, 2, 1)
    assert "failed calling webhook" in ended.detail
    assert [retry.reason for retry in scripted.retries] == [Reason.WEBHOOK_UNREACHABLE]


async def test_the_longest_wait_of_the_plan_counts_here_too() -> None:
    scripted = ScriptedPatcher(replace(POLICY, backoff=Backoff(cap=3.0)), random=lambda: 0.9)
    scripted.will(WEBHOOK_DOWN, WEBHOOK_DOWN, ok(DONE))

    await scripted.settle()

    assert scripted.clock.slept == [3.0, 3.0]


async def test_a_wait_for_a_retry_is_what_limits_the_pace_while_little_is_in_flight() -> None:
    scripted = ScriptedPatcher().will(BUSY, ok(DONE))
    pacer = scripted.patcher.context.pacer
    causes = list[PaceCause]()

    async def look() -> None:
        causes.append(pacer.pace.cause)
        for _ in range(2):
            await scripted.clock.sleep(1.5)
            causes.append(pacer.pace.cause)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scripted.settle)
        tasks.start_soon(look)

    assert causes == [PaceCause.BACKOFF, PaceCause.BACKOFF, PaceCause.WORK]
