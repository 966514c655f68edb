"""A PATCH of which a part was stored, when nothing more may be sent or a cache answers.

Covered: a read-only session, a shutdown, a 200 that shows the object as it was, also one that may
be no change or of another version, no guard by version.
Left out: what counts as ours (tests/rules/answers/test_settlement.py), undo itself (tests/e2e).
"""

import pytest

from fleetpatch.engine.policy import PatchPolicy
from fleetpatch.model.answer import Answer, Reply
from fleetpatch.model.change import FIELD_MANAGER, BodyPatch, MetadataChange, PatchType
from fleetpatch.model.fields import ABSENT, Json, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.rules.answers.steps import OnDrift
from fleetpatch.rules.planning.undo import values_to_restore
from tests.engine.scripted import ScriptedPatcher, always_matches
from tests.fakes import document, failure, seen_job, seen_whole, target_of, target_with
from tests.rules.patching.owners import owner
from tests.values import replace

CHANGE = MetadataChange(labels={"team": "red", "cost": "x"})
PLANNED = seen_job({"team": "blue", "cost": "old"}, version="10")
TARGET = target_of(CHANGE, PLANNED)
OURS: Json = {"f:metadata": {"f:labels": {"f:team": {}, "f:cost": {}}}}
MADE = replace(
    seen_job({"team": "red", "cost": "Y"}, version="11"),
    managed_fields=[owner(FIELD_MANAGER, OURS, "Update")],
)
"""Our PATCH was applied, and a webhook made `Y` of `x`."""
STORED = {label("team"): "red", label("cost"): "Y"}
BEFORE = {label("team"): "blue", label("cost"): "old"}


async def test_our_values_that_a_read_only_session_finds_are_recorded_for_undo() -> None:
    policy = PatchPolicy(CHANGE, always_matches, read_only=True)
    scripted = ScriptedPatcher(policy).will(reads=(Answer(200, MADE),))

    ended = await scripted.settle(TARGET, in_doubt=True)

    assert (ended.reason, ended.wrote) == (Reason.NOT_EFFECTIVE, STORED)
    assert values_to_restore(CHANGE, TARGET, ended) == (STORED, BEFORE)


async def test_the_part_that_a_read_finds_after_a_shutdown_is_recorded_too() -> None:
    scripted = ScriptedPatcher(PatchPolicy(CHANGE, always_matches))

    def refused_and_shut_down(_call: object) -> Reply:
        scripted.shutdown.request()
        return failure(429, "TooManyRequests")

    scripted.cluster.patches = refused_and_shut_down
    scripted.cluster.reads = lambda _call: Answer(200, MADE)

    ended = await scripted.settle(TARGET)

    assert (ended.reason, ended.wrote) == (Reason.NOT_EFFECTIVE, STORED)


async def test_a_200_that_shows_the_object_as_it_was_is_confirmed_by_a_read() -> None:
    there = seen_job({"team": "red", "cost": "x"}, version="11")
    scripted = ScriptedPatcher(PatchPolicy(CHANGE, always_matches)).will(
        Answer(200, PLANNED), reads=(Answer(200, there),)
    )

    ended = await scripted.settle(TARGET)

    assert ended.reason is Reason.SETTLED_BY_READING
    assert values_to_restore(CHANGE, TARGET, ended)[1] == BEFORE


async def test_a_part_that_was_stored_behind_a_200_with_an_old_object_is_recorded() -> None:
    there = seen_job({"team": "red", "cost": "old"}, version="11")
    ours: Json = {"f:metadata": {"f:labels": {"f:team": {}}}}
    scripted = ScriptedPatcher(PatchPolicy(CHANGE, always_matches)).will(
        Answer(200, PLANNED),
        reads=(Answer(200, replace(there, managed_fields=[owner(FIELD_MANAGER, ours, "Update")])),),
    )

    ended = await scripted.settle(TARGET)

    assert (ended.reason, ended.wrote) == (Reason.NOT_EFFECTIVE, {label("team"): "red"})


async def test_a_change_that_the_server_really_drops_is_not_effective() -> None:
    scripted = ScriptedPatcher(PatchPolicy(CHANGE, always_matches)).will(
        Answer(200, PLANNED), reads=(Answer(200, PLANNED),)
    )

    ended = await scripted.settle(TARGET)

    assert ended.reason is Reason.NOT_EFFECTIVE
    assert values_to_restore(CHANGE, TARGET, ended) == ({}, {})


