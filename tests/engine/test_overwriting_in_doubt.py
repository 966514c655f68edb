"""What undo restores if other writers were at work while the answer to a PATCH was lost.

Covered: drift that is overwritten beside a value of ours, for values, maps, renames and a value of
a webhook; wanted values that another manager wrote, in a session and after a crash. Left out: what
another writer added to a field of ours (tests/rules/answers/test_attribution.py).
"""

from typing import Any

import pytest

from fleetpatch.engine.policy import PatchPolicy
from fleetpatch.model.answer import NoAnswer, Reply, Silence
from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType, PlanChange
from fleetpatch.model.fields import ABSENT, Fields, Path, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.steps import OnDrift
from fleetpatch.rules.patching.merge_rules import UNTYPED, MergeRules
from fleetpatch.rules.patching.merging import ServerMerging
from fleetpatch.rules.planning.planner import NeedsPatch, need
from fleetpatch.rules.planning.undo import values_to_restore
from tests.engine.scripted import CONFLICT, ScriptedPatcher, always_matches
from tests.fakes import JOB_RULES, document, ok, seen_whole, target_with
from tests.rules.patching.owners import owner
from tests.values import replace

RESET = NoAnswer(Silence.RESET)
MAP: Path = ("spec", "m")
NUMBER: Path = ("spec", "s")


def seen(version: str, labels: Any, spec: Any, **managers: Any) -> Seen:
    """The object, and the fields of each manager."""
    whole = document("etl-1", "uid-1", version, labels=labels, spec=spec)
    owners = [owner(name, fields, "Update") for name, fields in managers.items()]
    return replace(seen_whole(whole), managed_fields=owners)


def of_labels(*keys: str) -> Any:
    return {"f:metadata": {"f:labels": {f"f:{key}": {} for key in keys}}}


def planned(change: PlanChange, there: Seen, rules: MergeRules = UNTYPED) -> Target:
    needed = need(change, there, rules)
    assert isinstance(needed, NeedsPatch)
    return target_with(there, needed.before, needed.wanted)


async def ended(
    change: PlanChange, target: Target, answers: tuple[Reply, ...], now: Seen, **more: Any
) -> tuple[Settlement, tuple[Fields, Fields]]:
    """Settle a target; return what undo compares and restores, too."""
    in_doubt = more.pop("in_doubt", False)
    reads = more.pop("reads", (now,))
    policy = PatchPolicy(change, always_matches, **{"on_drift": OnDrift.OVERWRITE, **more})
    scripted = ScriptedPatcher(policy).will(*answers, reads=tuple(map(ok, reads)))
    settlement = await scripted.settle(target, in_doubt=in_doubt)
    return settlement, values_to_restore(change, target, settlement)


async def test_a_map_that_we_made_is_removed_by_an_undo_after_drift_was_overwritten() -> None:
    change = BodyPatch(PatchType.MERGE, {"spec": {"s": 3, "m": {"b": "2"}}})
    made: Any = {"f:spec": {"f:m": {".": {}, "f:b": {}}}}
    theirs: Any = {"f:spec": {"f:s": {}}}
    target = planned(change, seen("10", {}, {"s": 1}))
    now = seen("12", {}, {"s": 9, "m": {"b": "2"}}, fleetpatch=made, kubectl=theirs)
    done = seen("13", {}, {"s": 3, "m": {"b": "2"}})

    settlement, (_, restored) = await ended(change, target, (RESET, ok(done)), now)

    assert settlement.reason is Reason.PATCHED
    assert restored == {NUMBER: 9, MAP: ABSENT}


async def test_another_writers_part_of_such_a_map_is_not_removed_by_an_undo() -> None:
    change = BodyPatch(PatchType.MERGE, {"spec": {"s": 3, "m": {"b": "2"}}})
    made: Any = {"f:spec": {"f:m": {".": {}, "f:b": {}}}}
    theirs: Any = {"f:spec": {"f:s": {}, "f:m": {"f:d": {}}}}
    target = planned(change, seen("10", {}, {"s": 1}))
    both = {"b": "2", "d": "9"}
    now = seen("12", {}, {"s": 9, "m": both}, fleetpatch=made, kubectl=theirs)

    settlement, (_, restored) = await ended(
        change, target, (RESET, ok(seen("13", {}, {"s": 3, "m": both}))), now
    )

    assert settlement.reason is Reason.PATCHED
    assert restored == {NUMBER: 9}


async def test_a_rename_that_was_carried_out_is_undone_after_drift_was_overwritten() -> None:
    change = MetadataChange(labels={"old": "1"}, rename_labels={"owner": "tenant"})
    target = planned(change, seen("10", {"owner": "o"}, {}))
    labels = {"tenant": "o", "old": "9"}
    now = seen("12", labels, {}, fleetpatch=of_labels("tenant"), kubectl=of_labels("old"))
    done = seen("13", {"tenant": "o", "old": "1"}, {})

    settlement, (_, restored) = await ended(change, target, (RESET, ok(done)), now)

    assert settlement.reason is Reason.PATCHED
    assert restored == {label("owner"): "o", label("tenant"): ABSENT, label("old"): "9"}


