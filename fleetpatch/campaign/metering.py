"""What a session has spent and was warned of so far, told piece by piece to the run file."""

from collections import Counter
from collections.abc import Callable, Sequence

from fleetpatch.kube.client import ApiServer
from fleetpatch.model.ports import Clock
from fleetpatch.model.run import Usage


class Meter:
    """Counts requests and warnings of a fleet, retries and time; each piece is told once."""

    def __init__(
        self, fleet: Sequence[ApiServer], clock: Clock, retries: Callable[[], int]
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._retries = retries
        self._told_at = clock.monotonic()
        self._told: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()

    @property
    def requests(self) -> int:
        """PATCHes and GETs so far."""
        return sum(one.requests["patch"] + one.requests["get"] for one in self._fleet)

    def spent(self) -> Usage:
        """What was spent since this was last asked."""
        now = self._clock.monotonic()
        sent = Counter({"retries": self._retries()})
        for cluster in self._fleet:
            sent.update(cluster.requests)
        new, elapsed = sent - self._told, now - self._told_at
        self._told, self._told_at = sent, now
        return Usage(new["patch"], new["get"], new["list"], new["retries"], elapsed)

    def warned(self) -> Counter[str]:
        """What the fleet's servers warned of since this was last asked."""
        warned: Counter[str] = Counter()
        for cluster in self._fleet:
            warned.update(dict(cluster.warnings.counts))
        new = warned - self._warned
        self._warned = warned
        return new
