"""Limits on the failures and retries of a run, and the thresholds of the circuit breaker.

A failure is a target that ends as `failed`. Skipped targets are not failures, and neither are
targets that a breaker or a shutdown left pending. The limit is exact: a run may have that many
failures, and one more halts it.

The breaker stops a part of a cluster (a kind in a namespace) after a number of identical refusals
in a row. A mistake in a plan, or a missing permission, is refused in the same way for every object
there, and the run should not try all of them.
"""

import re
from typing import Final, TypeAlias

from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Target
from fleetpatch.model.units import Amount, Percent

MIN_RETRIES: Final = 250
"""Retries that every run may have, however few requests it has sent.

Until the pace has found what a server of 20 or 50 requests a second takes, 120 to 220 are refused.
"""

_WHOLE: Final = 100.0
"""Percent."""

_ROUNDING: Final = 1e-9
"""Added before rounding down, because binary fractions may be slightly less than the exact result.

It is far smaller than a percentage of one target that a plan can name.
"""


def failures_allowed(limit: Amount, targets: int) -> int:
    """The number of failures allowed for `targets` targets; a percentage is rounded down."""
    if isinstance(limit, Percent):
        return int(limit.value * targets / _WHOLE + _ROUNDING)
    return limit


def retries_allowed(budget: Percent, requests: int, targets: int) -> int:
    """The number of retries allowed after `requests` requests.

    A run sends at least one request for each target, so the percentage is of the larger number.
    Otherwise the first retries of a run would exceed the budget.
    """
    return max(MIN_RETRIES, int(budget.value * max(requests, targets) / _WHOLE + _ROUNDING))


REFUSALS_IN_A_ROW: Final = 25
"""This many identical refusals in a row stop a part: a kind in a namespace of a cluster.

More than a few odd objects next to each other, and few enough to read in a report.
"""

EXHAUSTED_IN_A_ROW: Final = 10
"""This many targets in a row that used up their attempts stop a cluster.

Each of them has had several attempts over many seconds, so fewer are needed than of refusals.
"""

BUSY_ANSWERS: Final = 20
BUSY_SECONDS: Final = 30.0
"""A cluster is stopped after this many busy answers without a success, over this many seconds.

Both are required: many workers get 20 busy answers within a second, and a few answers in 30 seconds
do not show that the whole cluster is busy.
"""

Part: TypeAlias = tuple[str, str]
"""A kind (`jobs.batch`) and a namespace."""

_REFUSED: Final = frozenset({Reason.REJECTED, Reason.FORBIDDEN, Reason.WEBHOOK_UNREACHABLE})
_SPECIFIC_WORDS: Final = re.compile(r"\"[^\"]*\"|'[^']*'|\S*\d\S*")
"""Quoted text and words with digits: names, values and numbers of one object."""


def part_of(target: Target) -> Part:
    """The part of its cluster that a target belongs to."""
    return target.kind, target.namespace


def refusal(target: Target, settlement: Settlement) -> str:
    """The text of a refusal without names and numbers; empty where the target was not refused.

    Two refusals with the same text have the same cause.
    """
    if settlement.reason not in _REFUSED:
        return ""
    # Replaced first: a name without digits or quotation marks is not found by the pattern.
    text = settlement.detail.replace(target.name, "").replace(target.uid, "")
    return f"{settlement.http_status} {_SPECIFIC_WORDS.sub('', text)}"
