"""The merge rules in the schema that a server publishes.

Covered: built-in kinds, and whether a table has the same rules; fields that the tables do not have;
custom kinds with lists by key, sets, typed and open maps; types that refer to themselves; schemas
that are too large or too deep; any document at all. Left out: the schema of a real server.
"""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import merge_rules, undecided
from fleetpatch.rules.patching.merge_schema import ATOMIC, OPEN, SET, Keyed, Rule, field_rule
from fleetpatch.rules.patching.server_schema import (
    ServerSchema,
    is_table_of,
    schema_of,
    schema_paths,
)
from fleetpatch.rules.planning.planner import NeedsPatch, need
from tests.fakes import JOBS, document, seen_whole
from tests.rules.patching import server_schemas
from tests.rules.patching.server_schemas import properties

DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
PODS = Resource("", "v1", "pods", "Pod")
WIDGETS = Resource("example.com", "v1", "widgets", "Widget")
POD_SPEC, JOB_SPEC = "api.core.v1.PodSpec", "api.batch.v1.JobSpec"
TAG = "x-kubernetes-"


def read(made: Any, *kinds: Resource) -> ServerSchema:
    schema = schema_of([made], kinds or (JOBS,))
    assert schema is not None
    return schema


def rule_at(schema: ServerSchema, kind: Resource, *path: str) -> Rule | None:
    """The rule of a field for applies; `[]` leads to the entries of a list."""
    rule: Rule | None = merge_rules(kind, "1.36", schema).by_apply
    for step in path:
        rule = rule.entry if isinstance(rule, Keyed) and step == "[]" else field_rule(rule, step)
    return rule


# Built-in kinds


@pytest.mark.parametrize("kind", [JOBS, DEPLOYMENTS, PODS])
@pytest.mark.parametrize("version", ["1.20", "1.36"])
def test_a_server_with_the_rules_of_a_table_is_recognized(kind: Resource, version: str) -> None:
    schema = read(server_schemas.document(version, kind), kind)

    assert [is_table_of(each, schema) for each in ("1.20", "1.36")] == [
        version == "1.20",
        version == "1.36",
    ]


@pytest.mark.parametrize(
    ("place", "field", "changed", "rule"),
    [
        (POD_SPEC, "nodeSelector", {f"{TAG}map-type": "granular"}, "map"),
        (POD_SPEC, "tolerations", {f"{TAG}list-type": "set"}, "set"),
        (POD_SPEC, "newer", {"type": "array", f"{TAG}list-type": "atomic"}, "atomic"),
        (JOB_SPEC, "newer", {"additionalProperties": {}, f"{TAG}map-type": "atomic"}, "atomic"),
    ],
)
def test_the_rule_of_a_field_is_that_of_the_server(
    place: str, field: str, changed: dict[str, Any], rule: str
) -> None:
    made = server_schemas.document("1.36")
    fields = properties(made, place)
    fields[field] = {**fields.get(field, {}), **changed}
    schema = read(made)

    path = ("spec", "template", "spec") if place == POD_SPEC else ("spec",)
    found = rule_at(schema, JOBS, *path, field)
    assert not is_table_of("1.36", schema)
    assert getattr(found, "value", None) == rule


def test_a_strategic_merge_uses_the_key_of_the_server() -> None:
    made = server_schemas.document("1.36")
    properties(made, POD_SPEC)["containers"][f"{TAG}patch-merge-key"] = "image"
    rules = merge_rules(JOBS, "1.31", read(made))
    change = BodyPatch(PatchType.STRATEGIC, pod(containers=[{"image": "a", "name": "renamed"}]))
    live = document("j", "u", **pod(containers=[{"image": "a", "name": "n"}, {"image": "b"}]))

    found = need(change, seen_whole(live), rules)

    assert isinstance(found, NeedsPatch)
    containers = found.wanted["spec", "template", "spec", "containers"]
    assert containers == [{"image": "a", "name": "renamed"}, {"image": "b"}]


def test_a_list_that_no_table_has_is_decided_by_the_server() -> None:
    made = server_schemas.document("1.36")
    properties(made, POD_SPEC)["newer"] = {
        "type": "array",
        "items": {"type": "object", "properties": {"id": {"type": "string"}}},
        f"{TAG}list-type": "map",
        f"{TAG}list-map-keys": ["id"],
    }
    body = pod(newer=[{"id": "a"}])

    assert undecided(body, merge_rules(JOBS, "1.31", read(made)), by_apply=True) == []
    assert undecided(body, merge_rules(JOBS, "1.36"), by_apply=True) != []


