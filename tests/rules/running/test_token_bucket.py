"""Token buckets: the burst, the rate, the wait, and no limit.

Left out: rates as a property over any arrivals (tests/engine/test_pacer.py).
"""

from math import inf

import pytest

from fleetpatch.rules.running.token_bucket import TokenBucket


def passed(bucket: TokenBucket, rate: float, burst: float, *moments: float) -> list[bool]:
    return [bucket.take(rate, burst, now) == 0.0 for now in moments]


def test_a_burst_passes_at_once_and_then_the_rate() -> None:
    bucket = TokenBucket(3.0, now=10.0)

    assert passed(bucket, 2.0, 3.0, 10.0, 10.0, 10.0, 10.0) == [True, True, True, False]
    assert passed(bucket, 2.0, 3.0, 10.5, 10.5, 11.0) == [True, False, True]


def test_idle_time_saves_no_more_than_the_burst() -> None:
    bucket = TokenBucket(0.0, now=0.0)

    assert passed(bucket, 10.0, 2.0, 60.0, 60.0, 60.0) == [True, True, False]


def test_the_wait_is_the_time_until_there_is_a_token() -> None:
    bucket = TokenBucket(0.0, now=0.0)

    assert bucket.take(4.0, 1.0, 0.1) == pytest.approx(0.15)
    assert bucket.take(4.0, 1.0, 0.25) == 0.0


def test_an_infinite_rate_takes_no_tokens_and_saves_none() -> None:
    bucket = TokenBucket(1.0, now=0.0)

    assert passed(bucket, inf, inf, 1.0, 1.0, 50.0) == [True, True, True]
    assert passed(bucket, 0.1, 5.0, 50.0, 50.0) == [True, False]