async def test_what_a_webhook_made_of_our_value_is_not_what_an_undo_restores() -> None:
    change = MetadataChange(labels={"team": "red", "cost": "x", "old": "1"})
    target = planned(change, seen("10", {"team": "blue"}, {}))
    ours = of_labels("team", "cost")
    labels = {"team": "red", "cost": "X", "old": "9"}
    now = seen("12", labels, {}, fleetpatch=ours, kubectl=of_labels("old"))
    done = seen("13", {"team": "red", "cost": "X", "old": "1"}, {}, fleetpatch=ours)

    settlement, (_, restored) = await ended(
        change, target, (RESET, ok(done)), now, reads=(now, done)
    )

    assert settlement.reason is Reason.NOT_EFFECTIVE
    assert restored == {label("team"): "blue", label("cost"): ABSENT, label("old"): "9"}


def pod(*containers: Any) -> Any:
    return {"template": {"spec": {"containers": list(containers)}}}


def of_containers(*fields: str) -> Any:
    keyed: Any = {'k:{"name":"c"}': {f"f:{field}": {} for field in fields}}
    return {"f:spec": {"f:template": {"f:spec": {"f:containers": keyed}}}}


async def test_a_drifted_object_to_which_another_manager_made_the_change_is_unchanged() -> None:
    change = BodyPatch(PatchType.STRATEGIC, {"spec": pod({"name": "c", "image": "x"})})
    before = seen("10", {}, pod({"name": "c", "image": "y", "args": ["a"]}))
    both = of_containers("image", "args")
    now = seen("11", {}, pod({"name": "c", "image": "x", "args": ["b"]}), kubectl=both)
    target = planned(change, before, JOB_RULES)

    settlement, restored = await ended(
        change, target, (CONFLICT,), now, merging=ServerMerging("1.20")
    )

    assert (settlement.reason, settlement.detail) == (Reason.ALREADY_SET, "written by kubectl")
    assert restored == ({}, {})


@pytest.mark.parametrize("on_drift", OnDrift)
@pytest.mark.parametrize("answers", [(RESET,), ()])
async def test_a_wanted_value_of_another_manager_is_not_removed_by_an_undo(
    answers: tuple[Reply, ...], on_drift: OnDrift
) -> None:
    """An earlier process may have sent its PATCH with the version of this value."""
    change = MetadataChange(labels={"old": "2", "team": "2"})
    target = planned(change, seen("10", {}, {}))
    both = {"old": "2", "team": "2"}
    now = seen("12", both, {}, kubectl=of_labels("team"), fleetpatch=of_labels("old"))

    settlement, (_, restored) = await ended(
        change, target, answers, now, in_doubt=not answers, on_drift=on_drift
    )

    assert settlement.reason is Reason.SETTLED_BY_READING
    assert settlement.detail == "metadata.labels.team was written by kubectl and is not undone"
    assert restored == {label("old"): ABSENT}


async def test_a_value_that_we_and_another_manager_own_is_not_removed_by_an_undo() -> None:
    """Our apply shares the value that another manager wrote before it."""
    change = BodyPatch(PatchType.APPLY, {"metadata": {"labels": {"old": "2", "team": "2"}}})
    target = planned(change, seen("10", {}, {}))
    both = {"old": "2", "team": "2"}
    ours = of_labels("old", "team")
    now = seen("12", both, {}, kubectl=of_labels("team"), fleetpatch=ours)

    settlement, (_, restored) = await ended(change, target, (), now, in_doubt=True)

    assert settlement.reason is Reason.SETTLED_BY_READING
    assert restored == {label("old"): ABSENT}


def at(second: int, entry: Any) -> Any:
    return {**entry, "time": f"2026-11-28T10:00:0{second}Z"}


def listed(now: Seen, *entries: tuple[str, Any]) -> Seen:
    """The object with Updates of managers, one second after the other."""
    managed = [at(number, owner(*one, "Update")) for number, one in enumerate(entries)]
    return replace(now, managed_fields=managed)


OLD_PORT, NEW_PORT = ({"name": name, "port": port} for name, port in (("a", 80), ("b", 81)))


LISTED: Any = {".": {}, 'k:{"port":81}': {".": {}, "f:port": {}, "f:name": {}, "f:target": {}}}
"""What the server writes for a manager that owns all of such a port."""


@pytest.mark.parametrize("creators", [{}, LISTED], ids=["emptied", "after another write"])
async def test_a_list_that_we_replaced_is_put_back_by_an_undo_although_its_creator_has_it(
    creators: Any,
) -> None:
    change = BodyPatch(PatchType.MERGE, {"spec": {"ports": [NEW_PORT]}})
    target = planned(change, seen("10", {}, {"ports": [OLD_PORT]}))
    now = listed(
        seen("11", {}, {"ports": [{**NEW_PORT, "target": 81}]}),
        ("creator", {"f:spec": {"f:ports": creators, "f:type": {}}}),
        ("fleetpatch", {"f:spec": {"f:ports": LISTED}}),
    )

    settlement, (_, restored) = await ended(change, target, (), now, in_doubt=True)

    assert (settlement.reason, settlement.detail) == (Reason.SETTLED_BY_READING, "")
    assert restored == {("spec", "ports"): [OLD_PORT]}


