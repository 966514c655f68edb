"""Foreign text is cleaned and shortened for one line.

Left out: secrets (tests/model/test_masking.py).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.masking import mask
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
def test_control_characters_are_removed_and_words_are_kept(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    assert clean("x" * 501) == "x" * 333 + "…" + "x" * 166
    assert clean("x" * 500) == "x" * 500
    assert clean("abcdef", 4) == "ab…f"
    assert clean("one two three four", 10) == "one tw…our"


@pytest.mark.parametrize("length", [400, 2_000, 70_000, 1_000_000])
@pytest.mark.parametrize("filler", ["v", "v ", "\x1b[31mv", "a: 'v', ", "成", "🚀\u202e"])
def test_the_cause_at_the_end_of_a_long_refusal_is_kept(length: int, filler: str) -> None:
    value = filler * (length // len(filler))
    message = (
        f'Job.batch "etl" is invalid: spec.template: Invalid value: {value}: field is immutable'
    )

    shown = clean(message)

    assert shown.startswith('Job.batch "etl" is invalid: spec.template: Invalid value: ')
    assert shown.endswith(" field is immutable")
    assert len(shown) <= LIMIT


def test_a_megabyte_is_cut_before_it_is_cleaned() -> None:
    shown = clean("\x1b[31mx" * 200_000)

    assert shown.startswith("x" * 333 + "…x")
    assert len(shown) == LIMIT


@pytest.mark.parametrize("length", [200, 450, 800, 5_000, 70_000])
@pytest.mark.parametrize("mark", ["token: ", 'password="', "Authorization: Bearer "])
@pytest.mark.parametrize("before", [0, 300, 480, 1_900])
def test_a_secret_is_not_cut_in_two(length: int, mark: str, before: int) -> None:
    secret = "".join(f"s3cr3t{at}" for at in range(length // 6))

    shown = mask(clean("x " * (before // 2) + mark + secret))

    assert "s3cr3t" not in shown


@given(st.text(max_size=600))
def test_cleaned_text_is_short_printable_and_cleaning_is_idempotent(text: str) -> None:
    shown = clean(text)
    assert len(shown) <= LIMIT
    assert not any(character in shown for character in "\x1b\x9b\r\n\t\x07\x00\u202e\u2028")
    assert clean(shown) == shown
