"""How many failures and retries a run may have.

A failure is a target that ends as `failed`; skipped targets are none, nor are those that a breaker
or a halt left pending. The limit is exact: so many are put up with, one more halts the run.
"""

from typing import Final

from fleetpatch.model.units import Amount, Percent

FEWEST_RETRIES: Final = 100
"""Retries that every run may have: a share of few requests would be none."""

_WHOLE: Final = 100.0

_ROUNDING: Final = 1e-9
"""7% of 100 is 7, also in binary fractions."""


def failures_allowed(limit: Amount, targets: int) -> int:
    """Failures that are put up with among so many targets to patch; a share is rounded down."""
    if isinstance(limit, Percent):
        return int(limit.value * targets / _WHOLE + _ROUNDING)
    return limit


def retries_allowed(budget: Percent, requests: int, targets: int) -> int:
    """Retries that are put up with after so many requests.

    A run of so many targets is sure to send that many requests, so the share is of the larger.
    """
    return max(FEWEST_RETRIES, int(budget.value * max(requests, targets) / _WHOLE + _ROUNDING))