def test_a_type_is_atomic_if_the_server_says_so() -> None:
    made = server_schemas.document("1.36")
    made["components"]["schemas"][f"io.k8s.{POD_SPEC}"][f"{TAG}map-type"] = "atomic"

    assert rule_at(read(made), JOBS, "spec", "template", "spec") is ATOMIC


def pod(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": fields}}}


# Custom kinds


def definition(spec: Any, **named: Any) -> Any:
    """The document of a custom kind."""
    root = {
        "type": "object",
        "properties": {"metadata": {"$ref": "#/components/schemas/Meta"}, "spec": spec},
        f"{TAG}{'group-version-kind'}": [
            {"group": "example.com", "version": "v1", "kind": "Widget"}
        ],
    }
    return {"components": {"schemas": {"com.example.v1.Widget": root, **named}}}


def obj(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def listed(kind: str, *keys: str, **fields: Any) -> dict[str, Any]:
    tags = {f"{TAG}list-type": kind, **({f"{TAG}list-map-keys": list(keys)} if keys else {})}
    return {"type": "array", "items": obj(**fields) if fields else {"type": "string"}, **tags}


TEXT = {"type": "string"}
ANY = {"type": "object", f"{TAG}preserve-unknown-fields": True}
SPEC = obj(
    tasks=listed("map", "name", "zone", name=TEXT, ports=listed("map", "port", port=TEXT)),
    tags=listed("set"),
    args={"type": "array", "items": TEXT},
    replicas={"type": "object", "additionalProperties": obj(tasks=listed("set"))},
    labels={"type": "object", "additionalProperties": TEXT},
    whole={**obj(a=TEXT), f"{TAG}map-type": "atomic"},
    template=ANY,
    half={**obj(known=listed("set"), inner=obj(a=TEXT)), f"{TAG}preserve-unknown-fields": True},
    port={f"{TAG}int-or-string": True},
)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (("tags",), SET),
        (("args",), ATOMIC),
        (("whole",), ATOMIC),
        (("template",), OPEN),
        (("template", "any", "depth"), OPEN),
        (("half", "unknown"), OPEN),
        (("half", "known"), SET),
        (("half", "inner", "unknown"), OPEN),
        (("replicas", "worker", "tasks"), SET),
        (("port",), None),
    ],
)
def test_a_field_of_a_custom_kind_merges_by_its_definition(
    path: tuple[str, ...], rule: Rule | None
) -> None:
    assert rule_at(read(definition(SPEC), WIDGETS), WIDGETS, "spec", *path) == rule


def test_a_list_of_a_custom_kind_may_have_keys_at_any_depth() -> None:
    schema = read(definition(SPEC), WIDGETS)

    tasks = rule_at(schema, WIDGETS, "spec", "tasks")
    ports = rule_at(schema, WIDGETS, "spec", "tasks", "[]", "ports")

    assert isinstance(tasks, Keyed)
    assert isinstance(ports, Keyed)
    assert (tasks.keys, ports.keys) == (("name", "zone"), ("port",))


@pytest.mark.parametrize("meta", [{"type": "object"}, ANY, TEXT, None], ids=str)
def test_the_metadata_of_a_custom_kind_merges_like_that_of_any_object(meta: Any) -> None:
    made = definition(SPEC)
    properties = made["components"]["schemas"]["com.example.v1.Widget"]["properties"]
    properties["metadata"] = meta

    schema = read(made, WIDGETS)

    assert rule_at(schema, WIDGETS, "metadata", "finalizers") is SET
    assert rule_at(schema, WIDGETS, "spec", "tags") is SET


def test_an_apply_to_a_custom_kind_is_previewed_by_its_definition() -> None:
    rules = merge_rules(WIDGETS, "1.31", read(definition(SPEC), WIDGETS))
    spec = {"tasks": [{"name": "a", "zone": "x", "n": 1}], "args": ["1"], "template": {"x": 1}}
    body = {"spec": {"tasks": [{"name": "b", "zone": "x"}], "args": ["2"], "template": {"y": 2}}}

    found = need(BodyPatch(PatchType.APPLY, body), seen_whole(document("w", "u", spec=spec)), rules)

    assert undecided(body, rules, by_apply=True) == []
    assert isinstance(found, NeedsPatch)
    assert found.wanted["spec", "args"] == ["2"]
    assert found.wanted["spec", "template", "y"] == 2
    tasks: Any = found.wanted["spec", "tasks"]
    assert sorted(task["name"] for task in tasks) == ["a", "b"]


