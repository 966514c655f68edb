"""One target, from its first PATCH to its end, over scripted clusters in virtual time.

Covered: final answers with what follows from them, dry runs, unguarded runs, cancellation and
faults of our own. Left out: retries (test_patcher_retries.py), conflicts
(test_patcher_conflicts.py), doubt and silence (test_patcher_in_doubt.py), sequences that no one
thought of (test_patcher_model.py).
"""

import anyio
import pytest

from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.model.answer import Answer
from fleetpatch.model.fields import label
from fleetpatch.model.outcome import Reason, Settlement
from tests.engine.scripted import BUSY, DONE, PLANNED, POLICY, RESET, TARGET, ScriptedPatcher
from tests.fakes import always, failure, ok, seen_job
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
    stored = ok(seen_job({"team": "RED"}, version="11"))

    ended = await ScriptedPatcher().will(stored, reads=(stored,)).settle()

    assert ended.reason is Reason.NOT_EFFECTIVE
    assert ended.wrote == {label("team"): "RED"}
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
