"""Whether a value is what a change leaves, by the value before the change.

Covered: removals in maps and in entries of lists, nulls, defaults of new and of old entries, values
of other writers, lists that were reordered. Left out: what follows from it (test_holding.py).
"""

from typing import Any

import pytest

from fleetpatch.model.fields import ABSENT
from fleetpatch.rules.answers.covering import covers, is_stored_form
from fleetpatch.rules.answers.further_fields import (
    any_further,
    is_new,
    is_new_or_default,
    is_new_or_kept,
)

BEFORE: Any = [{"name": "c", "image": "i", "env": ["A"]}]
WITHOUT: Any = [{"name": "c", "image": "i"}]
DEFAULTS = {"imagePullPolicy": "Always", "terminationMessagePath": "/dev/termination-log"}


@pytest.mark.parametrize("further", [is_new, is_new_or_default, is_new_or_kept, any_further])
@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        (BEFORE, WITHOUT),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {}}}),
        ({"l": BEFORE}, {"l": WITHOUT}),
        (ABSENT, None),
        ({}, {"x": None}),
        ([{"name": "a"}], [{"name": "b"}]),
    ],
)
def test_what_is_as_before_is_not_changed(before: Any, wanted: Any, further: Any) -> None:
    assert not covers(before, wanted, before, further)
    assert covers(wanted, wanted, before, further)


def test_what_is_as_before_may_be_the_result_of_a_change_that_a_server_has_accepted() -> None:
    assert covers(BEFORE, WITHOUT, BEFORE, any_further, accepted=True)
    assert not covers(BEFORE, WITHOUT, BEFORE, is_new, accepted=True)
    # An entry is compared with the one at its place: a list may have a name twice.
    twice = [*WITHOUT, *BEFORE]
    assert not covers(twice, [*WITHOUT, *WITHOUT], twice, is_new, accepted=True)


@pytest.mark.parametrize(
    ("current", "wanted", "before"),
    [
        # New entries of a list, and new maps, get defaults.
        ([{**WITHOUT[0], **DEFAULTS}], WITHOUT, ABSENT),
        ([*BEFORE, {"name": "d", **DEFAULTS}], [*BEFORE, {"name": "d"}], BEFORE),
        ([{"name": "d", **DEFAULTS}, *BEFORE], [{"name": "d"}, *BEFORE], BEFORE),
        ({"a": {"b": 1, "more": 2}}, {"a": {"b": 1}}, {}),
        # A list was reordered: entries are compared with those of the same name.
        (
            [{"name": "b", "x": 1}, {"name": "a"}],
            [{"name": "b"}, {"name": "a"}],
            [{"name": "a", "x": 1}, {"name": "b"}],
        ),
        # A null removes, or is dropped with what is new around it.
        ({}, {"a": None}, {"a": 1}),
        ([{"name": "c"}], [{"name": "c", "env": None}], []),
        ({"b": 2}, {"a": None, "b": 2}, {"b": 1}),
        # Another writer added something that was not there.
        ([{"name": "c", "image": "new", "args": []}], [{"name": "c", "image": "new"}], BEFORE),
    ],
)
def test_what_was_not_there_before_may_be_there_beside_it(
    current: Any, wanted: Any, before: Any
) -> None:
    assert covers(current, wanted, before)


@pytest.mark.parametrize(
    ("current", "wanted", "before"),
    [
        # The removal was not done, or was reverted, although something else changed.
        ([{"name": "c", "image": "new", "env": ["A"]}], [{"name": "c", "image": "new"}], BEFORE),
        ({"a": 2, "b": 2}, {"a": 2}, {"a": 1, "b": 2}),
        # Another writer changed what was to be removed.
        ([{"name": "c", "image": "i", "env": ["X"], "args": ["X"]}], WITHOUT, BEFORE),
        ({"a": 1, "b": 3, "c": 4}, {"a": 1}, {"a": 1, "b": 2}),
        # Entries without names are compared by their places.
        ([{"p": 2, "x": 1}], [{"p": 2}], [{"p": 1, "x": 1}]),
    ],
)
def test_what_was_there_before_is_a_removal_that_is_not_done(
    current: Any, wanted: Any, before: Any
) -> None:
    assert not covers(current, wanted, before, is_new)
    assert not covers(current, wanted, before, is_new_or_default)
    assert covers(current, wanted, before, any_further)


def test_a_default_of_pods_is_added_again_where_it_was_left_out() -> None:
    before = [{"name": "c", "image": "old", **DEFAULTS}]
    wanted = [{"name": "c", "image": "new"}]
    current = [{"name": "c", "image": "new", **DEFAULTS}]

    assert covers(current, wanted, before, is_new_or_default)
    assert not covers(current, wanted, before, is_new)
    never = [{"name": "c", "image": "new", "imagePullPolicy": "Never"}]
    assert not covers(never, wanted, before, is_new_or_default)


def test_what_is_kept_as_it_was_may_be_a_default_of_a_custom_kind() -> None:
    before, wanted = [{"name": "c", "n": 1, "x": "old"}], [{"name": "c", "x": "new"}]

    assert covers([{"name": "c", "n": 1, "x": "new"}], wanted, before, is_new_or_kept)
    assert not covers([{"name": "c", "n": 2, "x": "new"}], wanted, before, is_new_or_kept)


def test_a_stored_form_lacks_nulls_and_has_no_further_fields() -> None:
    assert is_stored_form({"l": [1]}, {"l": [None, 1], "x": None})
    assert not is_stored_form({"a": 1, "b": 2}, {"a": 1})
