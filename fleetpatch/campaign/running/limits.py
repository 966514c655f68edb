"""The limits of a session (failures, retries, time), and the measurement of its usage.

RunLimits counts each settled target and each retry on the event loop, before anything else is sent.
Requests that are in flight when a limit is exceeded still end, so the count may exceed the limit by
as many; the cause of the halt has their number.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from fleetpatch.campaign.running.lanes import RunCluster
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.clock import sleep_monotonic
from fleetpatch.engine.writer import Ended
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason, Settlement
from fleetpatch.model.plan.schema import LimitsSection
from fleetpatch.model.ports import Clock
from fleetpatch.model.run import Tally, Usage
from fleetpatch.model.target import TargetIdentity
from fleetpatch.model.units import Percent
from fleetpatch.report.wording import duration
from fleetpatch.rules.answers.verdicts import SERVER_FAULTS, Verdict
from fleetpatch.rules.running.limits import failures_allowed, retries_allowed


class RunLimits(msgspec.Struct):
    """Watches one session of a run; `stop` is called once for each limit that is exceeded.

    `limits` are the plan's, or None for an undo: a mistake must be undone as a whole.

    `tally` is the tally of the run at the start of the session; a person has accepted `accepted` of
    its failures. `planned` is the number of targets to patch in the whole run.

    A request that never reached a server does not load it and costs no budget. Requests without an
    answer cost budget only when their cluster answers again: a cluster that hangs or is down is
    stopped by its lane, and must not use up the budget of the others before that.
    """

    budget: Percent
    limits: LimitsSection | None
    tally: Tally
    planned: int
    accepted: int
    stop: Callable[[Cause], None]
    retries: int = 0
    _counted: int = 0
    _unanswered: Counter[str] = msgspec.field(default_factory=Counter)
    _failures: int = 0
    _is_over: bool = False
    _is_spent: bool = False

    def __post_init__(self) -> None:
        # Some of the accepted failures may have been reopened since.
        self._failures = max(0, self.tally.failed - self.accepted)

    @property
    def halted(self) -> Cause | None:
        """Why the run is halted; None if it is not."""
        allowed = self._allowed
        if allowed is None or self._failures <= allowed:
            return None
        more = self._failures - allowed - 1
        late = f"; {more} of these ended while the run was stopping" if more else ""
        return Cause(
            CauseCode.MAX_FAILURES,
            f"{self._failures} targets failed and limits.maxFailures allows {allowed}{late};"
            " look at them before you resume the run",
        )

    def settled(self, target: TargetIdentity, settlement: Settlement) -> None:
        """Count a failure; one more than allowed halts the run."""
        # The cluster answers, so its requests without an answer cost budget now.
        if settlement.reason is not Reason.EXHAUSTED:
            self._counted += self._unanswered.pop(target.cluster, 0)
        if settlement.outcome is not Outcome.FAILED:
            return
        self._failures += 1
        if (halted := self.halted) and not self._is_over:
            self._is_over = True
            self.stop(halted)

    def all_settled(self, ended: Ended) -> None:
        """Count the failures of targets that a worker has reported together."""
        # What counts nothing is most of them.
        reasons = {settlement.reason for _, settlement in ended}
        if self._unanswered or any(OUTCOME_OF[one] is Outcome.FAILED for one in reasons):
            for target, settlement in ended:
                self.settled(target, settlement)

    def retried(self, record: RetryRecord, sent: int) -> None:
        """Count a retry; more than the budget allows for `sent` requests pauses the run."""
        self.retries += 1
        if record.verdict not in SERVER_FAULTS:
            # Conflicts and expired credentials do not show that the server is overloaded.
            return
        if record.reason is Reason.WEBHOOK_UNREACHABLE:
            # The server is healthy, and the waits for its webhook are long enough not to load it.
            return
        cluster = record.target.cluster
        # Only an IN_DOUBT one was sent; one that found no connection costs nothing.
        if record.http_status is None:
            self._unanswered[cluster] += record.verdict is Verdict.IN_DOUBT
            return
        # The cluster answers again, so its requests without an answer count now.
        self._counted += 1 + self._unanswered.pop(cluster, 0)
        if self._is_spent or self._counted <= retries_allowed(self.budget, sent, self.tally.open):
            return
        self._is_spent = True
        text = (
            f"the retry budget is used up: {self._counted} of {sent} requests were retries"
            f" ({self.budget} allowed), the last after: {record.reply_line}"
        )
        self.stop(Cause(CauseCode.RETRY_BUDGET_SPENT, text))

    async def deadline(self, clock: Clock) -> None:
        """Stop the session at its deadline; returns at once if it has none."""
        if self.limits is not None and self.limits.deadline is not None:
            await sleep_monotonic(clock, self.limits.deadline)
            text = f"the deadline of {duration(self.limits.deadline)} has passed"
            self.stop(Cause(CauseCode.DEADLINE_PASSED, text))

    @property
    def _allowed(self) -> int | None:
        if self.limits is None or self.limits.max_failures is None:
            return None
        return failures_allowed(self.limits.max_failures, self.planned)


class UsageMeter:
    """Measures requests, retries, warnings and time of a session; reports differences."""

    def __init__(self, fleet: Sequence[RunCluster], clock: Clock, limits: RunLimits) -> None:
        self._fleet = fleet
        self._clock = clock
        self._limits = limits
        self._began_at = self._reported_at = clock.monotonic()
        self._reported: Counter[str] = Counter()
        self._reported_warnings: Counter[str] = Counter()

    @property
    def requests(self) -> int:
        """The number of PATCHes and GETs so far."""
        return sum(one.requests["patch"] + one.requests["get"] for one in self._fleet)

    def usage(self) -> Usage:
        """Return the usage of the session so far."""
        sent = self._sent()
        elapsed = self._clock.monotonic() - self._began_at
        return Usage(sent["patch"], sent["get"], sent["list"], sent["retries"], elapsed)

    def new_usage(self) -> Usage:
        """Return the usage since the last call."""
        now, sent = self._clock.monotonic(), self._sent()
        new, elapsed = sent - self._reported, now - self._reported_at
        self._reported, self._reported_at = sent, now
        return Usage(new["patch"], new["get"], new["list"], new["retries"], elapsed)

    def _sent(self) -> Counter[str]:
        sent = Counter({"retries": self._limits.retries})
        for cluster in self._fleet:
            sent.update(cluster.requests)
        return sent

    def new_warnings(self) -> Counter[str]:
        """Return the warnings of the fleet's servers since the last call, counted by text."""
        warned: Counter[str] = Counter()
        for cluster in self._fleet:
            warned.update(dict(cluster.warnings.counts))
        new = warned - self._reported_warnings
        self._reported_warnings = warned
        return new
