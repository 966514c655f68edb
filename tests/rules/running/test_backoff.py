"""How long to wait before the next attempt.

Covered: full jitter and its bounds, the cap, Retry-After as seconds, as dates of all kinds, in the
body, and invalid; as properties, that no reply makes the wait negative, endless or raise.
Left out: the sleeping itself (tests/engine/test_patcher_retries.py).
"""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.rules.running.backoff import Backoff, retry_after

NOW = datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC).timestamp()
PLAIN = Answer(503)
DAY = 86_400


def wait(reply: Reply, *, attempt: int = 1, random: float = 0.0) -> float:
    return Backoff().delay(attempt, reply, now=NOW, random=random)


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 0.25), (2, 0.5), (3, 1.0), (7, 16.0), (8, 30.0), (10**6, 30.0)]
)
def test_the_ceiling_doubles_up_to_the_cap(attempt: int, ceiling: float) -> None:
    assert wait(PLAIN, attempt=attempt, random=0.0) == 0.0
    assert wait(PLAIN, attempt=attempt, random=0.5) == ceiling / 2


def test_the_servers_retry_after_is_a_minimum() -> None:
    assert wait(Answer(429, retry_after="3"), random=0.9) == 3.0
    assert wait(Answer(429, retry_after="3"), attempt=6, random=0.75) == 6.0


def test_a_day_is_cut_to_the_cap() -> None:
    assert wait(Answer(429, retry_after=str(DAY))) == 30.0
    assert wait(Answer(429, retry_after="9" * 400)) == 30.0
    assert wait(Answer(429, retry_after_seconds=10**400)) == 30.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Fri, 15 Jan 2027 08:00:12 GMT", 12.0),
        ("Fri, 15 Jan 2027 09:00:12 +0100", 12.0),
        ("Fri, 15 Jan 2027 08:00:12 -0000", 12.0),
        ("Fri, 15 Jan 2027 08:00:12", 12.0),
        ("Friday, 15-Jan-27 08:00:12 GMT", 12.0),
        ("Sat, 16 Jan 2027 08:00:00 GMT", float(DAY)),
    ],
)
def test_the_header_is_seconds_or_a_date(header: str, seconds: float) -> None:
    assert retry_after(Answer(429, retry_after=header), NOW) == seconds


@pytest.mark.parametrize(
    "header",
    [
        "",
        "-5",
        "1.5",
        "soon",
        "٣",
        "1, 2",
        "Fri, 15 Jan 2027 07:59:59 GMT",
        "Mon, 99999999999999999999 Jan 2020 10:00:00 GMT",
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "Mon, 01 Jan 2020 00:00:00 +9999",
        "Mon, 01 Jan 0001 00:00:00 -0000",
    ],
)
def test_invalid_and_past_values_are_ignored(header: str) -> None:
    assert retry_after(Answer(429, retry_after=header), NOW) is None
    assert retry_after(Answer(429, retry_after=header, retry_after_seconds=4), NOW) == 4.0


def test_the_header_takes_precedence_over_the_body() -> None:
    assert retry_after(Answer(429, retry_after="2", retry_after_seconds=9), NOW) == 2.0
    assert retry_after(Answer(429, retry_after_seconds=9), NOW) == 9.0
    assert retry_after(Answer(429, retry_after_seconds=-9), NOW) is None


def test_without_an_answer_no_wait_is_requested() -> None:
    assert retry_after(NoAnswer(Silence.RESET), NOW) is None


DATES = st.datetimes(min_value=datetime(1000, 1, 1)).map(  # noqa: DTZ001 - naive dates are meant
    format_datetime
)
HEADERS = st.none() | st.text() | st.integers().map(str) | DATES


@given(
    attempt=st.integers(min_value=1),
    header=HEADERS,
    body=st.none() | st.integers(),
    random=st.floats(0, 1, exclude_max=True),
)
def test_any_wait_is_between_zero_and_the_cap(
    attempt: int, header: str | None, body: int | None, random: float
) -> None:
    reply = Answer(429, retry_after=header, retry_after_seconds=body)

    assert 0.0 <= wait(reply, attempt=attempt, random=random) <= 30.0


@given(
    attempt=st.integers(1, 2000),
    base=st.floats(0.001, 1000),
    cap=st.floats(0.001, 1000),
    random=st.floats(0, 1, exclude_max=True),
)
def test_full_jitter_stays_under_its_ceiling(
    attempt: int, base: float, cap: float, random: float
) -> None:
    ceiling = min(cap, base * 2.0 ** min(attempt - 1, 60))

    assert 0 <= Backoff(base, cap).delay(attempt, PLAIN, now=NOW, random=random) <= ceiling
