"""Why a command did not do all that was asked: a code for programs and a line for people.

`CauseCode` is a closed set and an interface: the run file, the log, `status` and JSON have it
(`causeCode`), docs/reference.md lists it, and docs/operating.md says how to answer each code. A
test compares all of them.

`EXIT_OF` says how serious a cause is. Exit 5 is *as planned*: the next call continues the run by
itself. Exit 7 is *trouble*: a person should look first.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from fleetpatch.errors import Exit


class CauseCode(StrEnum):
    """The cause for programs, grouped by the exit code that it leads to."""

    WINDOW_CLOSED = "window-closed"
    """The plan's window is closed. The first call after it has opened continues the run."""
    PROMOTION_DUE = "promotion-due"
    """The next wave begins by hand. Continue with `resume --promote`."""
    INTERRUPTED = "interrupted"
    """A signal ended the session. The next call continues the run."""
    PAUSE_REQUESTED = "pause-requested"
    """A person paused the run. `resume` continues it."""
    FAILED_REOPENED = "failed-reopened"
    """Failed targets are to be tried again. The next call does so."""

    TARGETS_FAILED = "targets-failed"
    """All targets have ended, some of them failed. List them, and retry them when mended."""
    TARGETS_REVERTED = "targets-reverted"
    """Another writer put values back. Look at the manager that is named, then apply again."""

    CLUSTERS_MISSING = "clusters-missing"
    """The run left out clusters that could not be reached. Mend them, then apply the plan again."""

    MAX_FAILURES = "max-failures"
    """More targets failed than `limits.maxFailures` allows. Look at them; `resume` accepts them."""
    MAX_REVERTED = "max-reverted"
    """More objects were reverted than `verify.maxReverted` allows. Find out why, then resume."""
    CHECK_FAILED = "check-failed"
    """The check between two waves failed. Mend what it found; `resume` repeats it."""
    CANCELLED = "cancelled"
    """A person cancelled the run. It is not continued; `undo` puts back what it changed."""

    UNREACHABLE = "unreachable"
    """A cluster cannot be reached. Look at the network and the server, then resume the run."""
    CREDENTIALS_REFUSED = "credentials-refused"
    """A server does not accept our credentials. Renew them, then resume the run."""
    CLUSTER_FAILING = "cluster-failing"
    """A cluster accepted nothing for a while. Look at its server, then resume the run."""
    PATCHES_REFUSED = "patches-refused"
    """A kind in a namespace was refused many times in a row. Mend rights or plan, then resume."""
    TARGETS_OPEN = "targets-open"
    """Single targets could not be read or settled. Look at the named object, then resume."""
    WAVE_INCOMPLETE = "wave-incomplete"
    """Open targets of a wave hold the next wave, as of a lost cluster. Mend it, then resume."""
    RETRY_BUDGET_SPENT = "retry-budget-spent"
    """Too many requests had to be repeated. Look at the servers, then resume the run."""
    DEADLINE_PASSED = "deadline-passed"
    """The run took longer than `limits.deadline`. Find out why, then resume the run."""
    WAVE_DEADLINE_PASSED = "wave-deadline-passed"
    """A wave took longer than `waves.deadline`. Find out why, then resume the run."""
    TARGETS_UNVERIFIED = "targets-unverified"
    """Objects could not be read when the run was verified. Repeat it by `fleetpatch verify`."""
    WORKERS_LOST = "workers-lost"
    """There was no worker for a minute. Look at the Dask cluster, then resume the run."""
    LEASE_LOST = "lease-lost"
    """The Lease was lost. Find out who has it, then resume the run."""
    LEASE_UNAVAILABLE = "lease-unavailable"
    """The Lease cannot be read or written. Look at the server and our rights, then resume."""

    LOG_FAILED = "log-failed"
    """The log cannot be written. Make room for it, then resume the run."""
    SURROUNDINGS = "surroundings"
    """A disk, a run file or a kubeconfig is in disorder. Mend it, then repeat the command."""
    USAGE = "usage"
    """The arguments or the plan are not valid, or the answer was not yes. Nothing was sent."""
    GUARD_REFUSED = "guard-refused"
    """A guard refused the plan. Nothing was sent. Correct the plan, or its guards."""
    LOCKED = "locked"
    """Another process works on the plan. Wait until it ends, or look at the holder named."""


EXIT_OF: Final[Mapping[str, Exit]] = MappingProxyType(
    {
        CauseCode.WINDOW_CLOSED: Exit.PAUSED,
        CauseCode.PROMOTION_DUE: Exit.PAUSED,
        CauseCode.INTERRUPTED: Exit.PAUSED,
        CauseCode.PAUSE_REQUESTED: Exit.PAUSED,
        CauseCode.FAILED_REOPENED: Exit.PAUSED,
        CauseCode.TARGETS_FAILED: Exit.SOME_FAILED,
        CauseCode.TARGETS_REVERTED: Exit.SOME_FAILED,
        CauseCode.CLUSTERS_MISSING: Exit.SOME_FAILED,
        CauseCode.MAX_FAILURES: Exit.HALTED,
        CauseCode.MAX_REVERTED: Exit.HALTED,
        CauseCode.CHECK_FAILED: Exit.HALTED,
        CauseCode.CANCELLED: Exit.HALTED,
        CauseCode.UNREACHABLE: Exit.TROUBLE,
        CauseCode.CREDENTIALS_REFUSED: Exit.TROUBLE,
        CauseCode.CLUSTER_FAILING: Exit.TROUBLE,
        CauseCode.PATCHES_REFUSED: Exit.TROUBLE,
        CauseCode.TARGETS_OPEN: Exit.TROUBLE,
        CauseCode.WAVE_INCOMPLETE: Exit.TROUBLE,
        CauseCode.RETRY_BUDGET_SPENT: Exit.TROUBLE,
        CauseCode.DEADLINE_PASSED: Exit.TROUBLE,
        CauseCode.WAVE_DEADLINE_PASSED: Exit.TROUBLE,
        CauseCode.TARGETS_UNVERIFIED: Exit.TROUBLE,
        CauseCode.WORKERS_LOST: Exit.TROUBLE,
        CauseCode.LEASE_LOST: Exit.TROUBLE,
        CauseCode.LEASE_UNAVAILABLE: Exit.TROUBLE,
        CauseCode.LOG_FAILED: Exit.BROKEN,
        CauseCode.SURROUNDINGS: Exit.BROKEN,
        CauseCode.USAGE: Exit.USAGE,
        CauseCode.GUARD_REFUSED: Exit.USAGE,
        CauseCode.LOCKED: Exit.LOCKED,
    }
)
"""The exit code that each cause leads to.

Before there is a run, the exit code is that of the error (`fleetpatch.errors`): then it is 1 if a
cluster cannot be reached, since no run is paused.
"""

_GRAVITY: Final = (
    Exit.BROKEN,
    Exit.HALTED,
    Exit.TROUBLE,
    Exit.USAGE,
    Exit.LOCKED,
    Exit.SOME_FAILED,
    Exit.PAUSED,
)


class Cause(msgspec.Struct, frozen=True, order=True):
    """Why a run, a lane or a target does not go on: the code, and one line for people."""

    code: CauseCode
    text: str

    def __str__(self) -> str:
        return self.text


def by_gravity(causes: Iterable[Cause]) -> list[Cause]:
    """Sort causes, the gravest first: it is the one that the run is recorded with.

    A window that closes after a cluster was lost must not hide the lost cluster.
    """
    return sorted(set(causes), key=lambda one: (_GRAVITY.index(EXIT_OF[one.code]), one.text))
