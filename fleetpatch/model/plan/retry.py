"""When a request is sent again: for the whole run, and where one cluster differs."""

from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field

from fleetpatch.model.plan.section import Given, ListOf, Percentage, Seconds, Section
from fleetpatch.model.units import Percent

_WORTH_RETRYING: Final = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})


def _retryable(status: int) -> int:
    if status not in _WORTH_RETRYING:
        raise ValueError(
            f"{status} is not worth retrying: its answer stays the same, or it has a meaning of its"
            " own; choose among 408, 425, 429 and 5xx other than 501 and 505"
        )
    return status


def _sorted(statuses: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(statuses))


Statuses: TypeAlias = Annotated[
    ListOf[Annotated[int, AfterValidator(_retryable)]], AfterValidator(_sorted)
]
"""HTTP statuses that are worth another attempt; their order means nothing."""


class RetrySection(Section):
    """When and how often a request is sent again."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 6
    """Attempts for a target at most, the first included."""
    deadline: Annotated[Annotated[Seconds, Field(gt=0)] | None, Given] = None
    """How long a target may take from its first request on, before it fails. Absent: for ever."""
    max_delay: Annotated[Seconds, Field(gt=0)] = 30.0
    """The longest wait between two attempts, whatever the server asks for."""
    statuses: Statuses = (408, 425, 429, 503, 504)
    """HTTP statuses that are retried."""
    budget: Percentage = Percent(10.0)
    """Retries at most, as a share of all requests."""


class ClusterRetrySection(Section):
    """What is sent again to one cluster."""

    statuses: Statuses
    """HTTP statuses that are retried there, instead of the plan's retry.statuses."""
