"""The place of a character in a text that is written in several lines, folded or escaped.

Covered: every visible character of texts in all styles of YAML, as a property.
Left out: what is wrong at the place (test_expression_mistakes.py).
"""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.yaml.document import read

words = st.lists(
    st.text(st.sampled_from("abcé\"'\\:#x"), min_size=1, max_size=6).map(lambda word: f"w{word}"),
    min_size=2,
    max_size=8,
)


def folded(parts: list[str]) -> str:
    return ">-  # a comment\n" + "\n".join(f"      {part}" for part in parts)


def literal(parts: list[str]) -> str:
    return "|\n" + "\n\n".join(f"      {part}" for part in parts)


def single(parts: list[str]) -> str:
    return "'" + "\n      ".join(part.replace("'", "''") for part in parts) + "'"


def double(parts: list[str]) -> str:
    return json.dumps("\n".join(parts)).replace("\\n", "\\n\\\n      ")


@pytest.mark.parametrize("write", [folded, literal, single, double])
@given(parts=words)
def test_each_character_is_found_in_the_file(
    write: Callable[[list[str]], str], parts: list[str]
) -> None:
    text = f"a:\n  - b: {write(parts)}\n    c: 1\n"
    document = read(text.encode(), "plan.yaml")
    assert not document.problems
    value = document.tree["a"][0]["b"]
    lines = text.split("\n")

    for offset, character in enumerate(value):
        if offset == 0 or character.isspace():
            continue
        place = document.problem(Finding(("a", 0, "b"), "x", offset=offset)).place
        assert place is not None
        found = lines[place.line - 1][place.column - 1]
        # In double quotes a character may be written as an escape.
        assert found == character or (write is double and found == "\\")
