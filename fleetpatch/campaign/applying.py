"""A run file carried out: lanes over its open targets, until none is left or something stops it."""

import math
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleetpatch._version import __version__
from fleetpatch.campaign.fleet import reopen_fleet
from fleetpatch.campaign.settings import Settings, whoami
from fleetpatch.engine import pipeline
from fleetpatch.engine.attempt import Courier, Orders, Retry
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.recorder import Recorder
from fleetpatch.engine.scribe import Scribe
from fleetpatch.journal import folds
from fleetpatch.journal.lock import hold
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.digest import restore
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import RunState, Summary, Usage, as_json
from fleetpatch.model.target import Seen, Target
from fleetpatch.report.logs import Log, open_log
from fleetpatch.rules.backoff import Backoff
from fleetpatch.rules.ending import ending
from fleetpatch.rules.settling import OnDrift


@dataclass(slots=True)
class Stop:
    """A way to end a run early from outside: nothing new is sent, what is in flight is recorded."""

    requested: bool = False
    _listeners: list[Callable[[str], None]] = field(default_factory=list)

    def request(self, cause: str) -> None:
        """Ask for the end; `cause` says in one line why. Safe to call more than once."""
        self.requested = True
        for listener in self._listeners:
            listener(cause)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the cause once the end is asked for."""
        self._listeners.append(listener)


async def apply(
    run_file: Path | str, settings: Settings | None = None, *, stop: Stop | None = None
) -> Summary:
    """Bring every open target of `run_file` to its end.

    A run that is finished already is left as it is. Raises Locked, RunFileError, LogError,
    KubeconfigError and CredentialsError; what a server does is in the summary instead.
    """
    run_file, settings = Path(run_file), settings or Settings()
    wall = settings.clock.wall
    with hold(run_file), RunFile.open(run_file, write=True, wall=wall) as journal:
        if journal.state is RunState.FINISHED:
            return folds.summary(journal)
        with open_log(settings.log_of(run_file), run=journal.info.run, now=wall) as log:
            return await _Session(journal, settings, log).run(stop or Stop())


class _Session:
    """One process's share of a run."""

    def __init__(self, journal: RunFile, settings: Settings, log: Log) -> None:
        self._journal = journal
        self._plan = restore(journal.info.plan)
        self._settings = settings
        self._log = log
        self._retries = 0

    async def run(self, stop: Stop) -> Summary:
        started = self._settings.clock.monotonic()
        async with reopen_fleet(self._journal.info.clusters, self._plan, self._settings) as fleet:
            lanes = self._lanes(fleet)
            for lane in lanes:
                stop.listen(lane.stop)
            self._journal.set_state(RunState.RUNNING)
            self._narrate_start(fleet)
            try:
                causes = await pipeline.run(lanes, self._recorder(lanes))
            finally:
                self._journal.count(self._usage(fleet, started))
        return self._end(causes)

    def _lanes(self, fleet: Sequence[ApiServer]) -> list[Lane]:
        orders, scribe = _orders(self._plan, self._journal), Scribe(self._journal)
        return [
            Lane(
                Courier(
                    cluster,
                    orders,
                    _pacer(self._plan, self._settings),
                    self._settings.clock,
                    random.random,
                    self._narrate_retry,
                ),
                scribe,
                self._plan.pace.concurrency,
            )
            for cluster in fleet
        ]

    def _recorder(self, lanes: Sequence[Lane]) -> Recorder:
        settings = self._settings
        return Recorder(lanes[0].scribe, settings.clock, self._log, settings.progress)

    def _usage(self, fleet: Sequence[ApiServer], started: float) -> Usage:
        sent = Counter[str]()
        for cluster in fleet:
            sent.update(cluster.requests)
        elapsed = self._settings.clock.monotonic() - started
        return Usage(sent["patch"], sent["get"], sent["list"], self._retries, elapsed)

    def _end(self, causes: Sequence[str]) -> Summary:
        state, cause = ending(folds.summary(self._journal).tally, causes)
        self._journal.set_state(state, cause)
        summary = folds.summary(self._journal)
        tell = self._log.info if state is RunState.FINISHED else self._log.warning
        tell("run.finished", **as_json(summary) | {"run": summary.info.run})
        return summary

    def _narrate_start(self, fleet: Sequence[ApiServer]) -> None:
        info = self._journal.info
        self._log.info(
            "run.started",
            plan=info.plan_name,
            digest=info.plan_digest,
            by=whoami(),
            pid=os.getpid(),
            version=__version__,
            servers={cluster.name: cluster.server for cluster in fleet},
            dry_run=info.dry_run,
        )
        for cluster in fleet:
            if cluster.insecure:
                self._log.warning("cluster.insecure", cluster=cluster.name, server=cluster.server)
        self._log.flush()

    def _narrate_retry(self, retry: Retry) -> None:
        self._retries += 1
        self._settings.progress.retried()
        target = retry.target
        self._log.info(
            "attempt.retried",
            cluster=target.cluster,
            kind=target.resource.name,
            namespace=target.namespace,
            name=target.name,
            uid=target.uid,
            attempts=retry.attempt,
            http_status=retry.http_status,
            verdict=retry.verdict,
            wait_ms=round(retry.wait * 1000, 1),
            detail=retry.detail,
        )


def _orders(plan: Plan, journal: RunFile) -> Orders:
    selectors = [block.selector for block in plan.targets]

    def matches(target: Target, seen: Seen) -> bool:
        return any(selectors[block].matches(seen.labels) for block in target.blocks)

    return Orders(
        change=plan.patch.change(),
        matches=matches,
        on_drift=OnDrift(plan.guards.on_drift),
        guarded=plan.guards.conflicts == "version",
        attempts=plan.retry.attempts,
        backoff=Backoff(cap=plan.retry.max_delay),
        retried=frozenset(plan.retry.statuses),
        dry_run=journal.info.dry_run,
    )


def _pacer(plan: Plan, settings: Settings) -> Pacer:
    rate = plan.pace.rate
    # Without a burst of its own, a plan may send one second's worth at once.
    burst = plan.pace.burst or (max(1, math.ceil(rate)) if rate else 1)
    return Pacer(settings.clock, rate, burst)
