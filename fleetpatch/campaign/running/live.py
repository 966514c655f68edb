"""Counts how a session gets on, for its heartbeat, for `status` and for the lines of progress.

The counts begin with those of the run file and are raised as targets end, so that a second of
status costs the same for a thousand targets and for a million. They are added up by cluster, by
kind and by namespace, and not for each combination of these, of which a large fleet has hundreds of
thousands. The run file stays the evidence: a session that has ended is summarized from it.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from math import inf
from typing import Final, TypeAlias

from msgspec.structs import replace

from fleetpatch.campaign.running.lanes import RunCluster
from fleetpatch.campaign.settings import NoMonitor
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.pipeline import RunLane
from fleetpatch.engine.writer import Ended
from fleetpatch.model.live import ClusterLoad, Live, ReasonSample, StatusReport, Wave, WorkerLoad
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason, Settlement, by_outcome
from fleetpatch.model.pace import PaceCause
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Clock, Monitor, Progress
from fleetpatch.model.run import RunState, Standing, Summary, Tally, Usage, WaveProgress
from fleetpatch.model.steering import PaceInForce, Request
from fleetpatch.model.target import TargetIdentity
from fleetpatch.report.pace import limit_in_words
from fleetpatch.rules.running.eta import expected_end

_SPAN: Final = 10.0
"""Seconds over which the rate now is measured."""

_Cell: TypeAlias = tuple[str, str, str, Reason]
"""Cluster, kind, namespace and reason."""

_Counts: TypeAlias = Counter[tuple[str, Standing]]
"""Numbers of targets by place and standing."""


@dataclass(slots=True)
class _Ended:
    """Counts of the targets that have ended in this session."""

    total: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    clusters: _Counts = field(default_factory=Counter)
    kinds: _Counts = field(default_factory=Counter)
    namespaces: _Counts = field(default_factory=Counter)
    _new: Counter[_Cell] = field(default_factory=Counter)

    def add(self, cell: _Cell) -> None:
        """Count a target; `fold` adds it to the other counts."""
        self.total += 1
        self._new[cell] += 1

    def add_all(self, cells: Iterable[_Cell]) -> None:
        """Count targets together, which costs less than one at a time."""
        counts = Counter(cells)
        self.total += counts.total()
        self._new.update(counts)

    def fold(self) -> None:
        """Add up what is new. Once a second, since it costs more than `add`."""
        for (cluster, kind, namespace, reason), count in self._new.items():
            standing = Standing(OUTCOME_OF[reason].value)
            self.reasons[reason] += count
            self.clusters[cluster, standing] += count
            self.kinds[kind, standing] += count
            self.namespaces[namespace, standing] += count
        self._new.clear()


@dataclass(slots=True)
class _Rates:
    """Rates of targets that ended: over the last seconds, and without waits."""

    _marks: deque[tuple[float, int]] = field(default_factory=deque)
    _active: float = 0.0

    def look(self, now: float, done: int, *, waits: bool) -> tuple[float, float]:
        """Return the rate now and the rate overall, where `done` targets have ended so far."""
        marks = self._marks
        if waits:
            # What was measured before a wait says nothing about the time after it.
            marks.clear()
        elif marks:
            self._active += now - marks[-1][0]
        marks.append((now, done))
        while marks[0][0] < now - _SPAN:
            marks.popleft()
        (since, before) = marks[0]
        rate = (done - before) / (now - since) if now > since else 0.0
        return rate, done / self._active if self._active else 0.0


@dataclass(slots=True)
class LiveCounts:
    """The port `Progress` of a session: passes its calls on to `shown`, and keeps what they say.

    `base` is the summary at the start of the session. Reports go to `monitor`, too. `in_force`
    returns the ceilings that people have set, `steering` the requests that were followed.
    """

    base: Summary
    plan: Plan
    clock: Clock
    shown: Progress
    monitor: Monitor = field(default_factory=NoMonitor)
    in_force: Callable[[], PaceInForce] = PaceInForce
    steering: Sequence[Request] = ()
    _lanes: Sequence[RunLane] = ()
    _clusters: Mapping[str, RunCluster] = field(default_factory=dict)
    _retries: dict[str, Counter[str]] = field(default_factory=dict)
    _usage: Callable[[], Usage] = Usage
    _ended: _Ended = field(default_factory=_Ended)
    _samples: dict[Reason, ReasonSample] = field(default_factory=dict)
    _wave: Wave | None = None
    _waits_for: str = ""
    _began_at: float | None = None
    _rates: _Rates = field(default_factory=_Rates)

    def watch(
        self,
        lanes: Sequence[RunLane],
        clusters: Sequence[RunCluster],
        usage: Callable[[], Usage],
    ) -> None:
        """Report on these lanes and clusters, and the usage of the session that `usage` returns."""
        self._lanes, self._usage = lanes, usage
        self._clusters = {cluster.name: cluster for cluster in clusters}

    def ended(self, target: TargetIdentity, settlement: Settlement) -> None:
        """Count a target that has ended."""
        if self._began_at is None:
            self._began_at = self.clock.wall()
        self._ended.add(_cell(target, settlement))
        if settlement.reason not in self._samples:
            self._keep_sample(target, settlement)

    def all_ended(self, ended: Ended) -> None:
        """Count targets that a worker has reported together."""
        if self._began_at is None:
            self._began_at = self.clock.wall()
        self._ended.add_all(starmap(_cell, ended))
        if {settlement.reason for _, settlement in ended} <= self._samples.keys():
            return
        for target, settlement in ended:
            if settlement.reason not in self._samples:
                self._keep_sample(target, settlement)

    def _keep_sample(self, target: TargetIdentity, settlement: Settlement) -> None:
        cluster, kind, namespace, reason = _cell(target, settlement)
        self._samples[reason] = ReasonSample(
            cluster, kind, namespace, target.name, settlement.detail
        )

    def attempt_retried(self, record: RetryRecord) -> None:
        """Count an attempt that will be repeated."""
        self._retries.setdefault(record.target.cluster, Counter())[record.verdict.value] += 1

    def loads(self) -> dict[str, ClusterLoad]:
        """Return what the session does in each cluster at this moment, and has done so far."""
        return {
            lane.cluster: ClusterLoad(
                lane.in_flight,
                lane.pace,
                self._clusters[lane.cluster].traffic,
                dict(self._retries.get(lane.cluster, {})),
            )
            for lane in self._lanes
        }

    @property
    def outcomes(self) -> Counter[Outcome]:
        """The targets that have ended in this session, by outcome."""
        self._ended.fold()
        counts: Counter[Outcome] = Counter()
        for reason, count in self._ended.reasons.items():
            counts[OUTCOME_OF[reason]] += count
        return counts

    @property
    def waits(self) -> bool:
        """Whether the session waits for a window, for the next wave or for a person."""
        return bool(self._waits_for) or (
            self._wave is not None and self._wave.starts_at is not None
        )

    # The port `Progress`

    def planned(self, found: int) -> None:
        """Pass it on."""
        self.shown.planned(found)

    def settled(self, outcome: Outcome, count: int) -> None:
        """Pass it on."""
        self.shown.settled(outcome, count)

    def retried(self) -> None:
        """Pass it on."""
        self.shown.retried()

    def limited(self, place: str, what: str) -> None:
        """Keep what the session waits for ("")."""
        if not place:
            self._waits_for = what
        self.shown.limited(place, what)

    def wave(self, number: int, of: int, starts_at: float | None) -> None:
        """Keep which wave is under way, or is awaited."""
        self._wave = Wave(number, of, starts_at)
        self._waits_for = ""
        self.shown.wave(number, of, starts_at)

    def reported(self, report: StatusReport) -> None:
        """Pass it on."""
        self.shown.reported(report)
        self.monitor.reported(report, self.loads)

    def report(self) -> StatusReport:
        """Return the status at this moment; called about once a second."""
        now, overall = self._rates.look(self.clock.monotonic(), self._ended.total, waits=self.waits)
        summary = self._summary()
        rate = min(now or overall, self._ceiling(summary))
        next_at, ends_at = self._expected(rate, summary.tally.open)
        if any(lane.pace.cause is PaceCause.FAILING for lane in self._lanes):
            # The rate of the time before says nothing now.
            next_at, ends_at = None, None
        wave = self._wave
        live = Live(
            rate_now=now,
            rate_overall=overall,
            in_flight=sum(lane.in_flight for lane in self._lanes),
            limited_by=self._limits(),
            waits_for=self._waits_for,
            wave=wave and Wave(wave.number, wave.of, wave.starts_at, next_at),
            ends_at=ends_at,
            workers=self._workers(),
        )
        return StatusReport(summary, live, dict(self._samples))

    def _workers(self) -> dict[str, WorkerLoad]:
        """Return what each worker does; empty if this process sends all requests."""
        loads: dict[str, WorkerLoad] = {}
        for lane in self._lanes:
            if lane.worker:
                load = loads.get(lane.worker, WorkerLoad())
                loads[lane.worker] = load + WorkerLoad(1, lane.in_flight)
        return loads

    def _limits(self) -> dict[str, str]:
        """Return what limits the pace of each cluster that something limits."""
        in_force = self.in_force()
        limits = {lane.cluster: limit_in_words(lane.pace, in_force) for lane in self._lanes}
        return {cluster: words for cluster, words in limits.items() if words}

    def _ceiling(self, summary: Summary) -> float:
        """Return how many targets a second the rates in force allow; infinite without a rate.

        A rate that was lowered holds at once, while those measured are of the time before it.
        """
        rate = self.in_force().rate or self.plan.pace.rate or inf
        # It holds for each cluster, and a target takes at least one request.
        return rate * max(1, sum(tally.open > 0 for tally in summary.by_cluster.values()))

    def _expected(self, rate: float, open_targets: int) -> tuple[float | None, float | None]:
        """Return when the next wave is expected to begin, and when the run is expected to end."""
        section, info = self.plan.waves, self.base.info
        pause = section.pause if section else 0.0
        by_hand = section is not None and section.promote == "manual"
        # A dry run and an undo ignore the window.
        planned = None if info.dry_run or info.undo_of else self.plan.window
        window = planned.window() if planned else None
        number = self._wave.number if self._wave else len(self.base.waves)
        later = [wave.open for wave in self.base.waves[number:]]
        now, starts_at = self.clock.wall(), self._wave.starts_at if self._wave else None
        first = max(0, open_targets - sum(later))
        waves = [first, *later]
        ends = expected_end(
            now, rate, waves, pause=pause, starts_at=starts_at, by_hand=by_hand, window=window
        )
        if not later or by_hand:
            return None, ends
        this = expected_end(now, rate, [first], starts_at=starts_at, window=window)
        return None if this is None else this + pause, ends

    def _summary(self) -> Summary:
        base, ended = self.base, self._ended
        ended.fold()
        return replace(
            base,
            # The reader knows its path, which may have bytes that JSON cannot have.
            run_file="",
            state=RunState.RUNNING,
            cause="",
            cause_code="",
            # Few kinds have few counts, and each target is in one of them.
            tally=_raised(base.tally, ((key[1], count) for key, count in ended.kinds.items())),
            reasons=_raised_reasons(base.reasons, ended.reasons),
            by_cluster=_raised_by(base.by_cluster, ended.clusters),
            by_kind=_raised_by(base.by_kind, ended.kinds),
            by_namespace=_raised_by(base.by_namespace, ended.namespaces),
            usage=base.usage + self._usage(),
            started=base.started or self._began_at,
            steering=tuple(self.steering),
            waves=self._waves(base.tally.open - ended.total),
        )

    def _waves(self, open_targets: int) -> tuple[WaveProgress, ...]:
        """Return the waves: those before the one under way have no open targets any more."""
        waves = self.base.waves
        if self._wave is None:
            return waves
        number = self._wave.number - 1
        this = max(0, open_targets - sum(wave.open for wave in waves[number + 1 :]))
        return (
            *(replace(wave, open=0) for wave in waves[:number]),
            replace(waves[number], open=this),
            *waves[number + 1 :],
        )


def _cell(target: TargetIdentity, settlement: Settlement) -> _Cell:
    return target.cluster, target.kind, target.namespace, settlement.reason


def _raised(tally: Tally, new: Iterable[tuple[Standing, int]]) -> Tally:
    """Return a tally with targets that have ended since; all others that are open are pending."""
    counts = Counter(
        {
            Standing.APPLIED: tally.applied,
            Standing.UNCHANGED: tally.unchanged,
            Standing.SKIPPED: tally.skipped,
            Standing.FAILED: tally.failed,
        }
    )
    for standing, count in new:
        counts[standing] += count
    return Tally.of([*counts.items(), (Standing.PENDING, tally.total - counts.total())])


def _raised_by(tallies: Mapping[str, Tally], new: _Counts) -> dict[str, Tally]:
    ended: dict[str, list[tuple[Standing, int]]] = {}
    for (place, standing), count in new.items():
        ended.setdefault(place, []).append((standing, count))
    return {place: _raised(tally, ended.get(place, ())) for place, tally in tallies.items()}


def _raised_reasons(
    reasons: Mapping[Outcome, Mapping[Reason, int]], new: Mapping[Reason, int]
) -> dict[Outcome, dict[Reason, int]]:
    counts: Counter[Reason] = Counter(new)
    for inner in reasons.values():
        counts.update(inner)
    return by_outcome(counts)
