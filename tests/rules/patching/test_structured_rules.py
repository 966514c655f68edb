"""Server-side apply, rule by rule: structured merge, and removal of fields left out.

Source of every rule: sigs.k8s.io/structured-merge-diff, `typed` (merge, remove, toFieldSet,
reconcile) and `merge` (`Updater.Apply`, `prune`), 4.0.2 as in Kubernetes 1.20 and 6.3.2 as in 1.36.
The cases are ours. Generated applies are compared with real servers in tests/differential and
tests/rules/patching/test_recorded_merges. Left out: conflicts, which the server finds
(tests/sandbox).
"""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.merge_rules import merge_rules, stored
from fleetpatch.rules.patching.server_side_apply import applied
from fleetpatch.rules.planning.planner import NeedsPatch, need
from tests.fakes import JOBS, document, seen_whole
from tests.rules.patching.owners import owner

BOTH = ["1.20", "1.36"]
TFJOBS = Resource("kubeflow.org", "v1", "tfjobs", "TFJob")
US = "fleetpatch"
NAMES = "abcd"


def after(
    live: Any, configuration: Any, *owners: Any, version: str = "1.36", resource: Resource = JOBS
) -> Any:
    """The object after an apply, as it is stored, without its owners."""
    rules = merge_rules(resource, version)
    metadata = {**live.get("metadata", {}), "managedFields": list(owners)}
    made = applied({**live, "metadata": metadata}, configuration, US, rules)
    kept = stored(made, rules.by_patch)
    kept.get("metadata", {}).pop("managedFields", None)
    return kept


def in_pod(**fields: Any) -> Any:
    return {"spec": {"template": {"spec": fields}}}


def owned_in_pod(**fields: Any) -> Any:
    return {
        "f:spec": {"f:template": {"f:spec": {f"f:{name}": one for name, one in fields.items()}}}
    }


def pod(live: Any, configuration: Any, *owners: Any, version: str = "1.36") -> Any:
    made = after(in_pod(**live), in_pod(**configuration), *owners, version=version)
    return made["spec"]["template"].get("spec", {})


def finalizers(names: Iterable[str]) -> Any:
    """The set of these finalizers, as in fieldsV1."""
    return {"f:metadata": {"f:finalizers": {f'v:"{name}"': {} for name in names}}}


def keyed(*names: str, **more: Any) -> list[Any]:
    return [{"name": name, **more} for name in names]


def owned_entries(*names: str, field: str = "") -> Any:
    inner: Any = {".": {}, "f:name": {}, **({f"f:{field}": {}} if field else {})}
    return {f'k:{{"name":"{name}"}}': inner for name in names}


@pytest.mark.parametrize("version", BOTH)
def test_an_entry_that_we_applied_and_leave_out_is_removed(version: str) -> None:
    ours = owner(US, owned_in_pod(volumes=owned_entries("a", "b")))

    found = pod({"volumes": keyed("a", "b", "c")}, {"volumes": keyed("a")}, ours, version=version)

    assert found["volumes"] == keyed("a", "c")


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({".": {}, "f:args": {}, "f:name": {}}, [*keyed("a"), {"name": "b", "args": ["y"]}]),
        ({"f:args": {}}, keyed("a")),
    ],
    ids=["the entry", "a field of it"],
)
def test_it_stays_if_another_manager_owns_the_entry_and_not_only_a_field_of_it(
    fields: Any, left: list[Any], version: str
) -> None:
    ours = owner(US, owned_in_pod(containers=owned_entries("a", "b", field="image")))
    theirs = owner("other", owned_in_pod(containers={'k:{"name":"b"}': fields}), "Update")
    live = {"containers": [*keyed("a"), {"name": "b", "image": "x", "args": ["y"]}]}

    found = pod(live, {"containers": keyed("a")}, ours, theirs, version=version)

    assert found["containers"] == left


@pytest.mark.parametrize("version", BOTH)
def test_a_list_that_we_leave_out_as_a_whole_loses_our_entries_only(version: str) -> None:
    ours = owner(US, owned_in_pod(volumes=owned_entries("b")))
    theirs = owner("other", owned_in_pod(volumes=owned_entries("a")), "Update")
    live = {"volumes": keyed("a", "b")}

    found = pod(live, {"restartPolicy": "Never"}, ours, theirs, version=version)

    assert found == {"volumes": keyed("a"), "restartPolicy": "Never"}


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("resource", [JOBS, TFJOBS])
def test_a_finalizer_that_we_applied_and_leave_out_is_removed(
    resource: Resource, version: str
) -> None:
    ours, theirs = owner(US, finalizers("ab")), owner("other", finalizers("c"), "Update")
    live = {"metadata": {"finalizers": ["a", "b", "c"]}}

    for configured, left in (("a", "ac"), ("da", "acd"), ("", "c")):
        configuration = {"metadata": {"finalizers": list(configured)}}
        found = after(live, configuration, ours, theirs, version=version, resource=resource)
        assert sorted(found["metadata"]["finalizers"]) == sorted(left)


