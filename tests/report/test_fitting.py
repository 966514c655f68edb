"""Lines in less room than they need. Covered: each kind of line, and that nothing is lost in vain.

Left out: how wide a terminal is (tests/e2e/test_watching.py).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.report.fitting import fit
from fleetpatch.report.table import table

HEADER = ("CLUSTER", "NAMESPACE", "NAME", "PENDING", "DETAIL")
ROWS = [
    (
        "prod-a",
        "team-a",
        "a-job-with-a-name-that-is-much-too-long-0001",
        1234,
        "the server said no",
    ),
    ("prod-b", "team-b", "etl-7", 5, ""),
]


def in_room(line: str, width: int) -> list[str]:
    return list(fit([line], width))


def test_a_line_that_fits_stays_as_it_is() -> None:
    assert in_room("applied        1,200", 80) == ["applied        1,200"]


def test_a_table_loses_text_in_its_widest_columns_and_no_number() -> None:
    lines = list(fit(table(HEADER, ROWS), 60))

    assert lines == [
        "CLUSTER  NAMESPACE  NAME            PENDING  DETAIL",
        "prod-a   team-a     a-job-w…g-0001    1,234  the server sai…",
        "prod-b   team-b     etl-7                 5",
    ]


def test_a_table_that_fits_uses_the_room() -> None:
    assert list(fit(table(HEADER, ROWS), 200)) == [str(line) for line in table(HEADER, ROWS)]


def test_a_table_leaves_out_columns_that_may_go_before_the_others_cannot_be_read() -> None:
    def header(width: int) -> str:
        return next(fit(table(HEADER, ROWS, first_to_go=("CLUSTER", "NAMESPACE")), width))

    assert header(120).split() == list(HEADER)
    assert header(70).split() == list(HEADER)
    assert header(64).split() == list(HEADER[1:])
    assert header(52).split() == list(HEADER[2:])


@given(st.integers(1, 200))
def test_a_table_is_never_wider_than_the_terminal(width: int) -> None:
    assert all(len(line) <= width for line in fit(table(HEADER, ROWS), width))


def test_a_path_keeps_its_name() -> None:
    line = "Run file: /var/lib/some-service/state/fleetpatch/runs/paint-20261126T2029Z-e545e0.run"

    assert in_room(line, 60) == ["Run file: …/fleetpatch/runs/paint-20261126T2029Z-e545e0.run"]
    assert in_room(line, 20) == ["Run file: …/paint-20261126T2029Z-e545e0.run"]


def test_what_a_command_does_goes_to_a_line_of_its_own() -> None:
    line = "Next:     fleetpatch resume paint-20261126T2029Z-e545e0  (continues with the rest)"

    assert in_room(line, 60) == [
        "Next:     fleetpatch resume paint-20261126T2029Z-e545e0",
        "          (continues with the rest)",
    ]


def test_a_command_that_does_not_fit_beside_its_label_has_a_line_of_its_own() -> None:
    command = "fleetpatch targets paint-20261126T2029Z-e545e0 --outcome failed"

    assert in_room(f"Next:     {command}  (what failed, and why)", 66) == [
        "Next:",
        f"  {command}",
        "          (what failed, and why)",
    ]
    assert in_room(f"More:     {command}", 66) == ["More:", f"  {command}"]


def test_a_line_that_is_a_command_loses_its_indentation_and_is_not_broken() -> None:
    command = "fleetpatch apply relabel-ml-teams-20261126T2120Z-fb6a0c"

    assert in_room(f"    {command}", 57) == [f"  {command}"]
    assert in_room(f"    {command}", 20) == [command]


@pytest.mark.parametrize(
    "begin", ["Cause: ", "Warning: ", "    patched       5  ", "Limit:    ", "Expected "]
)
def test_a_sentence_is_broken_between_words_and_indented(begin: str) -> None:
    words = " ".join(["paused because of something"] * 5)

    first, *others = in_room(begin + words, 60)

    assert first.startswith(begin)
    assert all(line.startswith(" ") for line in others)
    assert all(len(line) <= 60 for line in (first, *others))
    assert " ".join(f"{first} {' '.join(others)}".split()) == " ".join((begin + words).split())


def test_a_command_at_the_end_of_a_sentence_stays_in_one_piece() -> None:
    command = "fleetpatch apply relabel-ml-teams-20260301T0200Z-4f9a1c"
    line = f"Nothing was sent. To patch 1,234 of the 1,256 objects: {command}"

    assert in_room(line, 80) == [
        "Nothing was sent. To patch 1,234 of the 1,256 objects:",
        f"  {command}",
    ]


def test_control_characters_never_arrive() -> None:
    assert "\x1b" not in "".join(in_room("Cause: \x1b[2J" + "x " * 100, 60))
    assert "\x1b" not in "".join(fit(table(("NAME",), [("\x1b[2J" * 30,)]), 20))


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])), st.integers(1, 200))
def test_no_word_is_ever_lost(text: str, width: int) -> None:
    fitted = in_room(f"Cause: {text}", width)

    assert "".join("".join(fitted).split()) == "".join(f"Cause: {text}".split())
