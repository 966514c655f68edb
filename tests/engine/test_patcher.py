"""One target, from its first PATCH to its end, over scripted clusters in virtual time.

Covered: every verdict with what follows from it, waits to the millisecond, attempts running out,
conflicts, dry runs, unguarded runs, the record of retries, and cancellation.
Left out: doubt and silence (test_patcher_in_doubt.py), sequences that no one thought of
(test_patcher_model.py), the waits' own rules (tests/rules/running/test_backoff.py).
"""

import anyio
import pytest

from fleetpatch.engine.attempt import Deferred, RetryRecord
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext, PatchPolicy
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.errors import ClusterError, CredentialsError
from fleetpatch.model.answer import Answer
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.change import BodyPatch, PatchOptions, PatchType
from fleetpatch.model.fields import label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.ports import Evaluated
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.steps import OnDrift
from fleetpatch.rules.answers.verdicts import Verdict
from fleetpatch.rules.running.backoff import Backoff
from tests.engine.scripted import (
    BUSY,
    CHANGE,
    CONFLICT,
    DONE,
    MOVED,
    PLANNED,
    POLICY,
    RESET,
    TARGET,
    UNAVAILABLE,
    UNREACHABLE,
    ScriptedPatcher,
)
from tests.fakes import FakeCluster, VirtualClock, always, failure, in_turn, ok, seen_job
from tests.values import replace

# One PATCH is enough


async def test_a_200_with_the_values_and_a_new_version_is_patched() -> None:
    scripted = ScriptedPatcher().will(ok(DONE))

    assert await scripted.settle() == Settlement(
        TARGET.id, Reason.PATCHED, http_status=200, attempts=1, resource_version="11"
    )
    (call,) = scripted.cluster.calls
    assert call.body == {"metadata": {"labels": {"team": "red"}, "resourceVersion": "10"}}
    assert not call.dry_run


async def test_a_200_that_left_the_version_is_unchanged() -> None:
    ended = await ScriptedPatcher().will(ok(replace(DONE, resource_version="10"))).settle()

    assert ended.reason is Reason.ALREADY_SET


async def test_a_200_without_the_values_is_not_effective() -> None:
    ended = await ScriptedPatcher().will(ok(seen_job({"team": "RED"}, version="11"))).settle()

    assert ended.reason is Reason.NOT_EFFECTIVE
    assert ended.detail == "metadata.labels.team is 'RED', wanted 'red'"
    assert ended.resource_version == "11"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (failure(400, "BadRequest", "no"), Reason.REJECTED),
        (failure(403, "Forbidden", "no"), Reason.FORBIDDEN),
        (failure(415, "UnsupportedMediaType", "no"), Reason.REJECTED),
        (failure(422, "Invalid", "no"), Reason.REJECTED),
        (failure(422, "Invalid", "no", causes=("metadata.uid",)), Reason.REPLACED),
        (failure(404, "NotFound", "no"), Reason.GONE),
        (failure(500, "", "no"), Reason.REJECTED),
    ],
)
async def test_a_final_answer_is_asked_for_once_and_quoted(answer: Answer, reason: Reason) -> None:
    scripted = ScriptedPatcher().will(answer, reads=(ok(PLANNED),))

    ended = await scripted.settle()

    assert (ended.reason, ended.http_status, ended.attempts) == (reason, answer.status, 1)
    assert ended.detail == f"{answer.status} no"
    assert scripted.cluster.verbs == ["PATCH", "GET"]
    assert scripted.clock.slept == []
    assert scripted.retries == []


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


# Conflicts


async def test_after_a_conflict_over_another_field_the_new_version_is_sent() -> None:
    scripted = ScriptedPatcher().will(CONFLICT, ok(DONE), reads=(ok(MOVED),))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.reads) == (Reason.PATCHED, 2, 1)
    assert [call.version for call in scripted.cluster.patched] == ["10", "15"]


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (ok(seen_job({"team": "green"}, version="15")), Reason.DRIFTED),
        (ok(seen_job({"team": "blue"}, uid="uid-2", version="15")), Reason.REPLACED),
        (failure(404, "NotFound"), Reason.GONE),
        (ok(seen_job({"team": "red"}, version="15")), Reason.SETTLED_BY_READING),
    ],
)
async def test_after_a_conflict_the_object_is_read_and_may_end_the_target(
    read: Answer, reason: Reason
) -> None:
    scripted = ScriptedPatcher().will(CONFLICT, reads=(read,))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.reads) == (reason, 1, 1)