LIST = ("spec", "l")
KEPT, LACKS = [{"name": "c", "n": 1}], [{"name": "c"}]
REPLACES = BodyPatch(PatchType.MERGE, {"spec": {"l": LACKS}})


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ((KEPT, "10"), Reason.ALREADY_SET),
        ((KEPT, "11"), Reason.ALREADY_SET),
        ((LACKS, "11"), Reason.SETTLED_BY_READING),
        # The default, in place of another value that the list had before.
        (([{"name": "c", "n": 2}], "11"), Reason.SETTLED_BY_READING),
        (([{"name": "d"}], "11"), Reason.DRIFTED),
    ],
)
async def test_a_200_with_more_than_is_wanted_is_unchanged_only_if_a_read_shows_the_same(
    there: tuple[object, str], reason: Reason
) -> None:
    """A cache may have answered."""
    planned, now = (
        replace(
            seen_whole(document("etl-1", "uid-1", version, spec={"l": value})),
            managed_fields=[owner(FIELD_MANAGER, {"f:spec": {"f:l": {}}}, "Update")],
        )
        for value, version in ((KEPT, "10"), there)
    )
    target = target_with(planned, {LIST: KEPT}, {LIST: LACKS})
    scripted = ScriptedPatcher(PatchPolicy(REPLACES, always_matches)).will(
        Answer(200, planned), reads=(Answer(200, now),)
    )

    ended = await scripted.settle(target)

    assert (ended.reason, ended.attempts, ended.reads) == (reason, 1, 1)


async def test_without_the_version_a_value_that_is_not_as_wanted_is_not_ours() -> None:
    kept = seen_job({"team": "red", "cost": "theirs"}, version="12")
    policy = PatchPolicy(CHANGE, always_matches, guarded=False)

    scripted = ScriptedPatcher(policy).will(Answer(200, kept), reads=(Answer(200, kept),))
    ended = await scripted.settle(TARGET)

    assert (ended.reason, ended.wrote) == (Reason.NOT_EFFECTIVE, {label("team"): "red"})
    assert values_to_restore(CHANGE, TARGET, ended)[1] == {label("team"): "blue"}


def owned(labels: dict[str, str], version: str, **managers: tuple[str, ...]) -> Answer:
    """A read of the job, with the labels that each manager owns."""
    fields: Json = {name: {f"f:{key}": {} for key in keys} for name, keys in managers.items()}
    entries = [
        owner(name, {"f:metadata": {"f:labels": each}}, "Update") for name, each in fields.items()
    ]
    return Answer(200, replace(seen_job(labels, version=version), managed_fields=entries))


async def confirmed_by(now: Answer, labels: dict[str, str]) -> Settlement:
    """Settle a target whose 200 shows these labels, and is confirmed by a read."""
    shown = Answer(200, seen_job(labels, version="11"))
    scripted = ScriptedPatcher(PatchPolicy(CHANGE, always_matches)).will(shown, reads=(now,))
    return await scripted.settle(TARGET)


@pytest.mark.parametrize("labels", [{"team": "theirs", "cost": "old"}, {"team": "1", "cost": "2"}])
async def test_a_200_with_another_writers_object_does_not_make_its_values_ours(
    labels: dict[str, str],
) -> None:
    """A cache answered a PATCH that the server had refused."""
    now = owned(labels, "11", kubectl=("team", "cost"))

    ended = await confirmed_by(now, labels)

    assert (ended.reason, ended.wrote, ended.reads) == (Reason.DRIFTED, None, 1)
    assert values_to_restore(CHANGE, TARGET, ended) == ({}, {})


@pytest.mark.parametrize("stored", [{"team": "red", "cost": "old"}, {"team": "RED", "cost": "X"}])
async def test_what_a_webhook_made_of_our_values_is_undone_after_the_confirming_read(
    stored: dict[str, str],
) -> None:
    now = owned(stored, "11", fleetpatch=("team", "cost"))

    ended = await confirmed_by(now, stored)

    assert (ended.reason, ended.reads) == (Reason.NOT_EFFECTIVE, 1)
    changed = [path for path, value in BEFORE.items() if value not in stored.values()]
    assert values_to_restore(CHANGE, TARGET, ended)[1] == {path: BEFORE[path] for path in changed}


