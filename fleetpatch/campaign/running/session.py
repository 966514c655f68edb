"""One session of a run: what `apply` does between opening the run file and closing it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio
from msgspec.structs import replace

from fleetpatch.campaign.fleet import Missing
from fleetpatch.campaign.integrity import plan_of
from fleetpatch.campaign.running import former_workers
from fleetpatch.campaign.running.lanes import Guard, Listeners, RunOrder
from fleetpatch.campaign.running.limits import RunLimits, UsageMeter
from fleetpatch.campaign.running.live import LiveCounts
from fleetpatch.campaign.running.log import log_latest_outcomes, log_server_warnings, log_start
from fleetpatch.campaign.running.session_end import SessionEnd
from fleetpatch.campaign.running.session_fleet import SessionFleet, session_fleet
from fleetpatch.campaign.running.steering import Steering
from fleetpatch.campaign.running.target_rows import TargetRows
from fleetpatch.campaign.running.timeline import TimelineRecorder
from fleetpatch.campaign.running.traces import Traces
from fleetpatch.campaign.running.verification import SessionVerification
from fleetpatch.campaign.running.wave_check import failure_after
from fleetpatch.campaign.running.waves import Rollout, WaveHold, wave_incomplete
from fleetpatch.campaign.running.window import closed_window
from fleetpatch.campaign.running.wiring import (
    ceilings_of,
    lease_holder_of,
    pace_shown,
    renewing,
    set_pace,
    window_guard_of,
)
from fleetpatch.campaign.settings import ApplyOptions, Settings, Stop
from fleetpatch.campaign.whoami import whoami
from fleetpatch.engine import events, pipeline
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.events import FailsafeLog
from fleetpatch.engine.lease import LeaseHolder
from fleetpatch.engine.pipeline import RunLane
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.window import WindowGuard
from fleetpatch.engine.writer import Ended, JournalWriter, OutcomeWriter
from fleetpatch.errors import ClusterError, CredentialsError
from fleetpatch.journal import queries, sessions, tables
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.ports import Events
from fleetpatch.model.run import RunState, Summary
from fleetpatch.model.steering import PaceInForce
from fleetpatch.model.target import Target


class Session:
    """One session of a run: patches its open targets, until none is left or it is stopped.

    `summary` is that of the run file now. With `read_only` nothing is sent: targets that an earlier
    session left in doubt are read.
    """

    def __init__(
        self,
        journal: RunFile,
        summary: Summary,
        settings: Settings,
        log: Events,
        stop: Stop,
        options: ApplyOptions | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self._journal = journal
        self._plan = plan_of(journal)
        self._settings = settings
        self._stop = stop
        self._options = options or ApplyOptions()
        self._read_only = read_only
        # A log that fails stops the run, but requests in flight are still recorded.
        self._log = FailsafeLog(log, stop.request)
        self._writer = JournalWriter(journal)
        # Ends what the session waits for outside of its lanes: the window, a wave's pause or check.
        self._shutdown = Shutdown(settings.clock)
        stop.listen(lambda _cause: self._shutdown.request())
        # The reason of the run may be newer than the summary.
        summary = replace(summary, info=journal.info)
        self._limits = RunLimits(
            self._plan.retry.budget,
            None if journal.info.undo_of else self._plan.limits,
            summary.tally,
            planned=queries.planned(journal),
            accepted=journal.accepted_failures,
            stop=stop.request,
        )
        self._traces = Traces(settings.span)
        self._cut_short = False
        self._lanes: Sequence[RunLane] = ()
        self._pace = PaceInForce()
        self._counts = LiveCounts(
            summary,
            self._plan,
            settings.clock,
            settings.progress,
            settings.monitor,
            lambda: self._pace,
        )
        self._settings = replace(settings, progress=self._counts)
        self._timeline = TimelineRecorder(self._counts, settings.clock)
        self._number = 0
        self._steering = Steering(
            journal, self._writer, self._log, stop, self._counts, self._set_pace
        )
        self._verification = self._verification_after(summary)

    async def run(self) -> Summary:
        """Patch the open targets, and record how the session ended. Raises as `apply`."""
        if self._read_only:
            return await self._carry_out()
        async with self._steering.following(self._options):
            return await self._carry_out()

    def _verification_after(self, summary: Summary) -> SessionVerification:
        """Return the verification of the plan, if what this session does is verified."""
        info = self._journal.info
        is_verified = not (self._read_only or info.dry_run or info.undo_of)
        return SessionVerification(
            self._plan.verify if is_verified else None,
            journal=self._journal,
            writer=self._writer,
            settings=self._settings,
            log=self._log,
            shutdown=self._shutdown,
            stop=self._stop,
            counts=self._counts,
            accepts=summary.cause_code == CauseCode.MAX_REVERTED and not summary.tally.open,
        )

    async def _carry_out(self) -> Summary:
        if self._limits.halted and not self._read_only:
            # An earlier session passed the limit, and was killed before it could record that.
            return self._end([])
        window = self._window_guard()
        if window is not None and (closed := await self._closed(window)):
            return self._end(self._stopped or [closed])
        async with AsyncExitStack() as stack:
            try:
                fleet = await self._open_fleet(stack)
            except CredentialsError as error:
                if self._read_only:
                    raise
                return self._end([Cause(CauseCode.CREDENTIALS_REFUSED, str(error))])
            if fleet is None:
                return self._end(self._stopped)
            lease = self._lease_holder(fleet.home)
            guards = [guard for guard in (lease, window) if guard is not None]
            try:
                acquired = lease if lease and await lease.acquire() else None
            except ClusterError as error:
                return self._end([Cause(CauseCode.LEASE_UNAVAILABLE, str(error))])
            async with renewing(acquired), self._watched(window):
                # Only now: a wait for the Lease is not part of the session's usage.
                meter = UsageMeter(fleet.clusters, self._settings.clock, self._limits)
                lanes = self._built_lanes(fleet, guards, meter)
                hold = await self._patch_all(lanes, fleet, meter)
            # Without the Lease, and whatever the window and the deadline say: it only reads.
            if hold is None and not self._limits.halted:
                await self._verification.after_run(fleet.home)
                self._journal.count(meter.new_usage(), meter.new_warnings())
        return self._conclude(lanes, fleet.missing, hold)

    def _built_lanes(
        self, fleet: SessionFleet, guards: Sequence[Guard], meter: UsageMeter
    ) -> Sequence[RunLane]:
        """Build the lanes; the stop, the pace and the counts of the session reach them."""
        listeners = self._listeners(meter)
        ceilings = ceilings_of(self._plan.pace, self._pace)
        lanes = [
            fleet.lanes.lane(cluster.name, guards, ceilings, listeners)
            for cluster in fleet.clusters
        ]
        self._lanes = lanes
        self._counts.watch(lanes, fleet.clusters, meter.usage)
        for lane in lanes:
            # If the stop was requested already, this stops the lane at once.
            self._stop.listen(lane.stop)
        return lanes

    def _set_pace(self, in_force: PaceInForce) -> None:
        """Set the pace of this session; lanes that are built later have it, too."""
        self._pace = in_force
        set_pace(self._lanes, self._plan.pace, in_force)

    def _window_guard(self) -> WindowGuard | None:
        # A dry run changes nothing, and a mistake must be undone at any time.
        if self._read_only or self._journal.info.dry_run or self._journal.info.undo_of:
            return None
        # What is left to do is to verify the run, which only reads.
        if not self._counts.base.tally.open:
            return None
        return window_guard_of(self._plan, self._settings, self._stop)

    @property
    def _stopped(self) -> list[Cause]:
        return [self._stop.cause] if self._stop.cause else []

    async def _closed(self, window: WindowGuard) -> Cause | None:
        return await closed_window(window, self._options, self._settings, self._log, self._shutdown)

    async def _open_fleet(self, stack: AsyncExitStack) -> SessionFleet | None:
        """Open the clusters until `stack` ends; None if a stop was requested meanwhile."""
        journal = self._journal
        order = RunOrder(
            info=journal.info,
            plan=self._plan,
            merging=journal.merging,
            tables=tables.tables_of(journal),
            read_only=self._read_only,
            others_send=former_workers.seconds_left(journal, self._settings.clock),
            request_timeout=self._settings.request_timeout,
            journal=self._writer,
            clock=self._settings.clock,
            log=self._log,
            stop=self._stop,
            warn=self._settings.warn,
            traces=self._traces,
        )
        work = {name: tally.open for name, tally in self._counts.base.by_cluster.items()}
        rows = TargetRows(journal, self._writer)
        return await stack.enter_async_context(session_fleet(order, self._settings, rows, work))

    def _lease_holder(self, fleet: Sequence[ApiServer]) -> LeaseHolder | None:
        lock = self._plan.lock
        if lock is None or self._read_only or self._journal.info.dry_run:
            return None
        if not self._counts.base.tally.open:
            return None
        return lease_holder_of(lock, fleet, self._settings.clock, self._log, self._stop)

    @asynccontextmanager
    async def _watched(self, window: WindowGuard | None) -> AsyncIterator[None]:
        """Stop the session when its time is over or the window closes while the block runs."""
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._limits.deadline, self._settings.clock)
                tasks.start_soon(self._timeline.watch)
                if window is not None:
                    tasks.start_soon(window.watch)
                yield
                tasks.cancel_scope.cancel()

    def _listeners(self, meter: UsageMeter) -> Listeners:
        def settled(target: Target, settlement: Settlement) -> None:
            self._limits.settled(target, settlement)
            self._counts.ended(target, settlement)

        def reported(ended: Ended) -> None:
            self._limits.all_settled(ended)
            self._counts.all_ended(ended)

        def retried(record: RetryRecord) -> None:
            self._settings.progress.retried()
            self._counts.attempt_retried(record)
            events.attempt_retried(self._log, record)
            self._traces.retried(record)
            self._limits.retried(record, meter.requests)

        shown = pace_shown(self._settings, self._log, lambda: self._pace)
        traces = self._traces
        return Listeners(traces.settling(settled), traces.reporting(reported), retried, shown)

    async def _patch_all(
        self, lanes: Sequence[RunLane], fleet: SessionFleet, meter: UsageMeter
    ) -> WaveHold | None:
        """Run the lanes, wave by wave if the run has waves; return what holds the next wave."""
        journal = self._journal
        # Left by a process that was killed: any other end changes the state.
        crashed = journal.state is RunState.RUNNING
        # A session that only reads leaves a halted run halted.
        if not self._read_only:
            self._number = sessions.begin(
                journal,
                self._settings.clock.wall(),
                whoami(),
                over_workers=self._settings.workers is not None,
            )
        log_start(self._log, journal.info, fleet.clusters)
        log_server_warnings(self._log, fleet.clusters, known=self._counts.base.warnings)
        if crashed:
            log_latest_outcomes(self._log, journal)
        journal.new_usage, journal.new_warnings = meter.new_usage, meter.new_warnings
        journal.new_timeline = self._timeline.new
        try:
            if journal.waves and not self._read_only:
                return await self._roll_out(lanes, fleet)
            await self._run(lanes, fleet)
            return None
        finally:
            self._timeline.observe()
            # Usage since the last commit: reads, waits, and requests without an outcome.
            journal.count(meter.new_usage(), meter.new_warnings())

    async def _run(self, lanes: Sequence[RunLane], fleet: SessionFleet) -> None:
        settings = self._settings
        writer = OutcomeWriter(
            self._writer, settings.clock, self._log, settings.progress, fleet.lanes.recorded
        )
        await pipeline.run(self._traces.lanes(lanes), writer)

    async def _roll_out(self, lanes: Sequence[RunLane], fleet: SessionFleet) -> WaveHold | None:
        rollout = self._rollout(fleet.home)
        for number, ends in enumerate(self._journal.waves, 1):
            if hold := await rollout.before(number):
                return hold
            for lane in lanes:
                lane.last = ends.get(lane.cluster, 0)
            wave = self._traces.wave(number, len(self._journal.waves))
            async with rollout.deadline(self._stop.request), wave:
                await self._run(lanes, fleet)
            # The next wave does not begin while targets of this one are open: later a cluster would
            # receive all that it missed at once, without pause and check.
            if self._journal.wave(number).open:
                self._cut_short = number < len(self._journal.waves)
                return None
        return None

    def _rollout(self, fleet: Sequence[ApiServer]) -> Rollout:
        waves = self._plan.waves
        if waves is None:
            raise AssertionError("only a plan with waves makes a run with waves")
        return Rollout(
            waves,
            journal=self._journal,
            clock=self._settings.clock,
            log=self._log,
            shutdown=self._shutdown,
            verify=partial(self._verification.after_wave, home=fleet),
            check=partial(failure_after, self._journal, self._plan, fleet, self._shutdown),
            progress=self._settings.progress,
            promote=self._options.promote,
        )

    def _conclude(
        self, lanes: Sequence[RunLane], missing: Missing, hold: WaveHold | None
    ) -> Summary:
        if hold is not None:
            return self._end([hold.cause], state=hold.state)
        causes = [*self._verification.left, *(cause for lane in lanes for cause in lane.causes)]
        causes += [
            Cause(CauseCode.CREDENTIALS_REFUSED, f"{name}: {error}")
            for name, error in missing.items()
        ]
        # The run counts as partly done if clusters were given up and nothing else is open.
        some_ended = any(not lane.given_up for lane in lanes)
        if self._cut_short and some_ended and not self._stop.requested:
            causes = [wave_incomplete(self._journal, causes)]
        waits = (
            self._stop.requested
            or self._cut_short
            or bool(self._verification.left)
            or any(lane.has_unreadable for lane in lanes)
        )
        return self._end(causes, partly=some_ended and not waits)

    def _end(
        self, causes: Sequence[Cause], *, partly: bool = False, state: RunState = RunState.PAUSED
    ) -> Summary:
        end = SessionEnd(
            self._journal,
            self._log,
            self._settings.clock,
            self._limits,
            self._verification,
            self._steering,
            read_only=self._read_only,
        )
        return end.record(self._number, causes, partly=partly, state=state)
