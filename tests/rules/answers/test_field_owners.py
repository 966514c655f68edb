"""The writers of fields, by `metadata.managedFields`.

Covered: fields, whole values, maps in parts, entries of lists and fields in them, shared fields,
removals, managers that a server records if it does not know the writer, and values that are not
managedFields.
Left out: what is decided from it (test_settlement.py).
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.fields import annotation, label
from fleetpatch.model.target import Seen
from fleetpatch.rules.answers.field_owners import (
    is_written_by_us,
    managers_of,
    other_owner_of_whole,
    other_writer,
)

OURS = {"fleetpatch"}
TEAM = label("team")
MARKS = ("spec", "marks")
LIMITS = ("spec", "limits")


def entry(
    manager: str, *paths: tuple[str, ...], operation: str = "Update", second: int | None = None
) -> dict[str, Any]:
    """One entry of managedFields, as the server writes it; `.` ends the path of a map."""
    fields: dict[str, Any] = {}
    for path in paths:
        place = fields
        for key in path:
            place = place.setdefault(key if key == "." or ":" in key else f"f:{key}", {})
    time = {} if second is None else {"time": f"2026-11-28T10:00:0{second}Z"}
    return {
        **time,
        "manager": manager,
        "operation": operation,
        "apiVersion": "batch/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def seen(*entries: Any) -> Seen:
    return Seen("ns", "a", "uid-1", "11", managed_fields=list(entries))


def test_the_owner_of_a_field_wrote_it_last() -> None:
    assert other_writer(seen(entry("kubectl", TEAM)), [TEAM], OURS) == "kubectl"
    assert other_writer(seen(entry("fleetpatch", TEAM)), [TEAM], OURS) == ""


def test_the_owner_of_another_field_does_not_count() -> None:
    beside = entry("kubectl", label("other"), ("metadata", "labels", "."))

    assert other_writer(seen(beside), [TEAM], OURS) == ""
    assert not is_written_by_us(seen(entry("fleetpatch", label("other"))), TEAM, OURS)


def test_a_value_that_we_and_another_manager_applied_is_ours() -> None:
    shared = seen(entry("argocd", TEAM, operation="Apply"), entry("fleetpatch", TEAM))

    assert other_writer(shared, [TEAM], OURS) == ""
    assert not is_written_by_us(shared, TEAM, OURS)


def test_one_field_of_ours_shows_that_the_patch_arrived() -> None:
    half = seen(entry("kubectl", TEAM), entry("fleetpatch", annotation("note")))

    assert other_writer(half, [TEAM, annotation("note")], OURS) == ""


def test_the_owner_of_a_whole_map_owns_its_fields() -> None:
    assert other_writer(seen(entry("kubectl", LIMITS)), [(*LIMITS, "cpu")], OURS) == "kubectl"


@pytest.mark.parametrize("manager", ["kubectl", "unknown"])
def test_the_owner_of_a_map_itself_does_not_own_the_fields_of_others(manager: str) -> None:
    """The first writer of a map owns it still, with an empty tree, if another changes its field."""
    there = seen(entry("fleetpatch", LIMITS), entry(manager, (*LIMITS, "cpu")))

    assert set(managers_of(there, (*LIMITS, "cpu"), OURS)) == {manager}
    assert not managers_of(there, (*LIMITS, "memory"), OURS)
    assert not is_written_by_us(there, (*LIMITS, "cpu"), OURS)
    assert not is_written_by_us(there, LIMITS, OURS)
    assert is_written_by_us(seen(entry("fleetpatch", LIMITS)), (*LIMITS, "cpu"), OURS)


def test_all_owners_of_fields_in_a_map_own_the_map() -> None:
    parts = seen(entry("fleetpatch", (*LIMITS, "cpu")), entry("kubectl", (*LIMITS, "memory")))

    assert other_writer(parts, [LIMITS], OURS) == ""
    assert not is_written_by_us(parts, LIMITS, OURS)


def test_entries_of_a_list_do_not_show_that_none_was_removed() -> None:
    ours = seen(entry("fleetpatch", (*MARKS, 'v:"a"')))

    assert not is_written_by_us(ours, MARKS, OURS)
    assert is_written_by_us(seen(entry("fleetpatch", MARKS)), MARKS, OURS)


def test_a_removal_leaves_no_owner() -> None:
    assert other_writer(seen(entry("kubectl", label("other"))), [label("old")], OURS) == ""


@pytest.mark.parametrize("manager", ["unknown", "before-first-apply", ""])
def test_placeholder_managers_are_not_reported_as_writers(manager: str) -> None:
    assert other_writer(seen(entry(manager, TEAM)), [TEAM], OURS) == ""
    assert not is_written_by_us(seen(entry(manager, TEAM), entry("fleetpatch", TEAM)), TEAM, OURS)


def test_without_managed_fields_no_writer_is_reported() -> None:
    assert other_writer(Seen("ns", "a", "uid-1", "11"), [TEAM], OURS) == ""
    assert not is_written_by_us(Seen("ns", "a", "uid-1", "11"), TEAM, OURS)


NOTE = annotation("note")


def test_an_emptied_tree_does_not_own_the_entries_that_another_manager_put_there() -> None:
    """The creator of a list owns it still, with an empty tree, if its entries were replaced."""
    entries = seen(entry("creator", MARKS), entry("fleetpatch", (*MARKS, 'k:{"name":"a"}', "name")))

    assert other_owner_of_whole(entries, MARKS, OURS) == ""
    assert other_writer(entries, [MARKS], OURS) == ""


@pytest.mark.parametrize("second", [1, 2])
@pytest.mark.parametrize("names", [(NOTE,), (NOTE, annotation("."), annotation("more"))])
def test_what_an_older_update_has_beside_ours_was_added_to_it_by_the_server(
    names: Any, second: int
) -> None:
    older = entry("creator", (*NOTE[:2], "."), NOTE, second=second)
    there = seen(older, entry("fleetpatch", *names, second=2))

    assert other_owner_of_whole(there, NOTE, OURS) == ""
    assert set(managers_of(there, NOTE, OURS)) == {"fleetpatch"}
    assert set(managers_of(there, NOTE[:2], OURS)) == {"fleetpatch"}


@pytest.mark.parametrize(
    ("theirs", "ours", "operation", "our_operation"),
    [
        (3, 2, "Update", "Update"),
        (None, 2, "Update", "Update"),
        (1, None, "Update", "Update"),
        # An apply shares a value.
        (1, 2, "Apply", "Update"),
        (1, 2, "Update", "Apply"),
    ],
)
def test_what_another_manager_owns_beside_us_may_be_its_own(
    theirs: int | None, ours: int | None, operation: str, our_operation: str
) -> None:
    there = seen(
        entry("kubectl", NOTE, operation=operation, second=theirs),
        entry("fleetpatch", NOTE, operation=our_operation, second=ours),
    )

    assert other_owner_of_whole(there, NOTE, OURS) == "kubectl"


def test_an_older_update_owns_what_we_do_not() -> None:
    there = seen(
        entry("kubectl", NOTE, TEAM, second=1), entry("fleetpatch", annotation("n"), second=2)
    )

    assert other_owner_of_whole(there, NOTE, OURS) == "kubectl"
    assert other_writer(there, [NOTE], OURS) == "kubectl"


PORTS = ("spec", "ports")
HTTP = {"containerPort": 80, "protocol": "TCP", "hostPort": 8080}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('k:{"containerPort":80,"protocol":"TCP"}', {"kubectl"}),
        ('k:{"containerPort":80.0,"protocol":"TCP"}', {"kubectl"}),
        ('k:{"containerPort":80,"protocol":"UDP"}', set()),
        ('k:{"containerPort":80,"other":"TCP"}', set()),
        ("k:80", set()),
        ("k:{", set()),
    ],
)
def test_an_entry_of_a_list_is_found_by_its_keys(text: str, found: set[str]) -> None:
    there = seen(entry("kubectl", (*PORTS, text, "hostPort")))

    assert set(managers_of(there, (*PORTS, HTTP, "hostPort"), OURS)) == found
    assert not managers_of(there, (*PORTS, HTTP, "name"), OURS)
    assert not managers_of(there, (*PORTS, 80, "hostPort"), OURS)


def test_the_owner_of_a_whole_list_owns_what_is_in_its_entries() -> None:
    whole = seen(entry("kubectl", PORTS))

    assert set(managers_of(whole, (*PORTS, HTTP, "hostPort"), OURS)) == {"kubectl"}


PARTS = ["manager", "fieldsV1", "f:metadata", "f:labels", "f:team", ".", 'k:{"a":1}', "k:"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["manager", "fieldsV1", "f:metadata", "f:labels", "f:team", ".", 'k:{"a":1}', "k:"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(ANYTHING)
def test_any_value_of_managed_fields_is_accepted(managed_fields: Any) -> None:
    odd = Seen("ns", "a", "uid-1", "11", managed_fields=managed_fields)

    assert isinstance(other_writer(odd, [TEAM], OURS), str)
    assert isinstance(is_written_by_us(odd, TEAM, OURS), bool)
    assert all(isinstance(one, str) for one in managers_of(odd, ("metadata", {"a": 1}, "b"), OURS))
