"""A run over time, in bounded space: buckets of time that become wider as the run grows.

The buckets begin at multiples of their width, which is the same for all of them and a power of two,
in seconds. If there are more than `MAX_BUCKETS`, the width is doubled, and neighbours are added up.
Time in which nothing was sent has no buckets, so the nights between the sessions of a run take no
space. The values of a bucket are sums, so it does not matter who observed them, or how often.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, Final, Self, TypeAlias

import msgspec

from fleetpatch.model.traffic import Traffic

MAX_BUCKETS: Final = 240
"""Buckets of a timeline at most: one for every three pixels of a wide chart."""


_Position: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""Unlike `traffic.Position` also above the last bound, where all durations count alike."""


class Bucket(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What was observed of a run in one stretch of time.

    - `seconds`: how long it was observed, without waits for a window, a wave or a person.
    - `ended`: targets by outcome. `answers`: ended PATCHes by status or silence; `reads`: the same
      of GETs. `retries`: repeated attempts by verdict.
    - `durations`: PATCHes by the position of their duration in `traffic.BOUNDS`.
    - `in_flight`, `allowed`: requests in flight, and how many the pace allowed, each times seconds.
      `most`: the most that were seen in flight.
    - `limits`: for how long each cause limited the pace of a cluster, in seconds, added up over the
      clusters; by `PaceCause`.
    """

    seconds: float = 0.0
    ended: Mapping[str, int] = {}
    answers: Mapping[str, int] = {}
    reads: Mapping[str, int] = {}
    retries: Mapping[str, int] = {}
    durations: Mapping[_Position, int] = {}
    in_flight: float = 0.0
    allowed: float = 0.0
    most: int = 0
    limits: Mapping[str, float] = {}

    def __add__(self, other: Self) -> "Bucket":
        """Return what both have observed."""
        return Bucket(
            self.seconds + other.seconds,
            _sum(self.ended, other.ended),
            _sum(self.answers, other.answers),
            _sum(self.reads, other.reads),
            _sum(self.retries, other.retries),
            _sum(self.durations, other.durations),
            self.in_flight + other.in_flight,
            self.allowed + other.allowed,
            max(self.most, other.most),
            _sum(self.limits, other.limits),
        )

    def per_second(self, count: float) -> float:
        """Return a count of this bucket as a rate; 0 where nothing was observed."""
        rate = count / self.seconds if self.seconds else 0.0
        # A damaged run file may have any number of seconds.
        return rate if isfinite(rate) else 0.0

    def latency(self, share: float) -> float | None:
        """Return the seconds within which `share` (0 to 1) of the PATCHes ended; None without."""
        return Traffic(durations=self.durations).quantile(share)


class SessionRecord(msgspec.Struct, frozen=True):
    """One session of a run: who carried it out, from when to when, and how it ended.

    Times are in seconds since the epoch. `ended` is None, and the others are empty, while it lasts,
    or if its process was killed. `state` is that of the run after it.
    """

    began: float
    ended: float | None
    who: str
    state: str = ""
    cause_code: str = ""
    cause: str = ""


def _sum(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    # Not Counter's `+`, which drops what is not positive and takes four times as long.
    counts = dict(one)
    for key, count in other.items():
        counts[key] = counts.get(key, 0) + count
    return counts


class Timeline:
    """The buckets of a run by their beginnings, in seconds since the epoch; `width` in seconds."""

    def __init__(self, width: int = 1, most: int = MAX_BUCKETS) -> None:
        self.width = width
        self._most = most
        self._buckets: dict[int, Bucket] = {}

    def __bool__(self) -> bool:
        return bool(self._buckets)

    @property
    def buckets(self) -> dict[int, Bucket]:
        """The buckets in the order of time."""
        return dict(sorted(self._buckets.items()))

    @property
    def total(self) -> Bucket:
        """All buckets together."""
        return sum(self._buckets.values(), Bucket())

    def add(self, moment: float, bucket: Bucket) -> None:
        """Add what was observed at a moment."""
        self._put(int(moment), bucket)
        while len(self._buckets) > self._most:
            self.widen(2 * self.width)

    def update(self, other: "Timeline") -> None:
        """Add all that another timeline has."""
        self.widen(other.width)
        for start, bucket in other.buckets.items():
            self.add(start, bucket)

    def widen(self, width: int) -> None:
        """Make the buckets at least so wide; `width` is a power of two."""
        if width <= self.width:
            return
        buckets, self.width, self._buckets = self._buckets, width, {}
        for start, bucket in buckets.items():
            self._put(start, bucket)

    def _put(self, moment: int, bucket: Bucket) -> None:
        start = moment - moment % self.width
        known = self._buckets.get(start)
        self._buckets[start] = bucket if known is None else known + bucket


def narrowed(timeline: Timeline, most: int) -> Timeline:
    """Return the same timeline in at most `most` buckets."""
    found = Timeline(timeline.width, most)
    found.update(timeline)
    return found
