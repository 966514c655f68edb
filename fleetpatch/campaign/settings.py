"""The settings of a campaign, the options of one session, and the request to stop it."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fleetpatch.engine.clock import SystemClock
from fleetpatch.journal.runs.catalog import log_path
from fleetpatch.journal.runs.folders import home, runs_dir, state_dir
from fleetpatch.model.callbacks import ignore
from fleetpatch.model.cause import Cause
from fleetpatch.model.live import ClusterLoad, StatusReport
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.ports import Clock, Monitor, Progress
from fleetpatch.model.run import Summary
from fleetpatch.model.tracing import NoSpan, Span

if TYPE_CHECKING:
    # It imports the engine, which commands that only read run files need not do.
    from fleetpatch.campaign.workers import WorkerPool
    from fleetpatch.model.plan.schema import Plan


class NoProgress:
    """Implements the port `Progress` without showing anything."""

    def planned(self, found: int) -> None:
        """Do nothing."""

    def settled(self, outcome: Outcome, count: int) -> None:
        """Do nothing."""

    def retried(self) -> None:
        """Do nothing."""

    def limited(self, place: str, what: str) -> None:
        """Do nothing."""

    def wave(self, number: int, of: int, starts_at: float | None) -> None:
        """Do nothing."""

    def reported(self, report: StatusReport) -> None:
        """Do nothing."""


class NoMonitor:
    """Implements the port `Monitor` without showing anything."""

    problems: Sequence[str] = ()

    def planned(self, plan: "Plan") -> None:
        """Do nothing."""

    def summarized(self, summary: Summary) -> None:
        """Do nothing."""

    def reported(
        self, report: StatusReport, loads: Callable[[], Mapping[str, ClusterLoad]]
    ) -> None:
        """Do nothing."""


class Settings(msgspec.Struct, frozen=True):
    """State folder, log file, request timeout, progress, clock and warnings of a campaign.

    `state_dir` None means `$FLEETPATCH_STATE_DIR`, else `$XDG_STATE_HOME/fleetpatch`, else
    `~/.local/state/fleetpatch`. `log_file` None means beside the run file. `log_max_size` are the
    bytes at which the log is rotated, None for never. `request_timeout` is in
    seconds. The kubeconfig is `$KUBECONFIG`, else `~/.kube/config`, else the pod's own account.
    `warn` is called with each line that the person should read; the log has it, too. `reason` says
    why the run is made; it is kept in the run. `progress_every` are the seconds between two lines
    of progress, 0 for none; None: a bar on a terminal, lines elsewhere. `shared` makes a new state
    folder for its group. `workers` send the requests; None: this process does. `monitor` shows the
    command to machines. Traces are below `span`.
    """

    state_dir: Path | None = None
    log_file: Path | None = None
    request_timeout: float = 30.0
    progress: Progress = msgspec.field(default_factory=NoProgress)
    clock: Clock = msgspec.field(default_factory=SystemClock)
    warn: Callable[[str], None] = ignore
    reason: str = ""
    shared: bool = False
    progress_every: float | None = None
    log_max_size: int | None = None
    workers: "WorkerPool | None" = None
    monitor: Monitor = msgspec.field(default_factory=NoMonitor)
    span: Span = msgspec.field(default_factory=NoSpan)

    @property
    def runs(self) -> Path:
        """The folder of the run files."""
        return runs_dir(state_dir(self.state_dir, os.environ, home()))

    def log_of(self, run_file: Path) -> Path:
        """Return the path of the log of a run."""
        return self.log_file or log_path(run_file)


class ApplyOptions(msgspec.Struct, frozen=True):
    """What a session may do beyond its plan.

    `resume_halted` resumes a halted run and accepts its failures so far. `promote` begins the next
    wave without its pause and check. `wait_for_window` waits until the window opens. `rate` (per
    second) and `concurrency` set the pace of the run in place of the plan's, as `pace` does.
    """

    resume_halted: bool = False
    promote: bool = False
    wait_for_window: bool = False
    rate: float | None = None
    concurrency: int | None = None


class Stop(msgspec.Struct):
    """Stops a session from outside: nothing new is sent, and requests in flight are recorded.

    `Shutdown` does the same for one lane; a Stop requests it for all of them, with a cause.
    """

    cause: Cause | None = None
    _listeners: list[Callable[[Cause], None]] = []

    @property
    def requested(self) -> bool:
        """Whether the stop was requested."""
        return self.cause is not None

    def request(self, cause: Cause) -> None:
        """Request the stop. Safe to call more than once."""
        self.cause = cause
        for listener in self._listeners:
            listener(cause)

    def listen(self, listener: Callable[[Cause], None]) -> None:
        """Call `listener` with the cause when the stop is requested; at once if it was already."""
        self._listeners.append(listener)
        # A lane that is built after a signal must stop, too.
        if self.cause is not None:
            listener(self.cause)
