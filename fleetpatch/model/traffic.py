"""The exchanges with one cluster since its session began, as plain counts.

Counts of different times can be subtracted, and those of different clusters added. So any stretch
of time has its answers by status, and its latency, without a record of single requests.
"""

from bisect import bisect_left
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec

from fleetpatch.model.bounds import Count, Duration

BOUNDS: Final = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25),
    *(0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""The upper bounds of the buckets of durations, in seconds; one more bucket is above the last."""

# In C, since each request calls it.
bucket_of: Final = partial(bisect_left, BOUNDS)
"""Returns the position of the bucket of a duration in seconds."""

PATCH: Final = "patch"
"""The verb of the requests whose durations are counted."""

Key: TypeAlias = tuple[str, str]
"""A verb (`get`, `list`, `patch`, or `lease`), and a status or a `Silence`."""
Position: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=len(BOUNDS))]
"""The position of a bucket of durations."""
_K = TypeVar("_K")


class Traffic(msgspec.Struct, frozen=True, array_like=True):
    """Requests that have ended, by verb and status, and the durations of PATCHes.

    `durations` counts by the position of the bucket (`BOUNDS`), and `seconds` is their sum. A PATCH
    that never reached the server has no duration.
    """

    answers: Mapping[Key, Count] = {}
    durations: Mapping[Position, Count] = {}
    seconds: Duration = 0.0

    def __add__(self, other: "Traffic") -> "Traffic":
        """Return the traffic of both."""
        return Traffic(
            _sum(self.answers, other.answers, 1),
            _sum(self.durations, other.durations, 1),
            self.seconds + other.seconds,
        )

    def __sub__(self, other: "Traffic") -> "Traffic":
        """Return the traffic since `other`, an earlier one of the same cluster."""
        return Traffic(
            _sum(self.answers, other.answers, -1),
            _sum(self.durations, other.durations, -1),
            self.seconds - other.seconds,
        )

    def by_status(self, verb: str = PATCH) -> dict[str, int]:
        """Return the numbers of ended requests of one verb, by status."""
        return {status: count for (one, status), count in self.answers.items() if one == verb}

    def quantile(self, share: float) -> float | None:
        """Return the seconds within which `share` (0 to 1) of the PATCHes ended, about.

        Within a bucket durations count as spread evenly. In the last bucket it is the last bound.
        None without a PATCH.
        """
        rank = share * sum(self.durations.values())
        for bucket, count in sorted(self.durations.items()):
            if count and count >= rank:
                if bucket >= len(BOUNDS):
                    return BOUNDS[-1]
                least = BOUNDS[bucket - 1] if bucket else 0.0
                return least + (BOUNDS[bucket] - least) * rank / count
            rank -= count
        return None


NO_TRAFFIC: Final = Traffic()


def _sum(one: Mapping[_K, int], other: Mapping[_K, int], sign: int) -> dict[_K, int]:
    """Return the sum of counts, or their difference; without those that are zero."""
    counts = dict(one)
    for key, count in other.items():
        counts[key] = counts.get(key, 0) + sign * count
    return {key: count for key, count in counts.items() if count}