def test_an_entry_that_is_removed_from_a_list_is_touched_without_being_named() -> None:
    whole = document("etl-1", "uid-1")
    owners = [owner(US, finalizers("a")), owner("other", finalizers("b"), "Update")]
    whole["metadata"] |= {"finalizers": ["a", "b"], "managedFields": owners}
    change = BodyPatch(PatchType.APPLY, {"metadata": {"labels": {"team": "red"}}}, US)

    for version in ("", *BOTH):
        found = need(change, seen_whole(whole), merge_rules(JOBS, version))
        assert isinstance(found, NeedsPatch)
        assert found.before[("metadata", "finalizers")] == ["a", "b"]
        assert found.wanted[("metadata", "finalizers")] == ["b"]


def test_the_owner_of_a_key_in_a_map_that_became_atomic_owns_the_whole_map() -> None:
    """Reconciled with the schema: `ReconcileFieldSetWithSchema`."""
    ours = owner(US, owned_in_pod(nodeSelector={"f:zone": {}}))
    live = {"nodeSelector": {"zone": "a", "disk": "ssd"}}

    assert pod(live, {"restartPolicy": "Never"}, ours) == {"restartPolicy": "Never"}
    theirs = owner("other", owned_in_pod(nodeSelector={"f:disk": {}}))
    assert (
        pod(live, {"restartPolicy": "Never"}, ours, theirs)["nodeSelector"] == live["nodeSelector"]
    )


def test_a_key_of_a_merged_map_is_removed_alone() -> None:
    ours = owner(US, owned_in_pod(nodeSelector={"f:zone": {}}))
    live = {"nodeSelector": {"zone": "a", "disk": "ssd"}}

    found = pod(live, {"restartPolicy": "Never"}, ours, version="1.20")

    assert found["nodeSelector"] == {"disk": "ssd"}


def test_a_struct_is_removed_with_its_last_field_on_a_current_server() -> None:
    """`EnsureNamedFieldsAreMembers`."""
    ours = owner(US, owned_in_pod(securityContext={"f:runAsUser": {}}))
    live = {"securityContext": {"runAsUser": 1}, "restartPolicy": "Never"}

    assert pod(live, {"restartPolicy": "Never"}, ours) == {"restartPolicy": "Never"}


@pytest.mark.parametrize("version", BOTH)
def test_ports_are_identified_by_number_and_protocol(version: str) -> None:
    """`listMapKeys`, and the default of a key."""
    live = {"containers": keyed("main", ports=[{"containerPort": 80, "name": "web"}])}
    udp, tcp = {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"}

    for port, ports in (
        (udp, [{"containerPort": 80, "name": "web"}, udp]),
        (tcp, [{**tcp, "name": "web"}]),
    ):
        found = pod(live, {"containers": keyed("main", ports=[port])}, version=version)
        assert found["containers"][0]["ports"] == ports


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "configuration",
    [
        in_pod(volumes=keyed("a", "a")),
        {"metadata": {"finalizers": ["a", "a"]}},
        {"metadata": {"ownerReferences": [{"uid": "1"}, {"uid": "1"}]}},
        in_pod(volumes=["a"]),
    ],
)
def test_duplicate_entries_are_refused(configuration: Any, version: str) -> None:
    with pytest.raises(InapplicableError):
        after({"metadata": {}}, configuration, version=version)


@pytest.mark.parametrize(
    "managed",
    [
        None,
        "text",
        [None],
        ["text"],
        [{}],
        [owner(US, 5)],
        [owner(US, {"f:a": 1})],
    ],
)
def test_owners_that_cannot_be_decoded_own_nothing(managed: Any) -> None:
    live = {"metadata": {"labels": {"a": "1"}, "managedFields": managed}}
    configuration = {"metadata": {"labels": {"b": "2"}}}

    made = applied(live, configuration, US, merge_rules(JOBS, "1.36"))

    assert made["metadata"]["labels"] == {"a": "1", "b": "2"}


# Few names, so that the managers often own the same entries.
SETS = st.lists(st.sampled_from(NAMES), unique=True)


@settings(deadline=None)
@given(live=SETS, ours=SETS.filter(bool), theirs=SETS, wanted=SETS, version=st.sampled_from(BOTH))
def test_each_entry_of_a_list_has_the_values_of_its_owners(
    live: list[str], ours: list[str], theirs: list[str], wanted: list[str], version: str
) -> None:
    # Every entry has an owner.
    others = [*theirs, *(name for name in live if name not in (*ours, *theirs)), "other"]
    owners = [owner(US, finalizers(ours)), owner("other", finalizers(others), "Update")]
    configuration = {"metadata": {"finalizers": wanted}}

    made = after(
        {"metadata": {"finalizers": [*live, "other"]}}, configuration, *owners, version=version
    )["metadata"]["finalizers"]

    dropped = {name for name in ours if name not in others and name not in wanted}
    assert sorted(made) == sorted({*live, *wanted, "other"} - dropped)
    # Older servers append new entries.
    if version == "1.36":
        assert [name for name in made if name in wanted] == wanted


@settings(deadline=None)
@given(live=SETS, wanted=SETS)
def test_a_repeated_apply_changes_nothing(live: list[str], wanted: list[str]) -> None:
    for version in BOTH:
        rules = merge_rules(JOBS, version)
        configuration = in_pod(volumes=keyed(*wanted))
        once = applied(in_pod(volumes=keyed(*live)), configuration, US, rules)
        assert applied(once, configuration, US, rules) == once
