"""Covers `model.text.clean`: what others wrote, made fit for one line.

Leaves out secrets (tests/report/test_masking.py).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.text import LIMIT, clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("", ""),
        ("  around  ", "around"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("a \x1b[31;1mred\x1b[0m word", "a red word"),
        ("\x1b]0;new title\x07text", "text"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x9b2Jcleared", "cleared"),
        ("a lone \x1b", "a lone"),
        ("nul\x00 bell\x07", "nul bell"),
        ("user\u202egnp.exe", "user gnp.exe"),
        ("kosten-größe 成本 🚀", "kosten-größe 成本 🚀"),
    ],
)
def test_control_characters_vanish_and_words_stay(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_long_text_is_cut_with_an_ellipsis_that_counts() -> None:
    assert clean("x" * 501) == "x" * 499 + "…"
    assert clean("x" * 500) == "x" * 500
    assert clean("abcdef", 4) == "abc…"


def test_a_megabyte_is_cut_before_it_is_looked_at() -> None:
    assert clean("\x1b[31mx" * 200_000) == "x" * 499 + "…"


@given(st.text(max_size=600))
def test_what_is_shown_is_short_printable_and_stays_as_it_is(text: str) -> None:
    shown = clean(text)
    assert len(shown) <= LIMIT
    assert not any(character in shown for character in "\x1b\x9b\r\n\t\x07\x00\u202e\u2028")
    assert clean(shown) == shown
