"""The patch types by themselves: the RFCs' own examples, and what must hold for any patch.

Left out: what a real server makes of a patch (tests/differential), and HTTP (tests/sandbox).
"""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.fields import ABSENT
from fleetpatch.rules.answers.covering import covers
from fleetpatch.rules.patching.json_patch import InapplicableError, json_patched
from fleetpatch.rules.patching.merge_patch import merge_patched
from fleetpatch.rules.patching.strategic_patch import strategic_patched
from tests.fakes import JOB_RULES

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7386(document: Any, patch: Any, result: Any) -> None:
    assert merge_patched(document, patch) == result


def any_null_in_lists(value: Any) -> bool:
    """Return whether there is a null anywhere within a list."""
    match value:
        case dict():
            return any(map(any_null_in_lists, value.values()))
        case list():
            return "None" in repr(value)
        case _:
            return False


LONG = "9" * 5000  # more digits than Python converts


@pytest.mark.parametrize("step", [LONG, f"-{LONG}", f"+{LONG}", "0" * 5000 + "9", "1" * 10])
@pytest.mark.parametrize("name", ["add", "replace", "remove", "test", "copy", "move"])
def test_an_index_with_any_number_of_digits_is_refused_beyond_a_list(name: str, step: str) -> None:
    operation = {"op": name, "path": f"/l/{step}", "from": f"/l/{step}", "value": 1}

    with pytest.raises(InapplicableError, match="is not an index of a list"):
        json_patched({"l": [1]}, [operation])


def test_an_operation_that_cannot_be_applied_is_named_by_its_position() -> None:
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": "/a", "value": 1},
        {"op": "remove", "path": "/b"},
    ]

    with pytest.raises(InapplicableError, match=r"^operation 2: 'b' cannot be removed"):
        json_patched({}, operations)


@pytest.mark.parametrize("step", ["0" * 5000 + "1", "-" + "0" * 5000 + "1", "+01"])
def test_leading_zeros_of_an_index_do_not_count(step: str) -> None:
    assert json_patched([1, 2], [{"op": "replace", "path": f"/{step}", "value": 3}]) == [1, 3]


@given(document=JSON, patch=JSON)
def test_a_merge_patch_changes_nothing_in_place_and_is_idempotent(
    document: Any, patch: Any
) -> None:
    before = copy.deepcopy((document, patch))

    once = merge_patched(document, patch)
    twice = merge_patched(once, patch)

    assert (document, patch) == before
    # A list that replaces a map keeps its nulls; merged again, it replaces a list and loses them.
    assert covers(twice, once, ABSENT)
    assert once == twice or any_null_in_lists(patch)
    assert merge_patched(twice, patch) == twice


def test_unchanged_parts_of_a_merge_patch_are_shared() -> None:
    document = {"spec": {"large": [1, 2, 3]}, "metadata": {"labels": {}}}

    result = merge_patched(document, {"metadata": {"labels": {"a": "b"}}})

    assert result["spec"] is document["spec"]


@pytest.mark.parametrize(
    ("document", "operation", "result"),
    [
        (
            {"foo": "bar"},
            {"op": "add", "path": "/baz", "value": "qux"},
            {"foo": "bar", "baz": "qux"},
        ),
        ({"a": [1, 2]}, {"op": "add", "path": "/a/1", "value": 9}, {"a": [1, 9, 2]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 9}, {"a": [1, 9]}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/b"}, {"a": 1}),
        ({"a": [1, 2, 3]}, {"op": "remove", "path": "/a/1"}, {"a": [1, 3]}),
        ({"a": 1}, {"op": "replace", "path": "/a", "value": 2}, {"a": 2}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            {"op": "move", "from": "/foo/waldo", "path": "/qux/thud"},
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        (
            {"a": {"b": 1}},
            {"op": "copy", "from": "/a", "path": "/c"},
            {"a": {"b": 1}, "c": {"b": 1}},
        ),
        ({"a": {"b": 1}}, {"op": "test", "path": "/a", "value": {"b": 1}}, {"a": {"b": 1}}),
        ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
        ({"a/b": 1}, {"op": "replace", "path": "/a~1b", "value": 2}, {"a/b": 2}),
    ],
)
def test_json_patch_follows_rfc_6902(document: Any, operation: dict[str, Any], result: Any) -> None:
    assert json_patched(document, [operation]) == result


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/b"},
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/a/5", "value": 1},
        {"op": "add", "path": "/a/x", "value": 1},
        {"op": "test", "path": "/a/0", "value": 7},
        {"op": "test", "path": "/a/0/deeper", "value": 7},
        {"op": "move", "from": "/b", "path": "/c"},
        {"op": "add", "path": "", "value": {}},
        {"op": "frob", "path": "/a"},
        {"path": "/a"},
        {},
    ],
)
def test_a_json_patch_that_cannot_be_applied_is_refused_as_a_whole(
    operation: dict[str, Any],
) -> None:
    document = {"a": [1]}
    good = {"op": "add", "path": "/first", "value": 1}

    with pytest.raises(InapplicableError):
        json_patched(document, [good, operation])
    assert document == {"a": [1]}


@given(
    document=st.dictionaries(st.sampled_from(["a", "b", "~", "/"]), JSON, min_size=1, max_size=3),
    value=JSON,
    data=st.data(),
)
def test_an_addition_and_its_removal_change_nothing(
    document: Any, value: Any, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(["new", "new/er", "~new"]))
    path = "/" + key.replace("~", "~0").replace("/", "~1")

    added = json_patched(document, [{"op": "add", "path": path, "value": value}])

    assert added[key] == value
    assert json_patched(added, [{"op": "remove", "path": path}]) == document


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 1}}, {"a": {"b": None, "c": None}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "delete"}}, {"a": {}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"$retainKeys": ["c"], "c": 3}}, {"a": {"c": 3}}),
        ({}, {"a": {"b": None}}, {"a": {"b": None}}),
    ],
)
def test_maps_are_merged_unless_a_directive_says_otherwise(
    document: Any, patch: Any, result: Any
) -> None:
    assert strategic_patched(document, patch, JOB_RULES) == result


