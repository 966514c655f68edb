"""The plan's `retry`: which answers are retried, for the whole run and for single clusters."""

from typing import Annotated, Final, TypeAlias

from fleetpatch.model.plan.field_types import NonEmptyList, Percentage, PositiveSeconds
from fleetpatch.model.plan.section import Arranged, Section
from fleetpatch.model.plan.value_types import Integer
from fleetpatch.model.units import Percent

RETRIED: Final = (408, 425, 429, 503)
"""The statuses after which a PATCH is retried: the server did not carry it out now, but may soon.

This is the only list of them: the row in `rules.answers.verdicts.ROWS`, the default of `statuses`,
and the values that `statuses` may contain follow from it. A status belongs here only if it shows
that nothing was stored, and if it has no row of its own in `ROWS` (401, 404, 409, 422). The retries
of a GET are in `kube.retry`; the statuses that lower the pace are in `rules.answers.reply_signal`.
"""

# 504 is listed for people only: it is always in doubt, so the object is read before a retry.
DEFAULT_STATUSES: Final = (*RETRIED, 504)
"""The default of `retry.statuses`."""

_PERMANENT: Final = (501, 505)
"""The 5xx that are about what the server supports; a repeated request gets the same answer."""

_RETRYABLE: Final = frozenset({*RETRIED, *range(500, 600)} - {*_PERMANENT})
_CHOICES: Final = (
    ", ".join(str(status) for status in sorted(_RETRYABLE) if status < 500)  # noqa: PLR2004 - HTTP
    + f" and 5xx other than {' and '.join(map(str, _PERMANENT))}"
)


def _problem_of_status(status: int) -> str | None:
    if status in _RETRYABLE:
        return None
    return (
        f"{status} cannot be retried: the answer would be the same, or has another meaning;"
        f" choose among {_CHOICES}"
    )


Statuses: TypeAlias = Annotated[
    NonEmptyList[Annotated[int, Integer(problem_of=_problem_of_status)]], Arranged(sorted)
]
"""HTTP statuses to retry; their order means nothing, so it does not change the digest."""


class RetrySection(Section, frozen=True, kw_only=True):
    """When and how often a request is retried."""

    attempts: Annotated[int, Integer(1, 100)] = 6
    """The maximum number of attempts for a target, the first included."""
    deadline: PositiveSeconds | None = None
    """How long a target may take from its first request on, before it fails. Absent: no limit."""
    max_delay: PositiveSeconds = 30.0
    """The longest wait between two attempts, even if the server's Retry-After is longer."""
    statuses: Statuses = DEFAULT_STATUSES
    """HTTP statuses that are retried."""
    budget: Percentage = Percent(10.0)
    """The maximum share of retries among all requests."""


class ClusterRetrySection(Section, frozen=True, kw_only=True):
    """What is retried on one cluster."""

    statuses: Statuses
    """HTTP statuses that are retried there, instead of the plan's retry.statuses."""
