"""Computes the samples of all metrics from what is known of a command at one moment.

Labels are bounded here: the first `MAX_CLUSTERS` clusters of the fleet have series of their own,
and the others are added up as `OTHER`; a status without a name of its own counts as its class, such
as `5xx`. All other labels have values of closed sets.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import accumulate
from math import inf
from operator import add
from typing import Final

import msgspec

from fleetpatch._version import __version__
from fleetpatch.metrics import catalog
from fleetpatch.metrics.catalog import Metric
from fleetpatch.model.answer import Silence
from fleetpatch.model.live import ClusterLoad, Live
from fleetpatch.model.pace import PaceCause
from fleetpatch.model.run import Standing, Summary, Tally
from fleetpatch.model.traffic import BOUNDS, NO_TRAFFIC, PATCH, Traffic
from fleetpatch.model.verification import VerifyResult
from fleetpatch.model.window import Window
from fleetpatch.rules.running.window import window_status

MAX_CLUSTERS: Final = 50
"""Clusters with series of their own: the histogram of one has two dozen."""
OTHER: Final = "(other)"
"""The label of what has no label of its own."""

_OWN_STATUSES: Final = frozenset(
    {
        *("200", "201", "202", "400", "401", "403", "404", "406", "408", "409", "410", "413"),
        *("415", "422", "423", "425", "429", "500", "501", "502", "503", "504", "507"),
        *map(str, Silence),
    }
)
_CONFLICT: Final = "409"


class Last(msgspec.Struct, frozen=True):
    """The last command of a plan that ended, and the last success; None if not known."""

    ended_at: float | None = None
    exit_code: int | None = None
    cause_code: str = ""
    succeeded_at: float | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """What is known of a command at one moment; times are in seconds since the epoch.

    `summary` is that of its run, and `live` what its session reports; None while there is none.
    """

    plan: str
    command: str
    started_at: float
    at: float
    is_running: bool = True
    last: Last = Last()
    window: Window | None = None
    summary: Summary | None = None
    live: Live | None = None
    loads: Mapping[str, ClusterLoad] = {}


class Sample(msgspec.Struct, frozen=True):
    """One value; `name` is that of its series, and `labels` are in the metric's order."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples_of(snapshot: Snapshot) -> Iterator[tuple[Metric, Sequence[Sample]]]:
    """Return the samples of each metric that has some."""
    computed = (
        *(_of_command, _of_window, _of_run),
        *(_of_verification, _of_session, _of_clusters),
    )
    values: dict[Metric, list[Sample]] = {}
    for of in computed:
        for metric, value, *labels in of(snapshot):
            named = dict(zip(metric.labels, labels, strict=True))
            sample = Sample(metric.name, {"plan": snapshot.plan, **named}, value)
            values.setdefault(metric, []).append(sample)
    for label, loads in _by_label(snapshot).items():
        values.setdefault(catalog.DURATION, []).extend(_histogram(snapshot.plan, label, loads))
    for metric in catalog.METRICS:
        if found := values.get(metric):
            yield metric, found


_Value = tuple[Metric, float, *tuple[str, ...]]
"""A metric, a value, and the values of its labels in their order."""


def _of_command(snapshot: Snapshot) -> Iterator[_Value]:
    last = snapshot.last
    yield catalog.BUILD_INFO, 1, __version__
    yield catalog.RUNNING, snapshot.is_running, snapshot.command
    yield catalog.LAST_START, snapshot.started_at
    yield catalog.LAST_REPORT, snapshot.at
    if last.ended_at is not None:
        yield catalog.LAST_END, last.ended_at
    if last.succeeded_at is not None:
        yield catalog.LAST_SUCCESS, last.succeeded_at
    if last.exit_code is not None:
        yield catalog.LAST_EXIT_CODE, last.exit_code
        yield catalog.LAST_CAUSE, 1, last.cause_code


def _of_window(snapshot: Snapshot) -> Iterator[_Value]:
    if snapshot.window is None:
        yield catalog.WINDOW_OPEN, 1
        yield catalog.WINDOW_OPENS, 0
        yield catalog.WINDOW_CLOSES, 0
        return
    status = window_status(snapshot.window, snapshot.at)
    yield catalog.WINDOW_OPEN, status.may_send
    yield catalog.WINDOW_OPENS, status.opens_at or 0
    yield catalog.WINDOW_CLOSES, status.closes_at or 0


