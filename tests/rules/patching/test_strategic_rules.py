"""Strategic merge, rule by rule, as kube-apiserver does it.

Source of every rule: k8s.io/apimachinery, pkg/util/strategicpatch (`mergeMap`, `mergeSlice`,
`mergePatchIntoOriginal`, `normalizeElementOrder`, `applyRetainKeysDirective`), at v0.20.2 and
v0.36; the function is named where a rule is one of its own. The cases are ours. Generated patches
are compared with real servers in tests/differential and tests/rules/patching/test_recorded_merges.
"""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.merge_rules import merge_rules
from fleetpatch.rules.patching.strategic_patch import strategic_patched
from tests.fakes import JOBS

BOTH = ["1.20", "1.36"]
_DIRECTIVES = {
    "order": "$setElementOrder/finalizers",
    "delete": "$deleteFromPrimitiveList/finalizers",
}
ABSENT = "absent"


def merged(current: Any, patch: Any, version: str = "1.36") -> Any:
    return strategic_patched(current, patch, merge_rules(JOBS, version))


def finalizers(current: list[Any] | None, version: str = "1.36", /, **patch: Any) -> Any:
    """The finalizers after a patch; `order` and `delete` are the directives for them."""
    body = {_DIRECTIVES.get(name, name): value for name, value in patch.items()}
    live = {} if current is None else {"finalizers": current}
    return merged({"metadata": live}, {"metadata": body}, version)["metadata"].get("finalizers")


def in_pod(**fields: Any) -> Any:
    return {"spec": {"template": {"spec": fields}}}


def pod(current: Any, patch: Any, version: str = "1.36") -> Any:
    return merged(in_pod(**current), in_pod(**patch), version)["spec"]["template"]["spec"]


def names(entries: list[Any]) -> str:
    return "".join(entry["name"] for entry in entries)


def entries(letters: str, **more: Any) -> list[Any]:
    return [{"name": letter, **more} for letter in letters]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("current", "patch", "after"),
    [
        pytest.param(
            "abcd", {"finalizers": "e", "delete": "b", "order": "ace"}, "aced", id="all directives"
        ),
        pytest.param("abcd", {"order": "ca"}, "bcad", id="an order alone"),
        pytest.param("abcd", {"order": "dcba"}, "dcba", id="an order of all"),
        pytest.param("abcd", {"order": "xc"}, "abcd", id="an order names a missing entry"),
        pytest.param(
            "abc", {"finalizers": "d"}, "dabc", id="new entries come first without an order"
        ),
        pytest.param(
            "abc",
            {"finalizers": "db"},
            "dabc",
            id="new entries come before the next entry of the patch",
        ),
        pytest.param("abc", {"finalizers": "bd"}, "abdc", id="the patch is an order itself"),
        pytest.param("abc", {"delete": "b"}, "ac", id="deleted"),
        pytest.param("abc", {"delete": "xb"}, "ac", id="a missing entry is deleted"),
        pytest.param("abc", {"delete": "cba"}, "", id="all are deleted"),
        pytest.param(
            "abcd", {"delete": "a", "order": "da"}, "bcd", id="ordered first, deleted afterwards"
        ),
        pytest.param(
            "ab", {"finalizers": "b", "delete": "b", "order": "b"}, "a", id="added and deleted"
        ),
        pytest.param("abc", {"finalizers": "dd"}, "dabc", id="repeated in the patch"),
        pytest.param("aabc", {"finalizers": "c"}, "abc", id="repeated in the object"),
        pytest.param("", {"finalizers": "ba"}, "ba", id="into an empty list"),
        pytest.param("ab", {"finalizers": ""}, "ab", id="nothing"),
    ],
)
def test_a_set_is_merged_then_sorted_then_deleted_from(
    current: str, patch: dict[str, str], after: str, version: str
) -> None:
    body = {name: list(value) for name, value in patch.items()}

    assert "".join(finalizers(list(current), version, **body)) == after


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ({"finalizers": ["a"], "order": ["a"]}, ["a"]),
        ({"order": ["a"]}, None),
        ({"delete": None}, None),
        ({"finalizers": None}, None),
    ],
)
def test_an_absent_set(patch: Any, after: Any) -> None:
    for version in BOTH:
        assert finalizers(None, version, **patch) == after


def test_an_old_server_stores_the_deletions_from_an_absent_list() -> None:
    assert finalizers(None, "1.20", delete=["a"]) == ["a"]
    assert finalizers(None, "1.36", delete=["a"]) is None


