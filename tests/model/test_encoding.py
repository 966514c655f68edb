r"""JSON as API servers write it, with Go's `encoding/json`.

Covered: the escapes, numbers and their limits, that it is JSON of the same value. The rules are
those of the documentation of Go's `encoding/json` (`Marshal`), and of k8s.io/apimachinery's
`util/json`, which keeps 64-bit integers. Left out: `\b` and `\f`, which depend on the server's
version, and what a real server compares (tests/differential/test_same_values.py).
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.encoding import encode
from fleetpatch.model.equality import deep_equal

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a && b > out < in", r'"a \u0026\u0026 b \u003e out \u003c in"'),
        ("line\u2028paragraph\u2029", r'"line\u2028paragraph\u2029"'),
        ('\\u0026 \\& "', r'"\\u0026 \\\u0026 \""'),  # text that looks like an escape
        ("a/b", '"a/b"'),
        ("\n\r\t", r'"\n\r\t"'),
        ("\x00\x1f\x7f", '"\\u0000\\u001f\x7f"'),
        ("größe 成本 🚀 \ufffd", '"größe 成本 🚀 \ufffd"'),
    ],
)
def test_text_is_escaped_where_a_server_escapes_it(text: str, written: str) -> None:
    assert encode(text).decode() == written
    assert json.loads(written) == text


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e2, "100"),
        (1.10, "1.1"),
        (1e18, "1000000000000000000"),
        # The largest integer of 64 bits, and the first that becomes a float
        (2**63 - 1, "9223372036854775807"),
        (2**63, "9223372036854776000"),
        (-(2**63), "-9223372036854775808"),
        (-(2**63) - 1, "-9223372036854776000"),
        (123456789012345678901, "123456789012345680000"),
        # From here on with an exponent
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
    ],
)
def test_a_number_is_written_as_a_server_writes_it(number: float, written: str) -> None:
    assert encode(number).decode() == written
    assert encode({"a": [number, True]}).decode() == f'{{"a":[{written},true]}}'


def test_a_number_that_no_server_can_store_is_sent_unchanged() -> None:
    assert encode([10**400]).decode() == f"[{10**400}]"


def test_keys_are_escaped_as_values_are() -> None:
    assert encode({"<&>": 1}) == rb'{"\u003c\u0026\u003e":1}'


@given(VALUES)
def test_the_written_text_decodes_to_the_value(value: Any) -> None:
    text = encode(value)
    assert deep_equal(json.loads(text), value)
    # It is the canonical text: encoding what was decoded changes nothing.
    assert encode(json.loads(text)) == text


@given(VALUES, VALUES)
def test_values_are_equal_if_they_are_written_alike(first: Any, second: Any) -> None:
    texts = [json.dumps(json.loads(encode(each)), sort_keys=True) for each in (first, second)]
    assert deep_equal(first, second) == (texts[0] == texts[1])