async def test_a_label_is_put_back_by_an_undo_although_the_server_lists_it_for_the_creator() -> (
    None
):
    """The creator owned no other label, so the next write of anyone listed ours for it again."""
    change = MetadataChange(labels={"team": "blue"})
    target = planned(change, seen("10", {"team": "red"}, {}))
    now = listed(
        seen("12", {"team": "blue"}, {}),
        ("creator", {"f:metadata": {"f:labels": {".": {}, "f:team": {}}}}),
        ("fleetpatch", of_labels("team")),
        ("kube-controller-manager", {"f:status": {"f:active": {}}}),
    )

    settlement, (_, restored) = await ended(change, target, (), now, in_doubt=True)

    assert (settlement.reason, settlement.detail) == (Reason.SETTLED_BY_READING, "")
    assert restored == {label("team"): "red"}


CONTAINER = {"name": "c", "image": "x"}


@pytest.mark.parametrize(
    ("before", "named"),
    [
        (pod({**CONTAINER, "args": ["a"]}), {"name": "c", "args": None}),
        (pod(CONTAINER, {"name": "d", "image": "x"}), {"name": "d", "$patch": "delete"}),
    ],
)
async def test_a_removal_beside_a_value_of_ours_is_undone_although_it_has_no_owner(
    before: Any, named: Any
) -> None:
    body = {"metadata": {"labels": {"team": "2"}}, "spec": pod(named)}
    change = BodyPatch(PatchType.STRATEGIC, body)
    target = planned(change, seen("10", {}, before), JOB_RULES)
    theirs = of_containers("name", "image")
    now = seen("12", {"team": "2"}, pod(CONTAINER), kubectl=theirs, fleetpatch=of_labels("team"))

    settlement, (_, restored) = await ended(
        change, target, (RESET,), now, merging=ServerMerging("1.20")
    )

    assert settlement.reason is Reason.SETTLED_BY_READING
    assert restored == target.before


async def test_another_writers_change_within_a_field_of_ours_is_drift_for_an_undo() -> None:
    """One of two fields has the change, and more; nothing is left to overwrite."""
    body = {"metadata": {"labels": {"team": "2"}}, "spec": pod(CONTAINER)}
    change = BodyPatch(PatchType.STRATEGIC, body)
    there = seen("10", {}, pod({"name": "c", "image": "y", "args": ["a"]}))
    target = planned(change, there, JOB_RULES)
    ours = {**of_labels("team"), **of_containers("image")}
    now = listed(
        seen("12", {"team": "2"}, pod({**CONTAINER, "args": ["theirs"]})),
        ("creator", of_containers("name")),
        ("fleetpatch", ours),
        ("kubectl", of_containers("args")),
    )

    settlement, (compared, restored) = await ended(
        change, target, (RESET,), now, merging=ServerMerging("1.20")
    )

    assert settlement.reason is Reason.SETTLED_BY_READING
    assert restored == target.before
    assert compared == target.wanted


async def test_what_another_manager_made_is_not_drift_for_an_undo_of_the_rest() -> None:
    body = {"metadata": {"labels": {"team": "2"}}, "spec": pod(CONTAINER)}
    change = BodyPatch(PatchType.STRATEGIC, body)
    there = seen("10", {}, pod({"name": "c", "image": "y", "args": ["a"]}))
    target = planned(change, there, JOB_RULES)
    now = listed(
        seen("12", {"team": "2"}, pod({**CONTAINER, "args": ["theirs"]})),
        ("kubectl", of_containers("name", "image", "args")),
        ("fleetpatch", of_labels("team")),
    )

    settlement, (_, restored) = await ended(
        change, target, (RESET,), now, merging=ServerMerging("1.20")
    )

    assert settlement.reason is Reason.SETTLED_BY_READING
    assert "containers was written by kubectl and is not undone" in settlement.detail
    assert restored == {label("team"): ABSENT}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(RESET, Reason.SETTLED_BY_READING), (CONFLICT, Reason.ALREADY_SET)],
)
async def test_a_removal_beside_another_writers_change_is_ours_if_the_answer_was_lost(
    answer: Reply, reason: Reason
) -> None:
    """The creator owns the rest of the list, as before; kubectl has changed that rest."""
    change = BodyPatch(PatchType.STRATEGIC, {"spec": pod({"name": "d", "$patch": "delete"})})
    there = seen("10", {}, pod({**CONTAINER, "args": ["a"]}, {"name": "d", "image": "x"}))
    target = planned(change, there, JOB_RULES)
    now = listed(
        seen("12", {}, pod({**CONTAINER, "args": ["theirs"]})),
        ("creator", of_containers("name", "image")),
        ("kubectl", of_containers("args")),
    )

    settlement, (compared, _) = await ended(
        change, target, (answer,), now, merging=ServerMerging("1.20")
    )

    assert settlement.reason is reason
    assert compared == (target.wanted if answer is RESET else {})
