"""Lets people steer a live run: reads their requests, and reports to them by the heartbeat.

A task beside the session looks for requests (`journal.runs.control`) twice a second, in a thread,
and reports once a second to the heartbeats (`journal.runs.heartbeat`), which have a thread of their
own. So a slow disk delays neither requests nor answers. The task sleeps real time, also where the
session's clock is another one: people wait for it.

Once a second it also flushes the log, if nothing else has done so: no line waits for an outcome.

A request that is followed is stored in the run file before it takes effect, so it is followed once,
and a change of the pace holds for later sessions.
"""

import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import msgspec
from anyio import to_thread

from fleetpatch._version import __version__
from fleetpatch.campaign.running.live import LiveCounts
from fleetpatch.campaign.settings import ApplyOptions, Stop
from fleetpatch.campaign.whoami import whoami
from fleetpatch.engine import events
from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.events import FailsafeLog
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import RunFileError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import control, heartbeat
from fleetpatch.journal.runs.heartbeat import Heartbeats
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.live import Holder
from fleetpatch.model.run import RunState
from fleetpatch.model.steering import Action, PaceInForce, Request, pace_in_force
from fleetpatch.model.times import rfc3339
from fleetpatch.report.wording import steered

POLL_INTERVAL: Final = 0.5
"""Seconds between two reads of the requests; a request is followed within two seconds."""

_SESSION: Final = secrets.token_hex(8)
"""The id of this process's sessions."""


def now_rfc3339() -> str:
    """Return this moment as RFC 3339 in UTC, to the second."""
    return rfc3339(time.time())


def new_request(action: Action, **more: object) -> Request:
    """Return a request that this user makes now; `more` are further fields of a Request."""
    made = {"id": secrets.token_hex(8), "at": now_rfc3339(), "by": whoami(), "action": action}
    return msgspec.convert(made | more, Request)


def cause_of(request: Request) -> Cause:
    """Return the cause with which a request to pause or to cancel ends a session."""
    cancelled = request.action is Action.CANCEL
    return Cause(CauseCode.CANCELLED if cancelled else CauseCode.PAUSE_REQUESTED, steered(request))


@contextmanager
def holding(run_file: Path) -> Iterator[Heartbeats]:
    """Show by heartbeats that this process uses a run file for writing, while the block runs.

    The caller has the lock of the run file, unless it makes the file. Raises Locked if a session on
    another machine uses it, and RunFileError if the heartbeat cannot be written.
    """
    heartbeat.refuse_elsewhere(run_file)
    beating = Heartbeats(run_file, _holder())
    with ExitStack() as stack:
        try:
            stack.enter_context(beating)
        except OSError as error:
            raise RunFileError(
                f"{heartbeat.beside(run_file)}: {error.strerror}; nothing was sent: check the path"
                " and the rights on its folder"
            ) from error
        yield beating


def _holder() -> Holder:
    user, _, host = whoami().rpartition("@")
    return Holder(
        _SESSION, user, host, os.getpid(), now_rfc3339(), heartbeat.machine(), __version__
    )


class Steering:
    """Follows the requests for one session of a run.

    `counts` are those of the session. `set_pace` is called with the pace in force, once at
    the start and after each change. A pause and a cancellation request `stop`.
    """

    def __init__(
        self,
        journal: RunFile,
        writer: JournalWriter,
        log: FailsafeLog,
        stop: Stop,
        counts: LiveCounts,
        set_pace: Callable[[PaceInForce], None],
    ) -> None:
        self._journal, self._writer, self._log, self._stop = journal, writer, log, stop
        self._counts, self._set_pace = counts, set_pace
        self._heartbeats = journal.heartbeats
        self._followed = list(journal.steering)
        counts.steering = self._followed
        self._unread = self._logged = ""
        self._problems_logged = 0
        self.cancelled: Cause | None = None

    @asynccontextmanager
    async def following(self, options: ApplyOptions) -> AsyncIterator[None]:
        """Follow requests while the block runs, and those that are there before it begins."""
        await self._follow([*_of_options(options), *self._new(self._read())])
        self._set_pace(pace_in_force(self._followed))
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch)
                yield
                tasks.cancel_scope.cancel()
        # What has ended since the last look.
        self._counts.reported(self._counts.report())
        self._log_monitor()
        # Requests that were not followed are kept for the next session.
        if not self._new(self._read()) and not self._unread:
            control.remove(self._journal.path)

    async def _watch(self) -> None:
        beat_at = 0.0
        while True:
            if new := self._new(await to_thread.run_sync(self._read)):
                await self._follow(new)
                beat_at = 0.0
            # At once after a request: the person who made it waits for the answer.
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + heartbeat.INTERVAL
                report = self._counts.report()
                self._counts.reported(report)
                if self._heartbeats is not None:
                    self._heartbeats.report(report, [one.id for one in self._followed])
                self._log.flush_if_due()
            self._look_at_heartbeats()
            await anyio.sleep(POLL_INTERVAL)

    def _look_at_heartbeats(self) -> None:
        """Log a new problem. Raises Locked if another session has taken the run over."""
        problem = self._unread
        if self._heartbeats is not None:
            self._heartbeats.raise_if_taken_over()
            problem = problem or self._heartbeats.problem
        if problem not in ("", self._logged):
            events.control_failed(self._log, problem)
        self._logged = problem
        self._log_monitor()

    def _log_monitor(self) -> None:
        problems = self._counts.monitor.problems
        for one in problems[self._problems_logged :]:
            events.metrics_failed(self._log, one)
        self._problems_logged = len(problems)

    def _read(self) -> Sequence[Request]:
        try:
            found = control.read(self._journal.path)
        except RunFileError as error:
            self._unread = str(error)
            return ()
        self._unread = ""
        return found

    def _new(self, requests: Sequence[Request]) -> list[Request]:
        """Return the requests that are not followed yet, and are for this session."""
        known = {one.id for one in self._followed}
        return [one for one in requests if one.id not in known and one.session in ("", _SESSION)]

    async def _follow(self, requests: Sequence[Request]) -> None:
        for one in requests:
            await self._writer.between_writes(partial(self._store, one))
            self._followed.append(one)
            events.run_steered(self._log, one)
            if one.action is Action.PACE:
                self._set_pace(pace_in_force(self._followed))
                continue
            cause = cause_of(one)
            if one.action is Action.CANCEL:
                self.cancelled = cause
            self._stop.request(cause)

    def _store(self, request: Request) -> None:
        """Store a request before it is followed and answered.

        The state of a cancelled run is stored now, too: if this process is killed while it waits
        for requests in flight, the run must not be continued.
        """
        if request.action is Action.CANCEL:
            self._journal.set_state(RunState.HALTED, cause_of(request))
        self._journal.note_steering(request)


def _of_options(options: ApplyOptions) -> list[Request]:
    """Return the change of the pace that the options of the command ask for, if they do."""
    if options.rate is None and options.concurrency is None:
        return []
    return [new_request(Action.PACE, rate=options.rate, concurrency=options.concurrency)]
