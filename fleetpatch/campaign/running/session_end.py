"""How a session ended: the state of its run, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleetpatch.campaign.running.limits import RunLimits
from fleetpatch.campaign.running.steering import Steering
from fleetpatch.campaign.running.verification import SessionVerification
from fleetpatch.engine import events
from fleetpatch.journal import queries, sessions
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause
from fleetpatch.model.ports import Clock, Events
from fleetpatch.model.run import RunState, Summary
from fleetpatch.rules.running.run_state import final_state


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """Derives the state of a run from its tally, and from what ended its session.

    A session that is `read_only` leaves a halted run halted.
    """

    journal: RunFile
    log: Events
    clock: Clock
    limits: RunLimits
    verification: SessionVerification
    steering: Steering
    read_only: bool

    def record(
        self,
        number: int,
        causes: Sequence[Cause],
        *,
        partly: bool = False,
        state: RunState = RunState.PAUSED,
    ) -> Summary:
        """Record how session `number` ended; `state` is used if the run can be resumed."""
        # Counted once: each count reads all targets.
        counted, was = queries.summary(self.journal), self.journal.state
        tally = counted.tally
        # Cancelled after its last target has ended, the run is finished all the same.
        cancelled = self.steering.cancelled if tally.open else None
        info = self.journal.info
        # An undo puts back all that its run has changed, whatever that run left out.
        missing = {} if info.undo_of else info.missing
        verification = self.verification
        ended, cause = final_state(
            tally,
            causes,
            cancelled or self.limits.halted or verification.halted,
            missing,
            verified=verification.cause,
            unverified=bool(verification.left),
        )
        # `partly` describes an open run; a finished or halted one is complete in itself.
        partly = partly and ended is RunState.PAUSED
        if ended is RunState.PAUSED:
            ended = state
        if not (self.read_only and ended is RunState.PAUSED and was is RunState.HALTED):
            now = self.clock.wall()
            sessions.end(self.journal, number, now, ended, cause, partly=partly)
        summary = queries.with_state(self.journal, counted)
        events.run_finished(self.log, summary)
        return summary
