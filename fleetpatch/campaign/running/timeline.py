"""Observes a session once a second, for the timeline in its run file.

`observe` adds what is new since the last call. The writer of outcomes takes it with its next group
(`RunFile.new_timeline`), in the same transaction, so nothing is written to the disk for the
timeline alone. If a process is killed, its last second may be missing.
"""

import math
from collections import Counter
from collections.abc import Collection
from threading import Lock
from typing import Final

import anyio

from fleetpatch.campaign.running.live import LiveCounts
from fleetpatch.model.live import ClusterLoad
from fleetpatch.model.pace import PaceCause
from fleetpatch.model.ports import Clock
from fleetpatch.model.timeline import Bucket, Timeline
from fleetpatch.model.traffic import NO_TRAFFIC, PATCH, Key, Traffic

INTERVAL: Final = 1.0
"""Seconds between two observations."""

_READ: Final = "get"


class TimelineRecorder:
    """Observes what `counts` has, until it is not watched any more."""

    def __init__(self, counts: LiveCounts, clock: Clock) -> None:
        self._counts, self._clock = counts, clock
        self._at: float | None = None
        self._traffic = NO_TRAFFIC
        self._retries: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._new = Timeline()
        # The writer takes what is new in a thread of its own.
        self._lock = Lock()

    async def watch(self) -> None:
        """Observe every second, until it is cancelled."""
        self.begin()
        while True:
            # Real time, as for the heartbeat: also where the clock of the session is another one.
            await anyio.sleep(INTERVAL)
            self.observe()

    def begin(self) -> None:
        """Begin to measure the time."""
        self._at = self._clock.monotonic()

    def observe(self) -> None:
        """Add what is new since the last observation; nothing during a wait."""
        now = self._clock.monotonic()
        since, self._at = self._at, now
        bucket = self._bucket(0.0 if since is None else now - since)
        is_idle = not (bucket.ended or bucket.answers or bucket.most)
        if since is None or (is_idle and (self._counts.waits or not bucket.limits)):
            return
        with self._lock:
            self._new.add(self._clock.wall(), bucket)

    def new(self) -> Timeline:
        """Return what was observed since the last call; may be called from any thread."""
        with self._lock:
            found, self._new = self._new, Timeline()
        return found

    def _bucket(self, seconds: float) -> Bucket:
        loads = self._counts.loads().values()
        traffic, retries = _traffic(loads), _retries(loads)
        ended = Counter({outcome.value: n for outcome, n in self._counts.outcomes.items()})
        new = traffic - self._traffic
        at_once = sum(load.in_flight for load in loads)
        allowed = sum(load.pace.concurrency for load in loads if _has_work(load))
        # The durations of what has ended add up to the requests in flight times the seconds; a look
        # at one moment would miss what takes milliseconds. Long requests began before this second.
        in_flight = min(new.seconds, max(at_once, allowed) * seconds)
        bucket = Bucket(
            seconds,
            dict(ended - self._ended),
            new.by_status(PATCH),
            new.by_status(_READ),
            dict(retries - self._retries),
            new.durations,
            in_flight if new.durations else at_once * seconds,
            allowed * seconds,
            max(at_once, math.ceil(in_flight / seconds) if seconds else 0),
            _limits(loads, seconds),
        )
        self._traffic, self._retries, self._ended = traffic, retries, ended
        return bucket


def _has_work(load: ClusterLoad) -> bool:
    """Return whether a cluster has anything to send: `work` is also the cause of an ended lane."""
    return load.in_flight > 0 or load.pace.cause is not PaceCause.WORK


def _limits(loads: Collection[ClusterLoad], seconds: float) -> dict[str, float]:
    """Return for how long each cause limited a cluster."""
    causes = Counter(load.pace.cause.value for load in loads if _has_work(load))
    return {cause: count * seconds for cause, count in causes.items()}


def _traffic(loads: Collection[ClusterLoad]) -> Traffic:
    """Add up the traffic of all clusters, of which there may be hundreds."""
    answers: Counter[Key] = Counter()
    durations: Counter[int] = Counter()
    seconds = 0.0
    for load in loads:
        answers.update(load.traffic.answers)
        durations.update(load.traffic.durations)
        seconds += load.traffic.seconds
    return Traffic(answers, durations, seconds)


def _retries(loads: Collection[ClusterLoad]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for load in loads:
        counts.update(load.retries)
    return counts