def test_a_null_list_to_delete_from_removes_the_field() -> None:
    assert finalizers(["a"], delete=None) is None


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "patch",
    [
        {"finalizers": ["b", "a"], "order": ["a", "b"]},
        {"finalizers": ["x"], "order": ["a"]},
        {"finalizers": ["x", "x"], "order": ["x"]},
        {"order": "text"},
        {"order": None},
        {"finalizers": "text", "order": ["a"]},
        {"finalizers": [{"name": "x"}]},
        {"finalizers": [["a"]]},
        {"finalizers": [None]},
        {"finalizers": [1]},
        {"$setElementOrder": ["a"]},
        {"$setElementOrderX/finalizers": ["a"]},
        {"$deleteFromPrimitiveList": ["a"]},
        {"$retainKeys": "finalizers"},
        {"$retainKeys": [{}]},
        {"$retainKeys": [], "finalizers": ["a"]},
        {"$patch": None},
        {"$patch": "merge"},
    ],
)
def test_invalid_and_contradictory_directives_are_refused(patch: Any, version: str) -> None:
    with pytest.raises(InapplicableError):
        finalizers(["a", "b"], version, **patch)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("current", "patch", "order", "after"),
    [
        pytest.param("abc", entries("d"), None, "dabc", id="a new one comes first"),
        pytest.param("abc", entries("ca"), None, "bca", id="the order of the patch"),
        pytest.param("abc", entries("d"), "adb", "adbc", id="the order that is set"),
        pytest.param("abc", [], "ba", "bac", id="an order alone"),
        pytest.param(
            "abc",
            [{"name": "b", "$patch": "delete"}, *entries("d")],
            "ad",
            "acd",
            id="an added entry takes the place of a deleted one",
        ),
        pytest.param(
            "abcd",
            [{"name": "a", "$patch": "delete"}, {"name": "b", "$patch": "delete"}],
            "dc",
            "dc",
            id="two are deleted",
        ),
        pytest.param("abc", [*entries("d"), *entries("d")], None, "dabc", id="repeated"),
        pytest.param(
            "ab", [{"name": "x", "$patch": "delete"}], None, "ab", id="a missing entry is deleted"
        ),
        pytest.param(
            "ab",
            [{"name": "a", "$patch": "delete"}, *entries("a")],
            None,
            "ab",
            id="deleted and added",
        ),
        pytest.param("ab", [{"$patch": "replace"}, *entries("c")], None, "c", id="replaced"),
        pytest.param(
            "ab",
            [{"$patch": "replace"}, {"name": "a", "$patch": "delete"}, *entries("ca")],
            None,
            "ca",
            id="replaced, and other directives are ignored",
        ),
        pytest.param("ab", [{"$patch": "replace"}], None, "", id="emptied"),
        pytest.param(
            "aab", [{"name": "a", "$patch": "delete"}], None, "b", id="all entries with the name"
        ),
    ],
)
def test_a_list_with_a_key_is_merged_and_ordered(
    current: str, patch: list[Any], order: str | None, after: str, version: str
) -> None:
    body: dict[str, Any] = {"volumes": patch}
    if order is not None:
        body["$setElementOrder/volumes"] = entries(order)

    assert names(pod({"volumes": entries(current)}, body, version)["volumes"]) == after


def test_entries_with_the_same_key_in_a_patch_are_merged() -> None:
    patch = {"volumes": [{"name": "a", "x": 1}, {"name": "a", "y": 2}]}

    assert pod({"volumes": entries("b")}, patch)["volumes"] == [
        {"name": "a", "x": 1, "y": 2},
        {"name": "b"},
    ]


def test_a_strategic_merge_identifies_a_port_by_its_number_only() -> None:
    """`patchMergeKey` is one key, where `listMapKeys` are two."""
    udp = {"containerPort": 80, "protocol": "UDP"}
    current = {"containers": [{"name": "main", "ports": [{"containerPort": 80, "name": "web"}]}]}

    after = pod(current, {"containers": [{"name": "main", "ports": [udp]}]})

    assert after["containers"][0]["ports"] == [{**udp, "name": "web"}]


def test_keys_of_different_types_are_different() -> None:
    ports = [{"containerPort": 1}]
    patch = {"containers": [{"name": "main", "ports": [{"containerPort": True}]}]}

    after = pod({"containers": [{"name": "main", "ports": ports}]}, patch)

    assert len(after["containers"][0]["ports"]) == 2


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "patch",
    [
        {"volumes": [{"emptyDir": {}}]},
        {"volumes": [{"$patch": "delete"}]},
        {"volumes": [{"name": "a", "$patch": "merge"}]},
        {"volumes": [{"name": "a", "$patch": None}]},
        {"volumes": ["a"]},
        {"volumes": [["a"]]},
        {"volumes": entries("ba"), "$setElementOrder/volumes": entries("ab")},
        {"volumes": entries("b"), "$setElementOrder/volumes": ["b"]},
        {"$setElementOrder/volumes": [{"other": 1}]},
        {"tolerations": [{"key": "a"}], "$setElementOrder/tolerations": [{"key": "a"}]},
    ],
)
def test_lists_that_cannot_be_merged_by_their_key_are_refused(patch: Any, version: str) -> None:
    current = {"volumes": entries("ab"), "tolerations": [{"key": "b"}]}

    with pytest.raises(InapplicableError):
        pod(current, patch, version)


