"""The verifications that a plan asks for (`verify`): after each wave, and after the run.

When one is due follows from the run file: some time after the last success. So a session that ended
while it waited is continued by waiting for the rest of that time.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from msgspec.structs import replace

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.running.live import LiveCounts
from fleetpatch.campaign.settings import Settings, Stop
from fleetpatch.campaign.usage import usage_of, warnings_of
from fleetpatch.campaign.verification import Verifier, ids_to_verify
from fleetpatch.engine import events
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import ClusterError, CredentialsError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.verification import last_success
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.plan.verification import VerifySection
from fleetpatch.model.ports import Events
from fleetpatch.model.verification import Verification
from fleetpatch.report.wording import moment
from fleetpatch.rules.running.verification import accepted, cause_after_run, cause_after_wave


class SessionVerification:
    """Verifies the run of one session as `section` says, or not at all if it is None.

    The objects are read from `home`, or by workers if the session has any. `shutdown` and `stop`
    end a wait and a verification early. `accepts` means that a person resumes a run that was halted
    at its end because of reverted objects.

    After `after_run`, `cause` is what a person should look at, and `left` says why the run is still
    to be verified.
    """

    def __init__(
        self,
        section: VerifySection | None,
        journal: RunFile,
        writer: JournalWriter,
        settings: Settings,
        log: Events,
        shutdown: Shutdown,
        stop: Stop,
        counts: LiveCounts,
        *,
        accepts: bool,
    ) -> None:
        self._section = section
        self._journal, self._writer = journal, writer
        self._settings, self._log = settings, log
        self._shutdown, self._stop = shutdown, stop
        self._counts = counts
        self._accepts = accepts
        self.cause: Cause | None = None
        self.left: Sequence[Cause] = ()

    @property
    def halted(self) -> Cause | None:
        """Why the run is halted; None if it is not."""
        is_over = self.cause is not None and self.cause.code is CauseCode.MAX_REVERTED
        return self.cause if is_over else None

    async def after_wave(self, wave: int, home: Sequence[ReadCluster]) -> Cause | None:
        """Verify the wave of this number, from 1; return why the next one must not begin.

        Returns None as well if `shutdown` was requested, or if nothing was changed in the wave.
        """
        if self._section is None:
            return None
        try:
            found = await self._verify(self._section, wave, home)
        except (ClusterError, CredentialsError) as error:
            return Cause(CauseCode.TARGETS_UNVERIFIED, str(error))
        return cause_after_wave(self._section.max_reverted, found) if found else None

    async def after_run(self, home: Sequence[ReadCluster]) -> None:
        """Verify the whole run, unless targets of it are open; sets `cause` and `left`."""
        if self._section is None:
            return
        tally = queries.summary(self._journal).tally
        if tally.open or not tally.applied:
            return
        try:
            found = await self._verify(self._section, None, home)
        except (ClusterError, CredentialsError) as error:
            self.left = [Cause(CauseCode.TARGETS_UNVERIFIED, str(error))]
            return
        if found is not None:
            cause = cause_after_run(self._section.max_reverted, found)
            self.cause = accepted(cause) if self._accepts else cause
        # Cancelled after its last target has ended, the run is finished all the same.
        elif self._stop.cause and self._stop.cause.code is not CauseCode.CANCELLED:
            self.left = [self._stop.cause]

    async def _verify(
        self, section: VerifySection, wave: int | None, home: Sequence[ReadCluster]
    ) -> Verification | None:
        success = last_success(self._journal, ids_to_verify(self._journal, wave))
        if success is None or self._shutdown.requested:
            return None
        await self._wait(success, section.after, wave)
        if self._shutdown.requested:
            return None
        found: Verification | None = None
        with anyio.CancelScope() as reading:
            self._stop.listen(lambda _cause: reading.cancel())
            async with self._clusters(home) as clusters:
                verifier = Verifier(self._journal, self._writer, self._settings, self._log)
                found, failed = await verifier.run(clusters, wave=wave)
            for error in failed:
                self._settings.warn(f"{error}; its objects were not verified")
            self._counts.base = replace(self._counts.base, verification=found)
        return found

    async def _wait(self, success: float, after: float, wave: int | None) -> None:
        settings, until = self._settings, success + after
        seconds = until - settings.clock.wall()
        if seconds <= 0:
            return
        events.verification_awaited(self._log, wave=wave, until=moment(until))
        settings.progress.limited("", f"the verification at {moment(until)}")
        # Bounded: a wall clock that is set back must not make the wait longer than planned.
        await self._shutdown.sleep(min(seconds, after))
        settings.progress.limited("", "")

    @asynccontextmanager
    async def _clusters(self, home: Sequence[ReadCluster]) -> AsyncIterator[Sequence[ReadCluster]]:
        pool = self._settings.workers
        if pool is None:
            # The session counts what these send.
            yield home
            return
        async with pool.reading(self._journal.info, self._settings) as remote:
            try:
                yield remote
            finally:
                self._journal.count(usage_of(remote), warnings_of(remote))
