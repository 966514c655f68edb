"""What depends on the version of the server: atomic maps, nulls in new values, order.

Sources: the tags of the API types as the servers publish them (`fleetpatch/rules/patching/tables`),
and apimachinery's strategicpatch and structured-merge-diff in the versions that the servers are
built with. Left out: what the real servers answer (tests/differential,
tests/rules/patching/test_recorded_merges).
"""

from typing import Any

import pytest

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.fields import ABSENT
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import merge_rules, release, undecided
from fleetpatch.rules.planning.planner import Need, NeedsPatch, Unchanged, need
from tests.fakes import JOBS, document, seen_whole

POD = ("spec", "template", "spec")
TFJOBS = Resource("kubeflow.org", "v1", "tfjobs", "TFJob")
NULL_NOTE = {"spec": {"template": {"metadata": {"annotations": {"note": None}}}}}


def in_pod(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": fields}}}


def needed(kind: PatchType, body: Any, live: Any, version: str, resource: Resource = JOBS) -> Need:
    seen = seen_whole(document("etl-1", "uid-1", **live))
    return need(BodyPatch(kind, body), seen, merge_rules(resource, version))


def containers(found: NeedsPatch) -> list[Any]:
    wanted = found.wanted[(*POD, "containers")]
    assert isinstance(wanted, list)
    return wanted


# A node selector became atomic for applies between the two versions that have a table.
SELECTOR = in_pod(nodeSelector={"zone": "a", "disk": "ssd"})


def test_an_apply_to_a_current_server_replaces_a_node_selector_and_touches_all_of_it() -> None:
    found = needed(PatchType.APPLY, in_pod(nodeSelector={"pool": "gpu"}), SELECTOR, "1.36")

    assert found == NeedsPatch(
        before={(*POD, "nodeSelector"): {"zone": "a", "disk": "ssd"}},
        wanted={(*POD, "nodeSelector"): {"pool": "gpu"}},
    )


def test_an_apply_to_an_old_server_adds_to_a_node_selector() -> None:
    found = needed(PatchType.APPLY, in_pod(nodeSelector={"pool": "gpu"}), SELECTOR, "1.20")

    assert found == NeedsPatch(
        before={(*POD, "nodeSelector", "pool"): ABSENT},
        wanted={(*POD, "nodeSelector", "pool"): "gpu"},
    )


# An unknown version, and versions without a table
@pytest.mark.parametrize("version", ["", "1.19", "1.28", "1.37", "2.0"])
def test_if_versions_differ_the_server_decides_and_the_whole_field_is_touched(
    version: str,
) -> None:
    body = in_pod(nodeSelector={"pool": "gpu"})

    found = needed(PatchType.APPLY, body, SELECTOR, version)

    assert isinstance(found, NeedsPatch)
    assert found.before == {(*POD, "nodeSelector"): {"zone": "a", "disk": "ssd"}}
    assert undecided(body, merge_rules(JOBS, version), by_apply=True) == [(*POD, "nodeSelector")]


@pytest.mark.parametrize("version", ["1.20", "1.36"])
def test_if_the_version_is_known_a_node_selector_is_decided(version: str) -> None:
    body = in_pod(nodeSelector={"pool": "gpu"})

    assert undecided(body, merge_rules(JOBS, version), by_apply=True) == []


@pytest.mark.parametrize("version", ["", "1.20", "1.28", "1.36"])
def test_a_strategic_merge_of_a_node_selector_is_the_same_on_every_server(version: str) -> None:
    body = in_pod(nodeSelector={"pool": "gpu"})

    found = needed(PatchType.STRATEGIC, body, SELECTOR, version)

    assert found == NeedsPatch(
        before={(*POD, "nodeSelector", "pool"): ABSENT},
        wanted={(*POD, "nodeSelector", "pool"): "gpu"},
    )
    assert undecided(body, merge_rules(JOBS, version), by_apply=False) == []


REFERENCE = {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}


@pytest.mark.parametrize(
    ("live", "applied", "after"),
    [
        pytest.param(
            in_pod(containers=[{"name": "main", "env": [REFERENCE]}]),
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "b"}}},
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "b"}}},
            id="a reference to a key of a config map",
        ),
        pytest.param(
            in_pod(containers=[{"name": "main", "env": [{"name": "MODE", "value": "x"}]}]),
            {"name": "MODE"},
            {"name": "MODE", "value": "x"},
            id="a variable is merged",
        ),
    ],
)
def test_references_are_atomic_within_the_entries_of_a_list(
    live: Any, applied: Any, after: Any
) -> None:
    body = in_pod(containers=[{"name": "main", "env": [applied]}])

    found = needed(PatchType.APPLY, body, live, "1.36")

    if isinstance(found, NeedsPatch):
        (container,) = containers(found)
        assert container["env"] == [after]
    else:
        assert applied != after


