"""Requests a second, by what the server refuses.

Nothing is limited until the server refuses more than is tolerated. From then on there is a rate,
and the rate at which the server refused is remembered as the *edge*.

Where a refusal costs nothing but itself, the rate goes to what the server accepted, or is halved
while nearly everything is refused. It returns quickly to just below the edge, stays a while, and
then creeps on; the longer nothing is refused, the faster, so that new capacity is found.

Where each refusal costs a pause (Retry-After), it goes well below the edge, the more so the sooner
the refusal came: a bucket that was full has let more pass than it can sustain. It comes back to
near the edge gradually, and tries what lies behind it seldom; more seldom each time that it finds
the edge where it was.
"""

from math import inf, sqrt

from fleetpatch.rules.pacing.error_tolerance import ErrorTolerance

SLOWEST = 1.0
"""Requests a second that are sent even to a server that refuses everything."""

_WINDOW = 0.5
_LONGEST_WINDOW = 2.0
_ENOUGH = 20
_FLAGRANT = 0.35
_MOOD = 0.12
_SHORTEST = 0.02
_USED = 0.8
_FORGET = 10.0
_OUTAGE = 1.0
_STAY = -8
_LEAST_STEP = 0.5
_STEP = 0.02
_LARGEST_STEP = 0.2
_FAR = 0.9
_CUTS = ((0.5, 0.5), (2.0, 0.7), (inf, 0.85))
"""Seconds that a rate was borne before the pause, and what share of it is kept."""
_NEAR = 0.95
_APPROACH = 0.1
_SAME = 0.15
_HOLD = 20.0
_LONGEST_HOLD = 120.0
_FRESH = 15.0


class RateLimit:
    """At most `rate` requests a second; infinite while the server need not be spared."""

    def __init__(self, now: float) -> None:
        self.rate = inf
        self._tolerance = ErrorTolerance()
        self._edge = inf
        self._hold = _HOLD
        self._hold_until = now
        self._clean = 0
        self._is_outage = False
        self._used_at = now
        self._blamed_at = -inf
        self._was_hasty = False
        self._resumed_at = self._accepted_at = now
        self._begin(now)

    def accepted(self, sent_at: float, now: float) -> None:
        """A request that was sent at that time was accepted."""
        if sent_at >= self._since:
            self._accepted += 1
            self._mood -= _MOOD * self._mood
            self._accepted_at = now
            self._count(sent_at, now, 0.0, 0.0)

    def refused(self, sent_at: float, now: float, level: int, latency: float) -> None:
        """One was refused, at no further cost.

        `speed` is how many a second were on their way, by their latency.
        """
        if sent_at >= self._since:
            self._refused += 1
            self._mood += _MOOD * (1.0 - self._mood)
            self._count(sent_at, now, level / latency if latency else 0.0, latency)

    def paused(self, sent_at: float, resume_at: float, level: int, latency: float) -> None:
        """One was refused, and everybody pauses for it."""
        if sent_at < self._resumed_at:
            return
        borne = sent_at - self._resumed_at
        speed = level / latency if latency else 0.0
        rate = self._current(sent_at - self._since, self._accepted + 1, speed)
        accepted = self._accepted
        hasty = borne < _WINDOW and accepted < _ENOUGH
        nothing_learned = hasty and (not accepted or not self._was_hasty)
        self._was_hasty = hasty
        self._resumed_at = resume_at
        self._begin(resume_at)
        if nothing_learned:
            if not accepted:
                # Who refuses the very first one after a pause has not been refusing for the rate.
                self._acquit(sent_at)
            return
        again = abs(rate - self._edge) <= _SAME * rate
        self._hold = min(_LONGEST_HOLD, 2 * self._hold) if again else _HOLD
        self._hold_until = resume_at + self._hold
        self._edge, self._blamed_at = rate, sent_at
        self._clean = 0
        kept = next(share for seconds, share in _CUTS if borne < seconds)
        if borne < _WINDOW:
            # Far too fast: what passed, pause included, is nearer to the truth.
            passed = accepted / (resume_at - sent_at + borne)
            kept = min(kept, sqrt(passed / rate))
        self.rate = max(SLOWEST, kept * rate)

    def acquit(self, now: float, resume_at: float) -> None:
        """Everybody pauses for another cause, which was that of late refusals, too."""
        self._acquit(now)
        self._resumed_at = max(self._resumed_at, resume_at)
        self._begin(self._resumed_at)

    def _acquit(self, now: float) -> None:
        if now < self._blamed_at + _FRESH:
            self.rate = self._edge = inf

    def _begin(self, now: float) -> None:
        """Begin a window; it counts what is sent from now on."""
        self._since = self._last = now
        self._accepted = self._refused = 0
        self._mood = 0.0

    def _count(self, sent_at: float, now: float, speed: float, latency: float) -> None:
        self._last = max(self._last, sent_at)
        span, seen = self._last - self._since, self._accepted + self._refused
        if self._is_over(span, seen):
            self._judge(span, seen, now, speed)
            self._begin(now)
        elif self._mood > _FLAGRANT and span > latency:
            self._cut(self._current(span, seen, speed), self._accepted / span, now)
            self._begin(now)

    def _is_over(self, span: float, seen: int) -> bool:
        recovering = not self._refused and self.rate < self._edge / 2
        enough = seen >= _ENOUGH or span >= _LONGEST_WINDOW or (recovering and seen > 1)
        return span >= _WINDOW and enough

    def _judge(self, span: float, seen: int, now: float, speed: float) -> None:
        rate = self._current(span, seen, speed)
        if self._tolerance.exceeded(self._refused / seen, rate, now):
            accepted = 0.8 * rate if self._tolerance.in_vain else self._accepted / span
            self._cut(rate, accepted, now)
        else:
            self._is_outage = False
            self._grow(seen / span, now)

    def _current(self, span: float, seen: int, speed: float) -> float:
        return self.rate if self.rate < inf else max(speed, seen / max(span, _SHORTEST))

    def _cut(self, rate: float, accepted: float, now: float) -> None:
        # A server that refuses everything says nothing about rates.
        self._is_outage = self._is_outage or now - self._accepted_at >= _OUTAGE
        if (self._accepted and not self._is_outage) or self._edge == inf:
            self._edge = rate
        self.rate = max(SLOWEST, rate / 2, min(rate, accepted))
        self._clean = _STAY
        self._hold, self._hold_until = _HOLD, now

    def _grow(self, used: float, now: float) -> None:
        if self.rate == inf:
            return
        if used < _USED * self.rate:
            if now > self._used_at + _FORGET:
                self.rate = self._edge = inf
            return
        self._used_at = now
        near = _NEAR * self._edge
        if now < self._hold_until:
            self.rate += max(0.0, _APPROACH * (near - self.rate))
        elif self.rate < _FAR * self._edge < inf:
            self.rate = min(2 * self.rate, sqrt(self.rate * self._edge))
        else:
            self._clean += 1
            step = max(0, self._clean)
            self.rate += max(_LEAST_STEP * step, self.rate * min(_LARGEST_STEP, _STEP * step))
