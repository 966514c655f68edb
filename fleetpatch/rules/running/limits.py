"""How many failures and retries a run may have.

A failure is a target that ends as `failed`; skipped targets are none, nor are those that a breaker
or a halt left pending. The limit is exact: so many are put up with, one more halts the run.

When to stop trying: refusals that are all the same, and a server that only fails.

A mistake in a plan, or a missing right, is refused alike for every object of a kind in a namespace.
After a number of such refusals in a row that part is left alone, before the whole of it has failed.
"""

import re
from typing import Final, TypeAlias

from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Target
from fleetpatch.model.units import Amount, Percent

MIN_RETRIES: Final = 100
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
    return max(MIN_RETRIES, int(budget.value * max(requests, targets) / _WHOLE + _ROUNDING))


REFUSALS_IN_A_ROW: Final = 25
"""Identical refusals in a row that stop a part: a kind in a namespace of a cluster."""

EXHAUSTED_IN_A_ROW: Final = 10
"""Targets in a row whose attempts ran out that stop a cluster."""

BUSY_ANSWERS: Final = 20
BUSY_SECONDS: Final = 30.0
"""A cluster that accepts nothing for so long, asked so often, is given up."""

Part: TypeAlias = tuple[str, str]
"""A kind (`jobs.batch`) and a namespace."""

_REFUSED: Final = frozenset({Reason.REJECTED, Reason.FORBIDDEN, Reason.WEBHOOK_UNREACHABLE})
_OWN_WORDS: Final = re.compile(r"\"[^\"]*\"|'[^']*'|\S*\d\S*")


def part_of(target: Target) -> Part:
    """The part of its cluster that a target belongs to."""
    return target.resource.name, target.namespace


def refusal(target: Target, settlement: Settlement) -> str:
    """What a refusal says, without what is the target's own; empty where it is none."""
    if settlement.reason not in _REFUSED:
        return ""
    said = settlement.detail.replace(target.name, "").replace(target.uid, "")
    return f"{settlement.http_status} {_OWN_WORDS.sub('', said)}"
