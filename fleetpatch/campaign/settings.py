"""What a campaign is told about the world around it, as one value.

What a person, or the command line for them, has allowed one session of a run.

A way to end a run early, from a signal handler or from Python.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fleetpatch.engine.clock import SystemClock
from fleetpatch.journal.locator import log_path, runs_dir, state_dir
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.ports import Clock, Progress


class NoProgress:
    """Keeps the port Progress where nobody watches."""

    def planned(self, found: int) -> None:
        """Say nothing."""

    def settled(self, outcome: Outcome, count: int) -> None:
        """Say nothing."""

    def retried(self) -> None:
        """Say nothing."""

    def limited(self, place: str, what: str) -> None:
        """Say nothing."""


def _discard(_warning: str) -> None:
    """Warn nobody."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where state is kept, how long a request may take, who watches, and what time it is.

    `state_dir` None means `$FLEETPATCH_STATE_DIR`, else `$XDG_STATE_HOME/fleetpatch`, else
    `~/.local/state/fleetpatch`. `log_file` None means beside the run file. `request_timeout` is in
    seconds. The kubeconfig is `$KUBECONFIG`, else `~/.kube/config`, else the pod's own account.
    `warn` is called with each line that the person should read; the log has it, too.
    """

    state_dir: Path | None = None
    log_file: Path | None = None
    request_timeout: float = 30.0
    progress: Progress = field(default_factory=NoProgress)
    clock: Clock = field(default_factory=SystemClock)
    warn: Callable[[str], None] = _discard

    @property
    def runs(self) -> Path:
        """Where run files are kept."""
        return runs_dir(state_dir(self.state_dir, os.environ, _home()))

    def log_of(self, run_file: Path) -> Path:
        """Name the log of a run."""
        return self.log_file or log_path(run_file)


def _home() -> Path | None:
    """The user's home, or None: without $HOME, a uid that no account has is without one, too."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def whoami() -> str:
    """`user@host`, for the record; the number where the user has no name."""
    user = os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())
    return f"{user}@{os.uname().nodename}"


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """What a session may do beyond its plan.

    `resume_halted` resumes a halted run and accepts its failures so far. `promote` begins the next
    wave without its pause and check. `wait_for_window` waits until the window opens.
    """

    resume_halted: bool = False
    promote: bool = False
    wait_for_window: bool = False


@dataclass(slots=True)
class Stop:
    """A way to end a run early from outside: nothing new is sent, what is in flight is recorded."""

    requested: bool = False
    cause: str = ""
    _listeners: list[Callable[[str], None]] = field(default_factory=list)

    def request(self, cause: str) -> None:
        """Ask for the end; `cause` says in one line why. Safe to call more than once."""
        self.requested, self.cause = True, cause
        for listener in self._listeners:
            listener(cause)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the cause once the end is asked for; now, if it was."""
        self._listeners.append(listener)
        if self.requested:
            listener(self.cause)