async def test_after_a_conflict_the_selector_is_asked_again() -> None:
    asked: list[tuple[Target, Seen]] = []

    def matches(target: Target, seen: Seen) -> bool:
        asked.append((target, seen))
        return False

    ended = (
        await ScriptedPatcher(PatchPolicy(CHANGE, matches))
        .will(CONFLICT, reads=(ok(MOVED),))
        .settle()
    )

    assert ended.reason is Reason.NO_LONGER_MATCHES
    assert asked == [(TARGET, MOVED)]


async def test_a_drifted_field_is_overwritten_under_its_new_version_where_the_plan_says_so() -> (
    None
):
    scripted = ScriptedPatcher(replace(POLICY, on_drift=OnDrift.OVERWRITE))
    scripted.will(CONFLICT, ok(DONE), reads=(ok(seen_job({"team": "green"}, version="15")),))

    ended = await scripted.settle()

    assert ended.reason is Reason.PATCHED
    assert scripted.cluster.patched[1].version == "15"


async def test_endless_conflicts_end_as_conflict() -> None:
    scripted = ScriptedPatcher()
    scripted.cluster.patches, scripted.cluster.reads = always(CONFLICT), always(ok(MOVED))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.http_status) == (Reason.CONFLICT, 6, 409)


async def test_the_last_conflict_is_looked_into_like_any_other() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=1))
    scripted.will(CONFLICT, reads=(ok(seen_job({"team": "green"}, version="15")),))

    assert (await scripted.settle()).reason is Reason.DRIFTED


async def test_a_conflict_that_cannot_be_looked_into_at_last_stays_open() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=1)).will(CONFLICT, reads=(UNAVAILABLE,))

    left = await scripted.defer()

    assert left == Deferred(
        Cause(
            CauseCode.TARGETS_OPEN,
            "could not be read after it may have been applied: 503 ServiceUnavailable",
        )
    )


# Dry runs and unguarded runs


async def test_a_dry_run_is_sent_as_one_and_has_its_own_reason() -> None:
    scripted = ScriptedPatcher(replace(POLICY, dry_run=True)).will(
        ok(replace(DONE, resource_version="10"))
    )

    ended = await scripted.settle()

    assert ended.reason is Reason.DRY_RUN
    assert scripted.cluster.calls[0].dry_run


async def test_a_dry_run_is_never_taken_for_having_been_applied() -> None:
    scripted = ScriptedPatcher(replace(POLICY, dry_run=True)).will(RESET, reads=(ok(DONE),))

    assert (await scripted.settle()).reason is Reason.ALREADY_SET


async def test_an_unguarded_patch_carries_the_uid_alone() -> None:
    scripted = ScriptedPatcher(replace(POLICY, guarded=False)).will(ok(DONE))

    await scripted.settle()

    assert scripted.cluster.calls[0].body == {
        "metadata": {"labels": {"team": "red"}, "uid": "uid-1"}
    }


# Cancellation and faults of our own


@pytest.mark.parametrize("latency", [0.0, 100.0])
async def test_a_cancelled_target_ends_at_once_in_its_pause_and_in_its_request(
    latency: float,
) -> None:
    scripted = ScriptedPatcher()
    scripted.cluster.latency = latency
    scripted.cluster.patches = always(failure(429, retry_after="30"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scripted.patcher.patch, TARGET)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    assert scripted.clock.monotonic() == 0.0
    assert len(scripted.cluster.calls) == 1


async def test_a_cancellation_during_a_later_attempt_is_not_retried() -> None:
    scripted = ScriptedPatcher()
    scripted.cluster.latency = 10.0
    scripted.cluster.patches = always(BUSY)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scripted.patcher.patch, TARGET)
        await scripted.clock.sleep(15.0)
        tasks.cancel_scope.cancel()

    assert scripted.clock.monotonic() == 15.0
    assert scripted.cluster.verbs == ["PATCH", "PATCH"]


