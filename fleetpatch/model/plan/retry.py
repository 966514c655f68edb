"""The plan's `retry`: which answers are retried, for the whole run and for single clusters."""

from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field

from fleetpatch.model.plan.section import Given, ListOf, Percentage, Seconds, Section
from fleetpatch.model.units import Percent

# A repeated request may succeed after these. 501 and 505 are permanent; other 4xx are about the
# request itself, or (401, 404, 409, 410, 422) have a row of their own in `rules.answers.verdicts`.
_RETRYABLE: Final = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})


def _retryable(status: int) -> int:
    if status not in _RETRYABLE:
        raise ValueError(
            f"{status} cannot be retried: the answer would be the same, or has another meaning;"
            " choose among 408, 425, 429 and 5xx other than 501 and 505"
        )
    return status


def _sorted(statuses: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(statuses))


Statuses: TypeAlias = Annotated[
    ListOf[Annotated[int, AfterValidator(_retryable)]], AfterValidator(_sorted)
]
"""HTTP statuses to retry; their order means nothing, so it does not change the digest."""


class RetrySection(Section):
    """When and how often a request is retried."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 6
    """The maximum number of attempts for a target, the first included."""
    deadline: Annotated[Annotated[Seconds, Field(gt=0)] | None, Given] = None
    """How long a target may take from its first request on, before it fails. Absent: no limit."""
    max_delay: Annotated[Seconds, Field(gt=0)] = 30.0
    """The longest wait between two attempts, even if the server's Retry-After is longer."""
    statuses: Statuses = (408, 425, 429, 503, 504)
    """HTTP statuses that are retried."""
    budget: Percentage = Percent(10.0)
    """The maximum share of retries among all requests."""


class ClusterRetrySection(Section):
    """What is retried on one cluster."""

    statuses: Statuses
    """HTTP statuses that are retried there, instead of the plan's retry.statuses."""
