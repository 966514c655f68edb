"""One target that another writer has changed, over scripted clusters in virtual time.

Covered: what is read after a conflict and what follows from it, fields of an apply that other
managers own, and a `where` that is asked again. Left out: answers that leave in doubt whether the
PATCH was applied (test_patcher_in_doubt.py).
"""

import pytest

from fleetpatch.engine.attempt import Deferred
from fleetpatch.engine.policy import PatchPolicy
from fleetpatch.errors import ClusterError, CredentialsError
from fleetpatch.model.answer import Answer
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.change import BodyPatch, PatchOptions, PatchType
from fleetpatch.model.fields import label
from fleetpatch.model.outcome import Reason
from fleetpatch.model.ports import Evaluated
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.steps import OnDrift
from tests.engine.scripted import (
    CHANGE,
    CONFLICT,
    DONE,
    MOVED,
    PLANNED,
    POLICY,
    TARGET,
    UNAVAILABLE,
    ScriptedPatcher,
)
from tests.fakes import always, failure, ok, seen_job
from tests.values import replace

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