async def test_a_fault_of_our_own_is_raised_as_it_is_and_not_retried() -> None:
    scripted = ScriptedPatcher().will(BUSY)
    scripted.cluster.reads = always(ok(DONE))
    fault = RuntimeError("a bug")

    def raising(_retry: RetryRecord) -> None:
        raise fault

    with pytest.raises(RuntimeError) as raised:
        await scripted.patcher.patch(TARGET, on_retry=raising)
    assert raised.value is fault


# An apply meets other owners

APPLYING = replace(POLICY, change=BodyPatch(PatchType.APPLY, {"metadata": {}}))
APPLIED_TO = replace(TARGET, wanted={label("team"): "red"})


def owned_by(*managers: str) -> Answer:
    owners = tuple(f'conflict with "{name}" using v1: .metadata.labels.team' for name in managers)
    return replace(failure(409, "Conflict", "Apply failed"), owners=owners)


async def test_a_field_of_another_manager_is_left_to_them_at_once() -> None:
    scripted = ScriptedPatcher(APPLYING).will(owned_by("kubectl"), reads=(ok(PLANNED),))

    ended = await scripted.settle(APPLIED_TO)

    assert (ended.reason, ended.attempts) == (Reason.OWNED, 1)
    assert ended.detail == "409 Apply failed"


async def test_a_field_that_we_patched_ourselves_is_taken_over() -> None:
    scripted = ScriptedPatcher(APPLYING).will(owned_by("fleetpatch"), ok(DONE))

    ended = await scripted.settle(APPLIED_TO)

    assert (ended.reason, ended.attempts) == (Reason.PATCHED, 2)
    first, second = scripted.cluster.patched
    assert (first.options, second.options) == (PatchOptions(), PatchOptions(force=True))


async def test_an_apply_is_not_forced_where_another_manager_owns_a_field_as_well() -> None:
    scripted = ScriptedPatcher(APPLYING).will(
        owned_by("fleetpatch", "kubectl"), reads=(ok(PLANNED),)
    )

    ended = await scripted.settle(APPLIED_TO)

    assert ended.reason is Reason.OWNED


async def test_a_permit_that_is_not_used_is_given_back() -> None:
    clock = VirtualClock()
    cluster, shutdown = FakeCluster(clock), Shutdown(clock)
    cluster.patches = in_turn(failure(503, "ServiceUnavailable"))
    cluster.reads = always(ok(PLANNED))
    pacer = Pacer(clock, rate=0.1, burst=1, concurrency=1)
    context = PatchContext(cluster, replace(POLICY, deadline=1.0), pacer, shutdown, clock)

    # The queue of the pacer takes longer than the deadline of the target. A permit that is lost
    # leaves none for the read that follows, and for the next target.
    with anyio.fail_after(10):
        patcher = ClusterPatcher(context, lambda: 0.0)
        ended = await patcher.patch(TARGET, on_retry=lambda _retry: None)
        assert await pacer.admit(shutdown) is not None

    assert isinstance(ended, Settlement)
    assert (ended.reason, ended.attempts) == (Reason.EXHAUSTED, 1)


# `where` is asked again


@pytest.mark.parametrize(
    "error", [ClusterError("cannot list namespaces"), CredentialsError("refused")], ids=repr
)
async def test_a_target_whose_where_cannot_be_asked_again_stays_open(error: Exception) -> None:
    async def recheck(_target: Target, _seen: Seen) -> Evaluated:
        raise error

    policy = replace(POLICY, recheck=recheck)
    scripted = ScriptedPatcher(policy).will(CONFLICT, reads=(ok(MOVED),))

    ended = await scripted.defer()

    assert ended.cause == Cause(
        CauseCode.TARGETS_OPEN, f"where could not be evaluated again: {error}"
    )
    assert not ended.stops_lane
    assert scripted.cluster.verbs == ["PATCH", "GET"]
