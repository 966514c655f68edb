"""Counts the exchanges with one server, for `Traffic`."""

from collections import defaultdict
from time import monotonic
from typing import Final

from fleetpatch.model.answer import Silence
from fleetpatch.model.traffic import BOUNDS, PATCH, Traffic, bucket_of

# The attribute of an enumeration is looked up at each access, which takes longer than a count.
_UNREACHABLE: Final = Silence.UNREACHABLE


class TrafficMeter:
    """Counts ended requests; `now` is the clock that measures them.

    This is the hot path, so `now` is a function in C, and PATCHes are counted by numbers alone.
    """

    def __init__(self) -> None:
        self.now = monotonic
        self._patches: defaultdict[int, int] = defaultdict(int)
        self._answers: dict[tuple[str, str], int] = {}
        self._durations = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def note(self, verb: str, status: int | Silence, began_at: float) -> None:
        """Count a request that began then and ends now; a cancelled one is not counted."""
        if verb == PATCH and type(status) is int:
            self._patches[status] += 1
        else:
            key = verb, str(status)
            self._answers[key] = self._answers.get(key, 0) + 1
            if verb != PATCH or status is _UNREACHABLE:
                return
        seconds = self.now() - began_at
        self._durations[bucket_of(seconds)] += 1
        self._seconds += seconds

    @property
    def traffic(self) -> Traffic:
        """The counts so far."""
        patches = {(PATCH, str(status)): count for status, count in self._patches.items()}
        durations = {bucket: count for bucket, count in enumerate(self._durations) if count}
        return Traffic(patches | self._answers, durations, self._seconds)
