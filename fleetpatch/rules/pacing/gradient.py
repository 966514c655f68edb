"""Requests in flight, by the latency of the answers.

The limit is judged round by round (`rounds`): the median latency is held against a target, which is
`TIGHT` times the latency without a queue (`baseline`), or more where a queue pays (`patience`).

- Well below the target the limit grows: it doubles until the first sign of a queue, then gently.
- Above it the limit shrinks in proportion, because in a queue latency is proportional to it.
- Where a series of cuts has not shortened the latency, the queue is not ours, and the baseline was
  wrong: the limit returns to where it was.

By Little's law `limit * baseline / latency` is the limit at which the queue begins, the *knee*.
Soundings go below it, trials just above.
"""

from fleetpatch.rules.pacing.min_rtt import MinRtt
from fleetpatch.rules.pacing.queue_trial import QueueTrial
from fleetpatch.rules.pacing.sample_window import Findings, LimitKind, SampleWindow

TIGHT = 1.4
"""Latency that is put up with in any case, as a multiple of the baseline."""

_START = 4.0
_FLOOR = 4.0
"""So few are never too many; below, latency would tell more about chance than about load."""
_ROOM = 0.85
_AIM = 0.95
_GROWTH = 1.1
_FAST_GROWTH = 1.25
_DEEPEST_CUT = 0.7
_CLEAR = 2.0
_FREE = 1.15
_FEW = 8.0
_SERIES = 0.6
_SHORTER = 0.85
"""Cuts to `_SERIES` of the limit must bring the latency down to this share of what it was."""
_AT_KNEE = 1.25
_BELOW_KNEE = 0.6
_LEAST_PROBE = 2.0


class GradientLimit:
    """At most `limit` requests in flight, between 1 and `ceiling`.

    `number` marks the requests that are sent now; `answered` wants it back with the answer.
    """

    def __init__(self, ceiling: int, now: float) -> None:
        self._ceiling = float(ceiling)
        self._round = SampleWindow(min(_START, self._ceiling))
        self._baseline = MinRtt(now)
        self._patience = QueueTrial(now)
        self._steady = self._round.limit
        self._latency = 0.0
        self._cuts_from: tuple[float, float] | None = None

    @property
    def limit(self) -> float:
        """Requests that may be in flight now."""
        return self._round.limit

    @property
    def steady(self) -> float:
        """The limit that soundings and trials return to."""
        return self._steady

    @property
    def number(self) -> int:
        """The mark of requests that are sent now."""
        return self._round.number

    @property
    def is_starting(self) -> bool:
        """Whether it still doubles."""
        return self._round.kind is LimitKind.START

    @property
    def typical(self) -> float:
        """The latency of late, in seconds; 0 while it is not known."""
        return self._latency or self._baseline.latency

    def answered(self, latency: float, level: int, number: int, now: float) -> None:
        """An answer came after so many seconds; `level` requests were in flight with it."""
        if number != self._round.number:
            return
        found = self._round.add(latency, level)
        if found is not None:
            self._judge(found, now)

    def late(self, number: int) -> None:
        """An answer did not come in time: far too much is in flight."""
        if number == self._round.number:
            self._steer_to(max(1.0, self.limit * _DEEPEST_CUT))

    def refused(self) -> None:
        """The server has had enough: no more doubling."""
        if self.is_starting:
            self._steer_to(self.limit)

    def _judge(self, found: Findings, now: float) -> None:
        match self._round.kind:
            case LimitKind.START:
                self._start(found)
            case LimitKind.STEADY:
                self._steer(found, now)
            case LimitKind.SOUNDING:
                self._baseline.sound(found.latency, found.seconds, now)
                self._steer_to(self._steady)
            case LimitKind.TRIAL:
                goes_on = self._patience.judge(found.throughput, now)
                self._steer_to(self._steady if goes_on else self.limit)

    def _start(self, found: Findings) -> None:
        crowded = found.latency > _ROOM * self._target()
        clear = self.limit > _FEW or found.latency > _CLEAR * self._target()
        if self._baseline.latency and crowded and clear:
            self._steer_to(self._cut(found.latency))
            return
        self._baseline.gather(self._round.latencies)
        if self.limit >= self._ceiling:
            self._steer_to(self.limit)
        else:
            limit = self.limit * 2 if found.full else self.limit
            self._round.begin(LimitKind.START, min(self._ceiling, limit))
            self._steady = self.limit

    def _steer(self, found: Findings, now: float) -> None:
        latency, target = found.latency, self._target()
        self._latency = latency
        self._baseline.follow(latency)
        self._patience.note(found.throughput, now)
        if latency > target:
            self._shrink(latency)
        else:
            self._cuts_from = None
            grows = latency < _ROOM * target and found.full
            fast = latency < _FREE * self._baseline.latency
            most = _FAST_GROWTH if fast else _GROWTH
            factor = min(most, _AIM * target / latency) if grows else 1.0
            self._steer_to(max(self.limit + grows, self.limit * factor))
        self._probe(latency, now)

    def _shrink(self, latency: float) -> None:
        limit, before = self._cuts_from = self._cuts_from or (self.limit, latency)
        in_vain = self.limit <= _SERIES * limit and latency > _SHORTER * before
        if in_vain or self.limit <= _FLOOR:
            self._baseline.replace(latency)
            self._cuts_from = None
            self._steer_to(limit)
        else:
            self._steer_to(self._cut(latency))

    def _cut(self, latency: float) -> float:
        share = min(1.0, self._target() / latency)
        return max(min(_FLOOR, self.limit), self.limit * max(_DEEPEST_CUT, share))

    def _probe(self, latency: float, now: float) -> None:
        """Look behind the queue, where there is one and it is time."""
        knee = int(self.limit) * self._baseline.latency / latency
        queued = latency > TIGHT * self._baseline.latency
        if queued and self._baseline.sounded and self._patience.is_due(now):
            self._round.begin(LimitKind.TRIAL, self._within(round(knee * _AT_KNEE)))
        elif self._baseline.is_due(latency, now):
            least = min(_LEAST_PROBE, self._ceiling)
            self._round.begin(LimitKind.SOUNDING, max(least, round(knee * _BELOW_KNEE)))

    def _steer_to(self, limit: float) -> None:
        self._round.begin(LimitKind.STEADY, self._within(limit))
        self._steady = self.limit

    def _within(self, limit: float) -> float:
        return min(self._ceiling, max(1.0, limit))

    def _target(self) -> float:
        baseline = self._baseline.latency
        return max(TIGHT * baseline, baseline + self._patience.slack)
