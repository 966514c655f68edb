"""One session of a run: what `apply` does between opening the run file and closing it."""

import os
import random
from collections import Counter
from collections.abc import Sequence

from fleetpatch._version import __version__
from fleetpatch.campaign.fleet import reopen_fleet
from fleetpatch.campaign.leasing import tenancy, tenure_of
from fleetpatch.campaign.orders import orders_of, pacer_of
from fleetpatch.campaign.settings import Settings, whoami
from fleetpatch.campaign.stopping import Stop
from fleetpatch.engine import pipeline
from fleetpatch.engine.attempt import Courier, Retry
from fleetpatch.engine.halt import Halt
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.narrator import Narrator
from fleetpatch.engine.recorder import Recorder
from fleetpatch.engine.scribe import Scribe
from fleetpatch.engine.tenure import Tenure
from fleetpatch.journal import folds
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.digest import restore
from fleetpatch.model.ports import Events
from fleetpatch.model.run import RunState, Summary, Usage, as_json
from fleetpatch.rules.ending import ending
from fleetpatch.rules.narrating import tell


class Session:
    """One process's share of a run: lanes over its open targets, until they come to rest."""

    def __init__(self, journal: RunFile, settings: Settings, log: Events, stop: Stop) -> None:
        self._journal = journal
        self._plan = restore(journal.info.plan)
        self._settings = settings
        self._stop = stop
        self._log = Narrator(log, stop.request)
        self._retries = 0

    async def run(self, *, read_only: bool = False) -> Summary:
        """Bring the open targets to their ends, or (`read_only`) only read what is in doubt.

        Raises as `apply`.
        """
        started = self._settings.clock.monotonic()
        async with reopen_fleet(self._journal.info.clusters, self._plan, self._settings) as fleet:
            # Nothing is changed by reading or by a rehearsal, so nobody is to be kept out.
            tenure = None if read_only or self._journal.info.dry_run else self._tenure(fleet)
            lanes = self._lanes(fleet, tenure, read_only=read_only)
            for lane in lanes:
                self._stop.listen(lane.stop)
            async with tenancy(tenure):
                causes = await self._carry_out(lanes, fleet, started)
        return self._end(causes)

    async def _carry_out(
        self, lanes: Sequence[Lane], fleet: Sequence[ApiServer], started: float
    ) -> Sequence[str]:
        """Run the lanes; gives the causes for which targets were left open."""
        crashed = self._journal.state is RunState.RUNNING
        self._journal.set_state(RunState.RUNNING)
        self._narrate_start(fleet)
        if crashed:
            self._narrate_again()
        try:
            return await pipeline.run(lanes, self._recorder(lanes))
        finally:
            self._journal.count(self._usage(fleet, started))

    def _tenure(self, fleet: Sequence[ApiServer]) -> Tenure | None:
        lock = self._plan.lock
        if lock is None:
            return None
        return tenure_of(lock, fleet, self._settings.clock, self._log, self._stop)

    def _lanes(
        self, fleet: Sequence[ApiServer], tenure: Tenure | None, *, read_only: bool
    ) -> list[Lane]:
        clock = self._settings.clock
        info = self._journal.info
        scribe = Scribe(self._journal)
        return [
            Lane(
                Courier(
                    cluster,
                    orders_of(info, self._plan, cluster.name, read_only=read_only),
                    pacer_of(self._plan, self._settings),
                    Halt(clock, tenure.holds) if tenure else Halt(clock),
                    clock,
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
        say = self._log.info if state is RunState.FINISHED else self._log.warning
        say("run.finished", **as_json(summary) | {"run": summary.info.run})
        return summary

    def _narrate_start(self, fleet: Sequence[ApiServer]) -> None:
        info = self._journal.info
        self._log.info(
            "run.started",
            plan=info.plan_name,
            digest=info.plan_digest,
            undo_of=info.undo_of,
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

    def _narrate_again(self) -> None:
        """Tell of the last outcomes before a crash, which may have come between record and log."""
        for target, settlement in folds.latest(self._journal):
            tell(self._log, target, settlement)
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