def in_pod(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": fields}}}


def in_container(**fields: Any) -> dict[str, Any]:
    return in_pod(containers=[{"name": "main", **fields}])


@pytest.mark.parametrize(
    ("current", "patch", "result"),
    [
        pytest.param(
            in_container(image="a", command=["x", "y"], args=["1"]),
            in_container(command=["y", "z"], args=[]),
            in_container(image="a", command=["y", "z"], args=[]),
            id="commands and arguments are whole",
        ),
        pytest.param(
            in_container(ports=[{"containerPort": 80, "name": "a"}]),
            in_container(ports=[{"containerPort": 81}, {"containerPort": 80, "protocol": "UDP"}]),
            in_container(
                ports=[{"containerPort": 81}, {"containerPort": 80, "name": "a", "protocol": "UDP"}]
            ),
            id="ports merge by their number",
        ),
        pytest.param(
            in_container(volumeMounts=[{"name": "v", "mountPath": "/a"}]),
            in_container(volumeMounts=[{"name": "v", "mountPath": "/b"}]),
            in_container(
                volumeMounts=[{"name": "v", "mountPath": "/b"}, {"name": "v", "mountPath": "/a"}]
            ),
            id="mounts merge by their path",
        ),
        pytest.param(
            in_container(env=[{"name": name} for name in "abcd"]),
            in_container(env=[{"name": "d", "value": "1"}, {"name": "e"}, {"name": "b"}]),
            in_container(
                env=[
                    {"name": "a"},
                    {"name": "c"},
                    {"name": "d", "value": "1"},
                    {"name": "e"},
                    {"name": "b"},
                ]
            ),
            id="the order of the patch wins",
        ),
        pytest.param(
            in_pod(volumes=[{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]),
            in_pod(volumes=[{"name": "a", "$patch": "delete"}, {"name": "c", "emptyDir": {}}]),
            in_pod(volumes=[{"name": "c", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]),
            id="an entry is deleted",
        ),
        pytest.param(
            in_pod(volumes=[{"name": "a"}, {"name": "b"}]),
            in_pod(volumes=[{"$patch": "replace"}, {"name": "c"}]),
            in_pod(volumes=[{"name": "c"}]),
            id="a list is replaced",
        ),
        pytest.param(
            in_pod(tolerations=[{"key": "a"}]),
            in_pod(tolerations=[{"key": "b"}]),
            in_pod(tolerations=[{"key": "b"}]),
            id="tolerations are whole",
        ),
        pytest.param(
            in_pod(volumes=[{"name": "a"}, {"name": "b"}, {"name": "c"}]),
            in_pod(**{"$setElementOrder/volumes": [{"name": "c"}, {"name": "a"}]}),
            in_pod(volumes=[{"name": "b"}, {"name": "c"}, {"name": "a"}]),
            id="an order is set",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["c", "a"]}},
            {"metadata": {"finalizers": ["c", "a", "b"]}},
            id="finalizers are a set",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "c"]}},
            {"metadata": {"finalizers": ["b"]}},
            id="finalizers are taken away",
        ),
        pytest.param(
            {"spec": {"tasks": [{"name": "a", "replicas": 1}]}},
            {"spec": {"tasks": [{"name": "a"}]}},
            {"spec": {"tasks": [{"name": "a"}]}},
            id="a list that is not known is whole",
        ),
    ],
)
def test_lists_are_merged_by_the_rules_of_their_fields(
    current: Any, patch: Any, result: Any
) -> None:
    assert strategic_patched(current, patch, JOB_RULES) == result


@pytest.mark.parametrize(
    "patch",
    [
        in_pod(containers=[{"image": "nameless"}]),
        in_pod(containers=["main"]),
        in_pod(containers=[{"name": "main", "$patch": "merge"}]),
        in_pod(**{"$patch": "frob"}),
        in_pod(**{"$retainKeys": "containers"}),
        in_pod(**{"$setElementOrder/containers": ["main"]}),
        {"metadata": {"finalizers": [{"name": "x"}]}},
    ],
)
def test_a_patch_that_cannot_be_merged_is_inapplicable(patch: Any) -> None:
    document = {**in_container(image="a"), "metadata": {"finalizers": ["a"]}}

    with pytest.raises(InapplicableError):
        strategic_patched(document, patch, JOB_RULES)


@given(
    current=st.lists(st.sampled_from("abcdef"), unique=True),
    wanted=st.lists(st.sampled_from("abcdef"), unique=True),
)
def test_a_merged_list_has_every_entry_once_and_keeps_both_orders(
    current: list[str], wanted: list[str]
) -> None:
    before, patch = (
        in_container(env=[{"name": name} for name in names]) for names in (current, wanted)
    )
    unchanged = copy.deepcopy((before, patch))

    after = strategic_patched(before, patch, JOB_RULES)

    names = [entry["name"] for entry in after["spec"]["template"]["spec"]["containers"][0]["env"]]
    others = [name for name in current if name not in wanted]
    assert sorted(names) == sorted({*current, *wanted})
    assert [name for name in names if name in wanted] == wanted
    assert [name for name in names if name in others] == others
    assert strategic_patched(after, patch, JOB_RULES) == after
    assert (before, patch) == unchanged