def test_a_field_that_a_definition_does_not_have_is_left_to_the_server() -> None:
    rules = merge_rules(WIDGETS, "1.31", read(definition(SPEC), WIDGETS))
    nameless = definition(obj(tasks=listed("map", name=TEXT)))

    assert undecided({"spec": {"more": [1]}}, rules, by_apply=True) == [("spec", "more")]
    keyless = merge_rules(WIDGETS, "1.31", read(nameless, WIDGETS))
    assert undecided({"spec": {"tasks": [{}]}}, keyless, by_apply=True) == [("spec", "tasks")]


def test_without_a_schema_a_custom_kind_is_left_to_the_server() -> None:
    for schema in (None, read(server_schemas.document("1.36"))):
        rules = merge_rules(WIDGETS, "1.36", schema)
        assert undecided({"spec": {"args": ["1"]}}, rules, by_apply=True) == [("spec", "args")]


# Any server


def test_each_group_version_is_requested_once() -> None:
    jobs_too = Resource("batch", "v1", "cronjobs", "CronJob")

    assert schema_paths([JOBS, jobs_too, PODS, WIDGETS]) == [
        "/openapi/v3/apis/batch/v1",
        "/openapi/v3/api/v1",
        "/openapi/v3/apis/example.com/v1",
    ]


def test_a_type_may_refer_to_itself() -> None:
    node = obj(children={"type": "array", "items": {"$ref": "#/Node"}, f"{TAG}list-type": "set"})
    node["properties"]["next"] = {"allOf": [{"$ref": "#/components/schemas/Node"}]}
    schema = read(definition({"$ref": "#/components/schemas/Node"}, Node=node), WIDGETS)

    assert rule_at(schema, WIDGETS, "spec", *["next"] * 300, "children") is SET


def test_a_kind_that_two_types_claim_is_not_known() -> None:
    made = definition(SPEC)
    schemas = made["components"]["schemas"]
    schemas["com.example.other"] = schemas["com.example.v1.Widget"]

    assert schema_of([made], [WIDGETS]) is None


def test_a_schema_that_is_too_deep_or_too_large_counts_as_none() -> None:
    deep: Any = TEXT
    for _ in range(400):
        deep = obj(a=deep, l=listed("set"))
    wide = obj(**{f"f{number}": listed("set") for number in range(30_000)})
    maps: Any = TEXT
    for _ in range(400):
        maps = {"additionalProperties": maps}

    for spec in (deep, wide, maps):
        assert schema_of([definition(spec)], [WIDGETS]) is None


def test_long_names_of_fields_take_no_more_memory_than_the_document() -> None:
    inner = {f"f{number}": obj(a=listed("set")) for number in range(1000)}
    long = obj(**{"n" * 100_000: obj(**inner)})
    nested: Any = listed("set")
    for _ in range(90):
        nested = obj(**{"n" * 10_000: nested})
    key = "k" * 100_000
    keyed = obj(a={**listed("map"), f"{TAG}list-map-keys": [key]})

    tracemalloc.start()
    try:
        assert schema_of([definition(long)], [WIDGETS]) is None
        assert schema_of([definition(nested)], [WIDGETS]) is None
        assert schema_of([definition(keyed)], [WIDGETS]) is not None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("components", "schemas", "properties", "$ref", "allOf", "items", "type"),
                    *("additionalProperties", f"{TAG}list-type", f"{TAG}list-map-keys", "", "*"),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(ANYTHING, ANYTHING)
def test_any_document_is_an_answer(made: Any, job: Any) -> None:
    assert schema_of([made], [JOBS]) is None
    schemas = {"io.k8s.api.batch.v1.Job": job}
    found = schema_of([{"components": {"schemas": schemas}}], [JOBS])
    if found is not None:
        undecided({"spec": {"a": [1], "b": {"c": 1}}}, merge_rules(JOBS, "", found), by_apply=True)
