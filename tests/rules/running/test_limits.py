"""How many failures and retries are allowed. Covered: counts, percentages, rounding, minimum."""

import pytest

from fleetpatch.model.units import Amount, Percent
from fleetpatch.rules.running.limits import MIN_RETRIES, failures_allowed, retries_allowed


@pytest.mark.parametrize(
    ("limit", "targets", "allowed"),
    [
        (0, 100, 0),
        (3, 2, 3),
        (Percent(2.0), 100, 2),
        (Percent(2.0), 149, 2),
        (Percent(2.0), 150, 3),
        (Percent(7.0), 100, 7),
        (Percent(50.0), 1, 0),
        (Percent(0.0), 1000, 0),
    ],
)
def test_a_count_is_a_count_and_a_share_is_rounded_down(
    limit: Amount, targets: int, allowed: int
) -> None:
    assert failures_allowed(limit, targets) == allowed


def test_a_small_run_may_retry_as_well() -> None:
    assert retries_allowed(Percent(10.0), 20, 20) == MIN_RETRIES


def test_the_budget_is_a_percentage_of_sent_or_expected_requests() -> None:
    assert retries_allowed(Percent(10.0), 50, 20_000) == 2000
    assert retries_allowed(Percent(10.0), 40_000, 20_000) == 4000