def test_owner_references_are_identified_by_uid_and_replaced_as_a_whole() -> None:
    old = {"uid": "1", "kind": "Queue", "name": "q", "controller": True}
    live = {"metadata": {"ownerReferences": [old]}}
    new = {"uid": "1", "kind": "Queue", "name": "r"}

    for version, after in (("1.20", {**old, **new}), ("1.36", new)):
        seen = document("etl-1", "uid-1")
        seen["metadata"] |= live["metadata"]
        body = {"metadata": {"ownerReferences": [new]}}
        found = need(BodyPatch(PatchType.APPLY, body), seen_whole(seen), merge_rules(JOBS, version))
        assert isinstance(found, NeedsPatch)
        assert found.wanted == {("metadata", "ownerReferences"): [after]}


# These lists are newer than 1.20, so only the later table contains them.
GATES = [{"name": "example.com/a"}, {"name": "example.com/b"}]


@pytest.mark.parametrize("kind", [PatchType.APPLY, PatchType.STRATEGIC])
@pytest.mark.parametrize(
    ("field", "live", "patch", "after"),
    [
        ("schedulingGates", GATES, GATES[:1], GATES),
        (
            "resourceClaims",
            [{"name": "gpu", "resourceClaimName": "x"}],
            [{"name": "gpu", "resourceClaimName": "y"}],
            [{"name": "gpu", "resourceClaimName": "y"}],
        ),
        (
            "hostAliases",
            [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}, {"ip": "10.0.0.2"}],
            [{"ip": "10.0.0.1", "hostnames": ["c"]}],
            [{"ip": "10.0.0.1", "hostnames": ["c"]}, {"ip": "10.0.0.2"}],
        ),
    ],
)
def test_new_lists_of_a_pod_merge_by_name(
    kind: PatchType, field: str, live: Any, patch: Any, after: Any
) -> None:
    found = needed(kind, in_pod(**{field: patch}), in_pod(**{field: live}), "1.36")

    if live == after:
        assert isinstance(found, Unchanged)
    else:
        assert isinstance(found, NeedsPatch)
        assert found.wanted == {(*POD, field): after}


def test_spread_constraints_have_two_keys_in_an_apply_and_one_in_a_strategic_merge() -> None:
    live = in_pod(
        topologySpreadConstraints=[{"topologyKey": "z", "whenUnsatisfiable": "A", "maxSkew": 1}]
    )
    body = in_pod(topologySpreadConstraints=[{"topologyKey": "z", "whenUnsatisfiable": "B"}])

    skews = {}
    for kind in (PatchType.APPLY, PatchType.STRATEGIC):
        found = needed(kind, body, live, "1.36")
        assert isinstance(found, NeedsPatch)
        constraints: Any = found.wanted[(*POD, "topologySpreadConstraints")]
        skews[kind] = sorted((one["whenUnsatisfiable"], one.get("maxSkew")) for one in constraints)

    assert skews == {
        PatchType.APPLY: [("A", 1), ("B", None)],
        PatchType.STRATEGIC: [("B", 1)],
    }


