"""One session of a run: what `apply` does between opening the run file and closing it."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio

from fleetpatch.campaign import wave_check
from fleetpatch.campaign.fleet import Missing, reopen_fleet
from fleetpatch.campaign.integrity import plan_of
from fleetpatch.campaign.limits import RunLimits, UsageMeter
from fleetpatch.campaign.log import log_latest_outcomes, log_server_warnings, log_start
from fleetpatch.campaign.plan import window_guard_of
from fleetpatch.campaign.settings import ApplyOptions, Settings, Stop
from fleetpatch.campaign.waves import WaveGate, WaveHold
from fleetpatch.campaign.wiring import holding_lease, lease_holder_of, pacer_of, patch_policy_of
from fleetpatch.engine import events, pipeline
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.events import FailsafeLog
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.lease import LeaseHolder
from fleetpatch.engine.policy import PatchContext
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.window import WindowGuard
from fleetpatch.engine.writer import JournalWriter, OutcomeWriter
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.ports import Events
from fleetpatch.model.run import RunState, Summary
from fleetpatch.rules.running.run_state import ending


class Session:
    """One process's share of a run: lanes over its open targets, until they come to rest."""

    def __init__(
        self,
        journal: RunFile,
        settings: Settings,
        log: Events,
        stop: Stop,
        permits: ApplyOptions | None = None,
    ) -> None:
        self._journal = journal
        self._plan = plan_of(journal)
        self._settings = settings
        self._stop = stop
        self._permits = permits or ApplyOptions()
        self._log = FailsafeLog(log, stop.request)
        self._waiting = Shutdown(settings.clock)
        stop.listen(lambda _cause: self._waiting.call())
        self._overseer = RunLimits(
            self._plan.retry.budget,
            None if journal.info.undo_of else self._plan.limits,
            queries.summary(journal).tally,
            queries.planned(journal),
            journal.pardoned,
            lambda: self._meter.requests,
            stop.request,
        )
        self._cut_short = False
        self._meter = UsageMeter([], settings.clock, lambda: self._overseer.retries)

    async def run(self, *, read_only: bool = False) -> Summary:
        """Bring the open targets to their ends, or (`read_only`) only read what is in doubt.

        Raises as `apply`.
        """
        info = self._journal.info
        # Nothing is changed by reading or by a rehearsal, and a mistake must be undone at any time.
        free = read_only or info.dry_run
        if self._overseer.halted and not read_only:
            # An earlier session passed the limit, and was killed before it could say so.
            return self._end([], partly=False)
        gate = (
            None
            if free or info.undo_of
            else window_guard_of(self._plan, self._settings, self._stop)
        )
        if gate is not None and not await self._opened(gate):
            return self._end([self._stop.cause or self._closed(gate)], partly=False)
        async with AsyncExitStack() as stack:
            with anyio.CancelScope() as opening:
                # A log-in may wait for a person, and nothing is in flight yet.
                self._stop.listen(lambda _cause: opening.cancel())
                fleet, missing = await stack.enter_async_context(
                    reopen_fleet(info, self._plan, self._settings)
                )
            if opening.cancelled_caught:
                return self._end([self._stop.cause], partly=False)
            tenure = None if free else self._tenure(fleet)
            lanes = self._lanes(fleet, tenure, gate, read_only=read_only)
            for lane in lanes:
                self._stop.listen(lane.stop)
            async with holding_lease(tenure), self._watched(gate):
                held = await self._carry_out(lanes, fleet, read_only=read_only)
        return self._sum_up(lanes, missing, held)

    def _closed(self, gate: WindowGuard) -> str:
        in_vain = "; --promote was in vain, give it again then" if self._permits.promoted else ""
        return gate.cause(gate.outlook()) + in_vain

    async def _opened(self, gate: WindowGuard) -> bool:
        """Tell whether the window is open, once it was waited for if that is allowed."""
        if self._permits.patient and not gate.outlook().may_send:
            events.window_awaited(self._log, gate.cause(gate.outlook()))
            self._settings.progress.limited("", gate.cause(gate.outlook()))
            await gate.wait(self._waiting)
        return gate.outlook().may_send

    @asynccontextmanager
    async def _watched(self, gate: WindowGuard | None) -> AsyncIterator[None]:
        """Mind the window and the deadline while the block runs."""
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._overseer.deadline, self._settings.clock)
                if gate is not None:
                    tasks.start_soon(gate.watch)
                yield
                tasks.cancel_scope.cancel()

    async def _carry_out(
        self, lanes: Sequence[Lane], fleet: Sequence[ApiServer], *, read_only: bool
    ) -> WaveHold | None:
        """Run the lanes; gives why the next wave must not begin, if so."""
        journal, clock = self._journal, self._settings.clock
        crashed = journal.state is RunState.RUNNING
        journal.set_state(RunState.RUNNING)
        log_start(self._log, journal.info, fleet)
        log_server_warnings(self._log, fleet, known=queries.summary(journal).warnings)
        if crashed:
            log_latest_outcomes(self._log, journal)
        self._meter = UsageMeter(fleet, clock, lambda: self._overseer.retries)
        journal.meter, journal.warned = self._meter.spent, self._meter.warned
        try:
            if journal.waves and not read_only:
                return await self._in_waves(lanes, self._waving(fleet))
            await pipeline.run(lanes, self._recorder(lanes))
            return None
        finally:
            journal.count(self._meter.spent(), self._meter.warned())

    async def _in_waves(self, lanes: Sequence[Lane], waving: WaveGate) -> WaveHold | None:
        for number, ends in enumerate(self._journal.waves):
            if held := await waving.before(number):
                return held
            for lane in lanes:
                lane.last = ends.get(lane.cluster, 0)
            async with waving.deadline(self._stop.request):
                await pipeline.run(lanes, self._recorder(lanes))
            # A part of a wave that was left open is reason enough not to begin the next: what a
            # cluster missed would otherwise come all at once, without pause and check.
            if self._journal.wave(number).open:
                self._cut_short = number + 1 < len(self._journal.waves)
                return None
        return None

    def _waving(self, fleet: Sequence[ApiServer]) -> WaveGate:
        waves = self._plan.waves
        if waves is None:
            raise AssertionError("a run has waves where its plan has them")

        async def check() -> str:
            if waves.check is None:
                return ""
            return await wave_check.failure(waves.check, self._plan, fleet, self._waiting)

        return WaveGate(
            waves,
            self._journal,
            self._settings.clock,
            self._log,
            self._waiting,
            check,
            self._settings.progress,
            self._permits.promoted,
        )

    def _tenure(self, fleet: Sequence[ApiServer]) -> LeaseHolder | None:
        lock = self._plan.lock
        if lock is None:
            return None
        return lease_holder_of(lock, fleet, self._settings.clock, self._log, self._stop)

    def _lanes(
        self,
        fleet: Sequence[ApiServer],
        tenure: LeaseHolder | None,
        gate: WindowGuard | None,
        *,
        read_only: bool,
    ) -> list[Lane]:
        clock, info, plan = self._settings.clock, self._journal.info, self._plan
        writer = JournalWriter(self._journal)
        guards = [guard.holds for guard in (tenure, gate) if guard is not None]
        return [
            Lane(
                ClusterPatcher(
                    PatchContext(
                        cluster,
                        patch_policy_of(
                            info,
                            plan,
                            cluster.name,
                            release=self._journal.releases.get(cluster.name, ""),
                            read_only=read_only,
                        ),
                        pacer_of(plan, self._settings, cluster.name, self._log),
                        Shutdown(clock, lambda: all(holds() for holds in guards)),
                        clock,
                    ),
                    random.random,
                ),
                writer,
                plan.pace.in_flight,
                on_settled=self._overseer.settled,
                on_retried=self._retried,
            )
            for cluster in fleet
        ]

    def _recorder(self, lanes: Sequence[Lane]) -> OutcomeWriter:
        settings = self._settings
        return OutcomeWriter(lanes[0].writer, settings.clock, self._log, settings.progress)

    def _retried(self, retry: RetryRecord) -> None:
        self._settings.progress.retried()
        events.attempt_retried(self._log, retry)
        self._overseer.retried(retry)

    def _sum_up(self, lanes: Sequence[Lane], missing: Missing, held: WaveHold | None) -> Summary:
        causes = sorted({cause for lane in lanes for cause in lane.causes})
        causes += [f"{name}: {cause}" for name, cause in missing.items()]
        if held is not None:
            return self._end([held.cause], partly=False, state=held.state)
        # A cluster that was given up does not make the rest of the fleet any less finished.
        some_ended = any(not lane.given_up for lane in lanes)
        waits = self._stop.requested or self._cut_short or any(lane.puzzled for lane in lanes)
        return self._end(causes, partly=some_ended and not waits)

    def _end(
        self, causes: Sequence[str], *, partly: bool, state: RunState | None = None
    ) -> Summary:
        tally = queries.summary(self._journal).tally
        ended, cause = ending(tally, causes, self._overseer.halted)
        if state is not None and ended is RunState.PAUSED:
            ended = state
        partly = partly and ended is RunState.PAUSED
        self._journal.set_state(ended, cause, partly=partly)
        summary = queries.summary(self._journal)
        events.run_finished(self._log, summary)
        return summary