def _of_run(snapshot: Snapshot) -> Iterator[_Value]:
    summary = snapshot.summary
    if summary is None:
        return
    labels = _labels(snapshot)
    tallies: dict[str, Tally] = {}
    for cluster, tally in summary.by_cluster.items():
        label = labels[cluster]
        tallies[label] = tallies.get(label, Tally()) + tally
    for label, tally in tallies.items():
        for standing in Standing:
            count = getattr(tally, standing.name.lower())
            yield catalog.TARGETS, count, label, standing.value
    for outcome, reasons in summary.reasons.items():
        for reason, count in reasons.items():
            yield catalog.ENDED_TARGETS, count, outcome.value, reason.value
    yield catalog.WAVES, len(summary.waves)


def _of_verification(snapshot: Snapshot) -> Iterator[_Value]:
    verification = snapshot.summary.verification if snapshot.summary else None
    if verification is None:
        return
    labels = _labels(snapshot)
    results: dict[str, Counter[VerifyResult]] = {}
    for cluster, found in verification.clusters.items():
        results.setdefault(labels.get(cluster, OTHER), Counter()).update(found)
    for label, counts in results.items():
        # Zeros as well, so that an alert ends when all targets hold again.
        for result in VerifyResult:
            yield catalog.VERIFIED_TARGETS, counts[result], label, result.value
    yield catalog.LAST_VERIFICATION, verification.ended_at


def _of_session(snapshot: Snapshot) -> Iterator[_Value]:
    live = snapshot.live if snapshot.is_running else None
    yield catalog.WAVE, live.wave.number if live and live.wave else 0
    yield catalog.WORKERS, len(live.workers) if live else 0
    yield catalog.EXPECTED_END, (live.ends_at or 0) if live else 0


def _of_clusters(snapshot: Snapshot) -> Iterator[_Value]:
    for label, loads in _by_label(snapshot).items():
        traffic = _traffic(loads)
        requests: Counter[tuple[str, str]] = Counter()
        for (verb, status), count in traffic.answers.items():
            requests[verb, _status(status)] += count
        for (verb, status), count in requests.items():
            yield catalog.REQUESTS, count, label, verb, status
        yield catalog.CONFLICTS, traffic.by_status(PATCH).get(_CONFLICT, 0), label
        retries: Counter[str] = Counter()
        for load in loads:
            retries.update(load.retries)
        for verdict, count in retries.items():
            yield catalog.RETRIES, count, label, verdict.replace(" ", "-")
        in_flight = sum(load.in_flight for load in loads) if snapshot.is_running else 0
        yield catalog.IN_FLIGHT, in_flight, label
        yield catalog.LIMIT_IN_FLIGHT, sum(load.pace.concurrency for load in loads), label
        rates = [inf if load.pace.rate is None else load.pace.rate for load in loads]
        yield catalog.LIMIT_RATE, sum(rates), label
        causes = Counter(load.pace.cause for load in loads if snapshot.is_running)
        for cause in PaceCause:
            yield catalog.PACE_CAUSE, causes[cause], label, cause.value


def _histogram(plan: str, label: str, loads: Iterable[ClusterLoad]) -> Iterator[Sample]:
    traffic = _traffic(loads)
    bucket, total, count = catalog.DURATION.series
    labels = {"plan": plan, "cluster": label}
    counts = [traffic.durations.get(position, 0) for position in range(len(BOUNDS) + 1)]
    bounds = [*map(str, BOUNDS), "+Inf"]
    for bound, so_far in zip(bounds, accumulate(counts), strict=True):
        yield Sample(bucket, {**labels, "le": bound}, so_far)
    yield Sample(total, labels, traffic.seconds)
    yield Sample(count, labels, sum(counts))


def _traffic(loads: Iterable[ClusterLoad]) -> Traffic:
    return reduce(add, (load.traffic for load in loads), NO_TRAFFIC)


def _labels(snapshot: Snapshot) -> dict[str, str]:
    """Return the label of each cluster: its name, or `OTHER`. The fleet's order decides."""
    named = snapshot.summary.by_cluster if snapshot.summary else ()
    names = dict.fromkeys([*named, *snapshot.loads])
    return {name: name if at < MAX_CLUSTERS else OTHER for at, name in enumerate(names)}


def _by_label(snapshot: Snapshot) -> dict[str, list[ClusterLoad]]:
    labels, grouped = _labels(snapshot), dict[str, list[ClusterLoad]]()
    for cluster, load in snapshot.loads.items():
        grouped.setdefault(labels[cluster], []).append(load)
    return grouped


def _status(status: str) -> str:
    if status in _OWN_STATUSES:
        return status
    return f"{status[0]}xx" if status[:1] in "12345" and len(status) == 3 else OTHER  # noqa: PLR2004 - digits