@pytest.mark.parametrize("kind", [PatchType.APPLY, PatchType.STRATEGIC])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "podFailurePolicy", "rules"), [{"action": "Ignore"}]),
        (("spec", "successPolicy", "rules"), [{"succeededCount": 2}]),
    ],
)
def test_new_lists_of_a_job_are_replaced(kind: PatchType, path: Any, value: Any) -> None:
    _, policy, rules = path
    live = {"spec": {policy: {rules: [{"other": 1}, {"third": 2}]}}}
    body = {"spec": {policy: {rules: value}}}

    found = needed(kind, body, live, "1.36")

    assert isinstance(found, NeedsPatch)
    assert found.wanted == {path: value}
    assert undecided(body, merge_rules(JOBS, "1.36"), by_apply=True) == []


@pytest.mark.parametrize("field", ["resizePolicy", "restartPolicyRules"])
def test_new_lists_of_a_container_are_replaced(field: str) -> None:
    live = in_pod(containers=[{"name": "main", field: [{"a": 1}, {"b": 2}]}])
    body = in_pod(containers=[{"name": "main", field: [{"c": 3}]}])

    for kind in (PatchType.APPLY, PatchType.STRATEGIC):
        found = needed(kind, body, live, "1.36")
        assert isinstance(found, NeedsPatch)
        assert found.wanted[(*POD, "containers")] == [{"name": "main", field: [{"c": 3}]}]


def test_claims_of_a_container_merge_by_an_apply_and_not_by_a_strategic_merge() -> None:
    live = in_pod(containers=[{"name": "main", "resources": {"claims": [{"name": "a"}]}}])
    body = in_pod(containers=[{"name": "main", "resources": {"claims": [{"name": "b"}]}}])

    claims = {}
    for kind in (PatchType.APPLY, PatchType.STRATEGIC):
        found = needed(kind, body, live, "1.36")
        assert isinstance(found, NeedsPatch)
        (container,) = containers(found)
        claims[kind] = [claim["name"] for claim in container["resources"]["claims"]]

    assert claims == {PatchType.APPLY: ["a", "b"], PatchType.STRATEGIC: ["b"]}


def test_a_strategic_null_in_an_absent_map_changes_nothing_on_a_current_server() -> None:
    for version in ("1.24", "1.36", ""):
        found = needed(PatchType.STRATEGIC, NULL_NOTE, in_pod(containers=[]), version)
        assert isinstance(found, Unchanged), version


def test_a_strategic_null_in_an_absent_map_is_an_empty_string_on_an_old_server() -> None:
    found = needed(PatchType.STRATEGIC, NULL_NOTE, in_pod(containers=[]), "1.20")

    assert isinstance(found, NeedsPatch)


@pytest.mark.parametrize(
    "body",
    [
        in_pod(volumes=[{"name": "a", "$patch": "delete"}]),
        in_pod(nodeSelector={"zone": None}),
        in_pod(nodeSelector={"$patch": "delete"}),
        in_pod(tolerations=[]),
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}},
        {"metadata": {"ownerReferences": [{"uid": "u", "$patch": "delete"}]}},
    ],
)
def test_values_that_a_current_server_drops_change_nothing(body: Any) -> None:
    assert isinstance(needed(PatchType.STRATEGIC, body, in_pod(containers=[]), "1.36"), Unchanged)


@pytest.mark.parametrize(
    "body", [NULL_NOTE, in_pod(nodeSelector={"zone": None}), in_pod(nodeSelector={})]
)
def test_a_merge_patch_that_leaves_an_empty_map_changes_nothing(body: Any) -> None:
    for version in ("1.20", "1.36"):
        assert isinstance(needed(PatchType.MERGE, body, in_pod(x=1), version), Unchanged)


def test_a_null_next_to_a_change_is_touched() -> None:
    body = {**NULL_NOTE, "metadata": {"labels": {"team": "red"}}}

    found = needed(PatchType.STRATEGIC, body, in_pod(containers=[]), "1.36")

    note = ("spec", "template", "metadata", "annotations", "note")
    assert isinstance(found, NeedsPatch)
    assert found.before == {("metadata", "labels", "team"): ABSENT, note: ABSENT}
    assert found.wanted == {("metadata", "labels", "team"): "red", note: ABSENT}


