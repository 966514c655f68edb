"""What ends a session before its time: too many failures, too many retries, too much time.

An limits is told of every end and every retry, on the event loop, before anything else is sent.
What is in flight at that moment still ends, so a limit may be overshot by as much as that, and the
cause says by how much.

What a session has spent and was warned of so far, told piece by piece to the run file.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.clock import sleep_monotonic
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.plan.schema import LimitsSection
from fleetpatch.model.ports import Clock
from fleetpatch.model.run import Tally, Usage
from fleetpatch.model.target import Target
from fleetpatch.model.units import Percent
from fleetpatch.report.wording import duration
from fleetpatch.rules.answers.verdicts import SERVERS_OWN, Verdict
from fleetpatch.rules.running.limits import failures_allowed, retries_allowed


@dataclass(slots=True)
class RunLimits:
    """Watches one session of a run; `stop` is called with the cause, once for each.

    `limits` are the plan's, or None for an undo: a mistake must be undone as a whole.

    `tally` is the run's at the start, of whose failures `pardoned` were accepted by a person;
    `planned` counts the targets to patch of the whole run.

    What never reached a server burdens nobody, and costs no budget. Nor does what a cluster left
    without an answer, until the next one from there: one that hangs or is down is given up by its
    lane, and must not use up the others' budget before that.
    """

    budget: Percent
    limits: LimitsSection | None
    tally: Tally
    planned: int
    pardoned: int
    stop: Callable[[str], None]
    retries: int = 0
    _counted: int = 0
    _unanswered: Counter[str] = field(default_factory=Counter)
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
        late = f"; {more} of these ended while the run came to rest" if more else ""
        return (
            f"{self._failures} targets failed and limits.maxFailures allows {allowed}{late};"
            " look at them, then go on with `fleetpatch resume`"
        )

    def settled(self, target: Target, settlement: Settlement) -> None:
        """Count a failure; one more than is allowed halts the run."""
        if settlement.reason is not Reason.EXHAUSTED:
            self._counted += self._unanswered.pop(target.cluster, 0)
        if settlement.outcome is not Outcome.FAILED:
            return
        self._failures += 1
        if self.halted and not self._is_over:
            self._is_over = True
            self.stop(self.halted)

    def retried(self, record: RetryRecord, sent: int) -> None:
        """Count a retry; more than the budget allows for `sent` requests pauses the run."""
        self.retries += 1
        if record.verdict not in SERVERS_OWN:
            # Conflicts are other writers', and stale credentials nobody's.
            return
        if record.reason is Reason.WEBHOOK_UNREACHABLE:
            # The server is well, and the waits for its webhook are long enough not to burden it.
            return
        cluster = record.target.cluster
        if record.http_status is None:
            self._unanswered[cluster] += record.verdict is Verdict.IN_DOUBT
            return
        self._counted += 1 + self._unanswered.pop(cluster, 0)
        if self._is_spent or self._counted <= retries_allowed(self.budget, sent, self.tally.open):
            return
        self._is_spent = True
        self.stop(
            f"the retry budget is used up: {self._counted} of {sent} requests were retries"
            f" ({self.budget} allowed), the last after: {record.reply_line}"
        )

    async def deadline(self, clock: Clock) -> None:
        """Stop the session when its time is over; returns at once where it has no end."""
        if self.limits is not None and self.limits.deadline is not None:
            await sleep_monotonic(clock, self.limits.deadline)
            self.stop(f"the deadline of {duration(self.limits.deadline)} has passed")

    @property
    def _allowed(self) -> int | None:
        if self.limits is None or self.limits.max_failures is None:
            return None
        return failures_allowed(self.limits.max_failures, self.planned)


class UsageMeter:
    """Counts requests and warnings of a fleet, retries and time; each piece is told once."""

    def __init__(self, fleet: Sequence[ApiServer], clock: Clock, limits: RunLimits) -> None:
        self._fleet = fleet
        self._clock = clock
        self._limits = limits
        self._told_at = clock.monotonic()
        self._told: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()

    @property
    def requests(self) -> int:
        """PATCHes and GETs so far."""
        return sum(one.requests["patch"] + one.requests["get"] for one in self._fleet)

    def spent(self) -> Usage:
        """What was spent since this was last asked."""
        now = self._clock.monotonic()
        sent = Counter({"retries": self._limits.retries})
        for cluster in self._fleet:
            sent.update(cluster.requests)
        new, elapsed = sent - self._told, now - self._told_at
        self._told, self._told_at = sent, now
        return Usage(new["patch"], new["get"], new["list"], new["retries"], elapsed)

    def warned(self) -> Counter[str]:
        """What the fleet's servers warned of since this was last asked."""
        warned: Counter[str] = Counter()
        for cluster in self._fleet:
            warned.update(dict(cluster.warnings.counts))
        new = warned - self._warned
        self._warned = warned
        return new
