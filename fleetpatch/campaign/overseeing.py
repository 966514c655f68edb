"""What ends a session before its time: too many failures, too many retries, too much time.

An overseer is told of every end and every retry, on the event loop, before anything else is sent.
What is in flight at that moment still ends, so a limit may be overshot by as much as that, and the
cause says by how much.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fleetpatch.engine.attempt import Retry
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Clock
from fleetpatch.model.run import Tally
from fleetpatch.report.wording import duration
from fleetpatch.rules.limits import failures_allowed, retries_allowed
from fleetpatch.rules.verdicts import Verdict

_COUNTED = frozenset({Verdict.RETRY, Verdict.IN_DOUBT})
"""Retries that the server caused; conflicts are other writers', and stale credentials nobody's."""


def _is_counted(retry: Retry) -> bool:
    """Tell what costs budget.

    What never reached the server burdens nobody: a cluster that is down is given up by its lane,
    and must not use up the others' budget before that.
    """
    undelivered = retry.verdict is Verdict.RETRY and retry.http_status is None
    return retry.verdict in _COUNTED and not undelivered


@dataclass(slots=True)
class Overseer:
    """Watches one session of a run; `stop` is called with the cause, once for each.

    `tally` is the run's at the start, of whose failures `pardoned` were accepted by a person;
    `requests` counts what the session has sent.
    """

    plan: Plan
    tally: Tally
    pardoned: int
    requests: Callable[[], int]
    stop: Callable[[str], None]
    retries: int = 0
    _counted: int = 0
    _failures: int = 0
    _is_over: bool = False
    _is_spent: bool = False

    def __post_init__(self) -> None:
        # Of those that were accepted, some may have been taken back to be tried again.
        self._failures = max(0, self.tally.failed - self.pardoned)

    @property
    def halted(self) -> str:
        """Why the run is halted, in one line; empty where it is not."""
        allowed = self._allowed
        if allowed is None or self._failures <= allowed:
            return ""
        more = self._failures - allowed - 1
        late = f"; {more} of them were in flight when it was passed" if more else ""
        return (
            f"{self._failures} targets failed and limits.maxFailures allows {allowed}{late};"
            " look at them, then go on with `fleetpatch resume`"
        )

    def settled(self, settlement: Settlement) -> None:
        """Count a failure; one more than is allowed halts the run."""
        if settlement.outcome is not Outcome.FAILED:
            return
        self._failures += 1
        if self.halted and not self._is_over:
            self._is_over = True
            self.stop(self.halted)

    def retried(self, retry: Retry) -> None:
        """Count a retry; with the budget spent the run pauses."""
        self.retries += 1
        if not _is_counted(retry):
            return
        self._counted += 1
        sent, budget = self.requests(), self.plan.retry.budget
        if self._is_spent or self._counted <= retries_allowed(budget, sent, self._open):
            return
        self._is_spent = True
        last = f"{retry.http_status or ''} {retry.detail}".strip()
        self.stop(
            f"the retry budget is used up: {self._counted} of {sent} requests were retries"
            f" ({budget} allowed), the last after: {last}"
        )

    async def deadline(self, clock: Clock) -> None:
        """Stop the session when its time is over; returns at once where it has no end."""
        limits = self.plan.limits
        if limits is not None and limits.deadline is not None:
            await clock.sleep(limits.deadline)
            self.stop(f"the deadline of {duration(limits.deadline)} has passed")

    @property
    def _open(self) -> int:
        return self.tally.open

    @property
    def _allowed(self) -> int | None:
        limits, tally = self.plan.limits, self.tally
        if limits is None or limits.max_failures is None:
            return None
        planned = tally.open + tally.applied + tally.failed
        return failures_allowed(limits.max_failures, planned)
