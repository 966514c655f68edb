"""Whether a queue at the server pays.

Up to a point it may: a server whose stages work in batches gets up to speed only with a queue
before each, and a queue of `SLACK` seconds is nothing to its other clients. On another server the
very same queue only makes everybody wait. So it is put up with until a *trial*, a round without it,
is nearly as fast; twice running, because one round may be lucky.
"""

SLACK = 0.020
"""Seconds above the baseline that are put up with where a queue pays."""

_FIRST = 0.5
_AGAIN = 0.25
_EVERY = 10.0
_UNTIL = 60.0
_PAYS = 0.92
"""A queue pays unless going without it keeps this share of the throughput."""
_SURE = 2
_MEMORY = 0.5


class QueueTrial:
    """`slack` is how many seconds of queue are put up with at the moment."""

    def __init__(self, now: float) -> None:
        self._pays = True
        self._in_vain = 0
        self._throughput = 0.0
        self._due = now + _FIRST

    @property
    def slack(self) -> float:
        """Seconds of queue that are put up with."""
        return SLACK if self._pays else 0.0

    def note(self, throughput: float, now: float) -> None:
        """Note what the server does with a queue; after a while without one it gets its chance."""
        self._throughput += _MEMORY * (throughput - self._throughput)
        if not self._pays and now >= self._due:
            self._pays, self._due = True, now + _FIRST

    def is_due(self, now: float) -> bool:
        """Whether to try it without a queue."""
        return self._pays and now >= self._due

    def judge(self, throughput: float, now: float) -> bool:
        """Judge a trial; tells whether the queue goes on."""
        if throughput < _PAYS * self._throughput:
            self._in_vain, self._due = 0, now + _EVERY
            return True
        self._in_vain += 1
        if self._in_vain < _SURE:
            self._due = now + _AGAIN
            return True
        self._pays, self._in_vain, self._due = False, 0, now + _UNTIL
        return False