def test_an_apply_to_a_current_server_orders_a_list_as_configured() -> None:
    live = in_pod(containers=[{"name": name} for name in ("a", "b", "x")])
    body = in_pod(containers=[{"name": name} for name in ("b", "n", "a")])

    names = {}
    for version in ("1.20", "1.36"):
        found = needed(PatchType.APPLY, body, live, version)
        assert isinstance(found, NeedsPatch)
        names[version] = "".join(each["name"] for each in containers(found))

    assert names == {"1.20": "abxn", "1.36": "bxna"}


@pytest.mark.parametrize("version", ["", "1.20", "1.36"])
@pytest.mark.parametrize(
    ("live", "applied", "after"),
    [
        ({"finalizers": ["b"]}, {"finalizers": ["c"]}, {"finalizers": ["b", "c"]}),
        (
            {"ownerReferences": [{"uid": "1", "name": "a"}]},
            {"ownerReferences": [{"uid": "2", "name": "b"}]},
            {"ownerReferences": [{"uid": "1", "name": "a"}, {"uid": "2", "name": "b"}]},
        ),
        ({"labels": {"a": "1"}}, {"labels": {"b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
    ],
)
def test_the_metadata_of_a_custom_kind_merges_as_that_of_any_object(
    live: Any, applied: Any, after: Any, version: str
) -> None:
    whole = document("etl-1", "uid-1")
    whole["metadata"] |= live
    seen = seen_whole(whole)
    rules = merge_rules(TFJOBS, version)

    found = need(BodyPatch(PatchType.APPLY, {"metadata": applied}), seen, rules)

    assert isinstance(found, NeedsPatch)
    (field,) = after
    assert {path[1] for path in found.wanted} == {field}
    # Labels are fields of their own; finalizers and owners are touched as a whole list.
    if field != "labels":
        assert found.wanted == {("metadata", field): after[field]}
    if version:
        assert undecided({"metadata": applied}, rules, by_apply=True) == []


def test_the_fields_of_a_custom_kind_are_left_to_the_server_as_a_whole() -> None:
    live = {"spec": {"tfReplicaSpecs": {"Worker": {"replicas": 1}}, "queue": "a"}}
    body = {"spec": {"tfReplicaSpecs": {"Ps": {"replicas": 2}}, "queue": "b"}}

    found = needed(PatchType.APPLY, body, live, "1.36", TFJOBS)

    assert isinstance(found, NeedsPatch)
    assert found.before == {
        ("spec", "queue"): "a",
        ("spec", "tfReplicaSpecs"): {"Worker": {"replicas": 1}},
    }


@pytest.mark.parametrize(
    ("kind", "group", "version"),
    [
        ("StatefulSet", "apps", "v1"),
        ("DaemonSet", "apps", "v1"),
        ("CronJob", "batch", "v1"),
        ("CronJob", "batch", "v1beta1"),
        ("ReplicationController", "", "v1"),
    ],
)
def test_every_kind_with_a_pod_template_has_rules(kind: str, group: str, version: str) -> None:
    template = {"spec": {"template": {"spec": {"containers": [{"name": "a", "env": []}]}}}}
    body = {"spec": {"jobTemplate": template}} if kind == "CronJob" else template
    resource = Resource(group, version, kind.lower() + "s", kind)

    for server in ("1.20", "1.36"):
        assert undecided(body, merge_rules(resource, server), by_apply=True) == []


@pytest.mark.parametrize(
    ("git_version", "found"),
    [
        ("v1.20.2", "1.20"),
        ("v1.36.2", "1.36"),
        ("v1.28.3-gke.100+abc", "1.28"),
        ("1.20", "1.20"),
        ("v1.020.1", "1.20"),
        ("v1.20-r1-CCI", "1.20"),
        ("", ""),
        ("master", ""),
        ("v1", ""),
        ("v1.x", ""),
        ("v1." + "9" * 5000, ""),
        (None, ""),
        (1.2, ""),
        ({"a": 1}, ""),
    ],
)
def test_a_release_is_read_from_the_version_of_a_server(git_version: Any, found: str) -> None:
    assert release(git_version) == found
