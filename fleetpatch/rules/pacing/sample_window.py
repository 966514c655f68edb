"""A round: as many answers as a judgement of the latency needs, all to requests of one limit.

Answers to requests that were sent at another limit do not count, and where the limit has just leapt
up, the first ones do not either: the queue that belongs to it is still to build up. Where latencies
scatter, a round is longer, because a median of few would mislead; but never for more than about a
second, because late news is of no use.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from statistics import fmean

_FEW = 8
_SOME = 16
_MANY = 32
_MOST = 200
_LEAP = 1.3
_SCATTERED = 60.0
"""Answers wanted where the latencies' quartiles are as far apart as their median is from 0."""
_MEMORY = 0.3


class LimitKind(Enum):
    """What a round is for."""

    START = auto()
    """Find out how far it goes, doubling."""
    STEADY = auto()
    """Steer."""
    SOUNDING = auto()
    """Look at the latency without a queue."""
    TRIAL = auto()
    """Look at the throughput without a queue."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a round amounts to: its median latency in seconds, and requests a second.

    `full` tells that as many were in flight as might be: otherwise the limit was not tried.
    """

    latency: float
    throughput: float
    full: bool
    seconds: float


@dataclass(slots=True)
class SampleWindow:
    """The round under way at `limit`; `number` marks the requests that are sent in it."""

    limit: float
    kind: LimitKind = LimitKind.START
    number: int = 0
    latencies: list[float] = field(default_factory=list)
    _full: bool = False
    _unsettled: int = 4
    _scatter: float = 0.5
    _typical: float = 0.0

    def begin(self, kind: LimitKind, limit: float) -> None:
        """Begin the next round."""
        if kind is LimitKind.START:
            self._unsettled = int(limit - self.limit)
        else:
            self._unsettled = int(limit) if limit > _LEAP * self.limit else 0
        if limit != self.limit:
            self.number += 1
        self.kind, self.limit = kind, limit
        self.latencies = []
        self._full = False

    def add(self, latency: float, level: int) -> Findings | None:
        """Count an answer; gives the findings with the one that completes the round."""
        if self._unsettled:
            self._unsettled -= 1
            return None
        self.latencies.append(latency)
        self._full = self._full or level >= self.limit - 1
        return self._findings() if len(self.latencies) >= self._needed() else None

    def _needed(self) -> int:
        limit = int(self.limit)
        a_second = int(limit / self._typical) if self._typical else 0
        scattered = int(_SCATTERED * self._scatter**2)
        if self.kind is LimitKind.START:
            return max(_FEW, limit, min(scattered, a_second // 4))
        least = _MANY if self.kind is LimitKind.TRIAL else _SOME
        return max(least, min(_MOST, 2 * limit), min(scattered, a_second))

    def _findings(self) -> Findings:
        ordered = sorted(self.latencies)
        lower, latency, upper = (ordered[len(ordered) * part // 4] for part in (1, 2, 3))
        self._scatter += _MEMORY * ((upper - lower) / max(latency, 1e-6) - self._scatter)
        self._typical = latency
        mean = max(fmean(ordered), 1e-6)
        throughput = int(self.limit) / mean
        return Findings(latency, throughput, self._full, len(ordered) / throughput)
