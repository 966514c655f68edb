"""Equality of JSON values as API servers define it: `deep_equal`.

Covered: booleans beside numbers, numbers of several spellings, absence, nesting, maps of fields,
and that it agrees with the texts that a server would write. Left out: where the tool uses it
(tests/rules, tests/sandbox), and what a real server says of two values
(tests/differential/test_same_values.py).
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, -0.0, 1.0, 1.5, 2**53, 2**53 + 1, float(2**53), "", "1", "true"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, True),
        (0, False),
        (1.0, True),
        (0, None),
        ("", None),
        ("1", 1),
        ([], {}),
        ([1], [True]),
        ([1], [1, 1]),
        ({"a": 0}, {"a": False}),
        ({"a": [{"b": 1}]}, {"a": [{"b": True}]}),
        ({"a": None}, {}),
        ({"a": None}, {"b": None}),
        (None, ABSENT),
        ({"a": ABSENT}, {"a": None}),
        # An integer of 64 bits is exact; a float of the same size has fewer digits.
        (2**53 + 1, float(2**53)),
        (2**53 + 1, 2**53),
        (-(2**63), -(2.0**63)),
        # No server can store these, so they are compared exactly.
        (10**400, 10**400 + 1),
        (10**400, 1),
    ],
)
def test_these_values_differ(first: Any, second: Any) -> None:
    assert not deep_equal(first, second)
    assert not deep_equal(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, 1.0),
        (0, -0.0),
        (100, 1e2),
        ([1, {"a": 2.0}], [1.0, {"a": 2}]),
        # Beyond 64 bits an integer is stored as a float, and loses its last digits.
        (2**63, float(2**63)),
        (2**63, 2**63 + 1),
        (-(2**63) - 1, -(2**63) - 2),
        (9223372036854775000, 9223372036854774784.0),
        (ABSENT, ABSENT),
        ({"a": [True, None]}, {"a": [True, None]}),
        ({("metadata", "labels", "a"): ABSENT}, {("metadata", "labels", "a"): ABSENT}),
        (10**400, 10**400),
    ],
)
def test_these_values_are_equal(first: Any, second: Any) -> None:
    assert deep_equal(first, second)
    assert deep_equal(second, first)


def test_values_may_be_nested_deeper_than_the_stack() -> None:
    first: Any = 1
    second: Any = 1
    third: Any = True
    for _ in range(100_000):  # Python's stack allows about 1,000 frames
        first, second, third = [first], [second], [third]

    assert deep_equal(first, second)
    assert not deep_equal(first, third)


def as_text(value: Any) -> str:
    """The text that all equal values have in common."""
    return json.dumps(_with_integers(value), sort_keys=True)


def _with_integers(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_with_integers(each) for each in value]
        case dict():
            return {key: _with_integers(each) for key, each in value.items()}
        case _:
            return value


@given(VALUES, VALUES)
def test_two_values_are_equal_if_a_server_writes_them_alike(first: Any, second: Any) -> None:
    assert deep_equal(first, second) == (as_text(first) == as_text(second))


@given(VALUES)
def test_a_value_equals_its_copy(value: Any) -> None:
    assert deep_equal(value, json.loads(json.dumps(value)))
