"""The patch types by themselves: the RFCs' own examples, and what must hold for any patch.

Left out: what a real server makes of a patch (tests/differential), and HTTP (tests/sandbox).
"""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.rules.jsonpatch import InapplicableError, json_patched
from fleetpatch.rules.merging import merge_patched, strategic_patched

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


@given(document=JSON, patch=JSON)
def test_a_merge_patch_changes_nothing_in_place_and_twice_is_once(
    document: Any, patch: Any
) -> None:
    before = copy.deepcopy((document, patch))

    once = merge_patched(document, patch)

    assert (document, patch) == before
    assert merge_patched(once, patch) == once


def test_what_a_merge_patch_leaves_alone_is_shared() -> None:
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
def test_json_patch_as_in_rfc_6902(document: Any, operation: dict[str, Any], result: Any) -> None:
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
def test_a_json_patch_that_cannot_be_done_is_rejected_whole(operation: dict[str, Any]) -> None:
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
def test_adding_and_removing_is_nothing(document: Any, value: Any, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(["new", "new/er", "~new"]))
    path = "/" + key.replace("~", "~0").replace("/", "~1")

    added = json_patched(document, [{"op": "add", "path": path, "value": value}])

    assert added[key] == value
    assert json_patched(added, [{"op": "remove", "path": path}]) == document


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "delete"}}, {"a": {}}),
        ({"a": ["x"]}, {"a": ["y", "x"]}, {"a": ["y", "x"]}),
        (
            {"a": [{"name": "x", "v": 1}, {"name": "y"}]},
            {"a": [{"name": "x", "w": 2}, {"name": "y", "$patch": "delete"}, {"name": "z"}]},
            {"a": [{"name": "x", "v": 1, "w": 2}, {"name": "z"}]},
        ),
    ],
)
def test_strategic_merges_by_name(document: Any, patch: Any, result: Any) -> None:
    assert strategic_patched(document, patch) == result