async def test_the_detail_is_that_of_the_read_if_the_200_showed_an_old_object() -> None:
    policy = PatchPolicy(CHANGE, always_matches, on_drift=OnDrift.OVERWRITE)
    now = owned({"team": "red", "cost": "theirs"}, "12", fleetpatch=("team",), kubectl=("cost",))
    scripted = ScriptedPatcher(policy).will(Answer(200, PLANNED), reads=(now,))

    ended = await scripted.settle(TARGET)

    assert (ended.reason, ended.wrote) == (Reason.NOT_EFFECTIVE, {label("team"): "red"})
    assert ended.detail == (
        "the server stored only a part of the change: metadata.labels.team is 'red'"
    )


POLICY: Json = [{"name": "c", "imagePullPolicy": "Always"}]
REMOVES_BY_NAME = BodyPatch(PatchType.JSON, [{"op": "remove", "path": "/spec/l/0/imagePullPolicy"}])


@pytest.mark.parametrize("change", [REPLACES, REMOVES_BY_NAME], ids=["merge", "json"])
@pytest.mark.parametrize(
    ("there", "reason"), [(LACKS, Reason.SETTLED_BY_READING), (POLICY, Reason.ALREADY_SET)]
)
async def test_a_200_without_the_removal_of_a_known_default_is_confirmed_by_a_read(
    change: BodyPatch, there: Json, reason: Reason
) -> None:
    planned = seen_whole(document("etl-1", "uid-1", "10", spec={"l": POLICY}))
    version = "10" if there is POLICY else "11"
    now = seen_whole(document("etl-1", "uid-1", version, spec={"l": there}))
    target = target_with(planned, {LIST: POLICY}, {LIST: LACKS})
    scripted = ScriptedPatcher(PatchPolicy(change, always_matches)).will(
        Answer(200, planned), reads=(Answer(200, now),)
    )

    ended = await scripted.settle(target)

    assert (ended.reason, ended.attempts, ended.reads) == (reason, 1, 1)
    restored = {LIST: POLICY} if there is LACKS else {}
    assert values_to_restore(change, target, ended)[1] == restored


@pytest.mark.parametrize(("guarded", "version"), [(False, "11"), (False, "10"), (True, "9")])
@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ({"team": "red", "cost": "x"}, Reason.SETTLED_BY_READING),
        ({"team": "blue", "cost": "old"}, Reason.NOT_EFFECTIVE),
    ],
)
async def test_a_200_that_shows_an_object_of_another_time_is_confirmed_by_a_read(
    guarded: bool, version: str, there: dict[str, str], reason: Reason
) -> None:
    cached = seen_job({"team": "blue", "cost": "old"}, version=version)
    scripted = ScriptedPatcher(PatchPolicy(CHANGE, always_matches, guarded=guarded)).will(
        Answer(200, cached), reads=(Answer(200, seen_job(there, version="12")),)
    )

    ended = await scripted.settle(TARGET)

    assert (ended.reason, ended.reads) == (reason, 1)
    changed = BEFORE if reason is Reason.SETTLED_BY_READING else {}
    assert values_to_restore(CHANGE, TARGET, ended)[1] == changed


async def test_a_dry_run_is_not_confirmed_by_a_read() -> None:
    policy = PatchPolicy(CHANGE, always_matches, dry_run=True)

    ended = await ScriptedPatcher(policy).will(Answer(200, PLANNED)).settle(TARGET)

    assert (ended.reason, ended.reads) == (Reason.NOT_EFFECTIVE, 0)


async def test_a_200_without_an_empty_map_is_confirmed_by_a_read() -> None:
    path = ("spec", "m", "d")
    change = BodyPatch(PatchType.MERGE, {"spec": {"m": {"d": {}}}})
    planned, now = (
        seen_whole(document("etl-1", "uid-1", version, spec={"m": fields}))
        for version, fields in (("10", {"a": 1}), ("11", {"a": 1, "d": {}}))
    )
    target = target_with(planned, {path: ABSENT}, {path: {}})

    ended = (
        await ScriptedPatcher(PatchPolicy(change, always_matches))
        .will(Answer(200, planned), reads=(Answer(200, now),))
        .settle(target)
    )

    assert (ended.reason, ended.reads) == (Reason.SETTLED_BY_READING, 1)
