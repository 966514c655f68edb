"""Messages that differ only in names, values and numbers share one entry of a report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.report.document.messages import pattern_of


@pytest.mark.parametrize(
    ("messages", "pattern"),
    [
        (
            ['404 jobs.batch "etl-7" not found', '404 tfjobs.kubeflow.org "vision-12" not found'],
            '404 … "…" not found',
        ),
        (["uid is 0f1e-2d, expected 9a8b", "uid is 77, expected abc1"], "uid is …, expected …"),
        (
            ['label team: planned "a", current "b"', 'label team: planned "", current "x y"'],
            'label team: planned "…", current "…"',
        ),
        (
            ["503 dial tcp 10.0.0.7:443: refused", "503 dial tcp [::1]:9443: refused"],
            "503 dial tcp …: refused",
        ),
        (["can't be changed", "can't be changed"], "can't be changed"),
        (["500 Internal Server Error", "500 Internal Server Error"], "500 Internal Server Error"),
    ],
)
def test_messages_that_are_alike_have_one_pattern(messages: list[str], pattern: str) -> None:
    found = {pattern_of(message) for message in messages}

    assert found == {pattern}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("403 forbidden", "404 forbidden"),
        ('label team: planned "a"', 'label owner: planned "a"'),
        ("the server refused", "the server is busy"),
    ],
)
def test_messages_that_say_something_else_are_kept_apart(one: str, other: str) -> None:
    assert pattern_of(one) != pattern_of(other)


@given(st.text(max_size=400))
def test_a_pattern_is_one_short_line_of_any_message(message: str) -> None:
    pattern = pattern_of(message)

    assert "\n" not in pattern
    assert len(pattern) <= 2 * 300