@pytest.mark.parametrize("version", BOTH)
def test_an_atomic_list_of_scalars_can_be_sorted(version: str) -> None:
    """`mergePatchIntoOriginal` uses the patch strategy for the merge only, not for the order."""
    current = {"containers": [{"name": "main", "args": ["x", "y", "z"]}]}

    def args(**patch: Any) -> Any:
        patch = {key.replace("order", "$setElementOrder/args"): one for key, one in patch.items()}
        return pod(current, {"containers": [{"name": "main", **patch}]}, version)["containers"][0][
            "args"
        ]

    assert args(order=["z", "x"]) == ["y", "z", "x"]
    assert args(args=["b", "a"], order=["b", "a"]) == ["b", "a"]
    assert args(args=["b"]) == ["b"]


def test_a_current_server_deletes_from_an_atomic_list_too() -> None:
    current = {"containers": [{"name": "main", "args": ["x", "y"]}]}
    patch = {"containers": [{"name": "main", "$deleteFromPrimitiveList/args": ["x"]}]}

    assert pod(current, patch, "1.36")["containers"][0]["args"] == ["y"]
    assert pod(current, patch, "1.20")["containers"][0]["args"] == ["x"]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("current", "patch", "after"),
    [
        ({"a": 1, "b": 2}, {"$retainKeys": ["b", "c"], "c": 3}, {"b": 2, "c": 3}),
        ({"a": 1}, {"$retainKeys": []}, {}),
        ({"a": 1}, {"$retainKeys": ["a"], "b": None}, {"a": 1}),
        ({"a": 1, "b": 2}, {"$patch": "replace", "c": 3}, {"c": 3}),
        ({"a": 1}, {"$patch": "replace"}, {}),
        ({"a": 1}, {"$patch": "delete", "b": 2}, {}),
        ({"a": 1}, {"a": None, "b": None}, {}),
        ({"a": 1}, None, ABSENT),
        ({"a": 1}, "text", "text"),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": [1]}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_maps_merge_field_by_field(current: Any, patch: Any, after: Any, version: str) -> None:
    found = merged({"spec": {"m": current}}, {"spec": {"m": patch}}, version)["spec"]

    assert found.get("m", ABSENT) == after


NEW = {"m": {"a": None, "b": {"c": None, "d": 1}, "e": [{"f": None}, None]}}


def test_an_old_server_takes_new_values_as_they_are() -> None:
    assert merged({}, {"spec": NEW}, "1.20") == {"spec": NEW}


def test_a_current_server_drops_the_nulls_of_new_values_but_not_those_of_lists() -> None:
    """`discardNullValuesFromPatch`."""
    after: Any = {"spec": {"m": {"b": {"d": 1}, "e": [{}, None]}}}

    assert merged({}, {"spec": NEW}) == after
    assert merged({"spec": {"m": "text"}}, {"spec": NEW}) == after


@pytest.mark.parametrize(
    ("value", "after"),
    [
        ({"$patch": "replace", "a": 1}, None),
        ({"$patch": "delete"}, None),
        ({"b": {"$patch": "replace", "a": 1}, "c": 1}, {"c": 1}),
        ([{"name": "a", "$patch": "delete"}, {"name": "b"}], [{"name": "b"}]),
        ([{"$patch": "replace"}], []),
    ],
)
def test_a_current_server_drops_new_values_that_are_directives(value: Any, after: Any) -> None:
    """`removeDirectives`."""
    assert merged({"spec": {}}, {"spec": {"m": value}})["spec"].get("m") == after


def test_a_new_entry_of_an_existing_list_keeps_its_nulls_on_every_server() -> None:
    """`mergeSliceWithoutSpecialElements` appends it as it is."""
    for version in BOTH:
        patch = {"volumes": [{"name": "b", "emptyDir": None}]}
        assert pod({"volumes": entries("a")}, patch, version)["volumes"][0] == patch["volumes"][0]


# Few letters, so that the lists often have entries in common.
SETS = st.lists(st.sampled_from("abcdef"), unique=True)


@settings(deadline=None)
@given(current=SETS, added=SETS, deleted=SETS, shuffle=st.randoms(use_true_random=False))
def test_a_set_has_every_entry_once_in_the_given_order(
    current: list[str], added: list[str], deleted: list[str], shuffle: Any
) -> None:
    # A valid order has the entries of the patch in their order, and may name others.
    kept = [name for name in current if name not in added and shuffle.random() < 0.5]
    order = [*added, *kept]
    before = copy.deepcopy((current, added))
    # Without entries there is no list, and no order to check.
    if not current and not added:
        return

    after = finalizers(current, finalizers=added, order=order, delete=deleted)

    assert sorted(after) == sorted({*current, *added} - {*deleted})
    assert [name for name in after if name in order] == [n for n in order if n in after]
    others = [name for name in current if name not in order and name not in deleted]
    assert [name for name in after if name in others] == others
    assert (current, added) == before
