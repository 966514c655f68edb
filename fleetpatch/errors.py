"""Every error that fleetpatch raises on purpose, under one root.

::

    FleetpatchError            the root; carries the process's exit code
    |-- UsageError             bad arguments, or a value that is not valid          exit 2
    |   `-- PlanError          a plan file with problems, each placed               exit 2
    |       `-- UnselectiveError   also Refused: a block would match every object
    |-- Refused                a guard refused before anything was sent             exit 2
    |   |-- ExpressionError    expressions have no valid value for some objects     exit 2
    |   |-- NothingMatched     no object is selected by the plan                    exit 2
    |   `-- NothingToUndo      the run has changed nothing                          exit 2
    |-- WindowClosed           outside of the plan's window; nothing was sent       exit 5
    |-- SurroundingsError      the tool's surroundings broke                        exit 1
    |   |-- KubeconfigError    a kubeconfig that is missing, broken or unfit
    |   |-- CredentialsError   credentials that are missing or not accepted
    |   |-- ClusterError       a server whose answers make no sense
    |   |   `-- UnreachableError   a server that does not answer
    |   |-- RunFileError       a run file that is missing, damaged, foreign or full
    |   `-- LogError           a log that cannot be opened or written
    `-- Locked                 another run holds the lock                           exit 6

A message is one line that says where, what, and what to do next. A server's answer about one target
is not an error but a value (`fleetpatch.model.answer`).
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol


class Exit(IntEnum):
    """The process's exit codes; an interface (README, "Exit codes").

    PAUSED is as planned, and the next call continues. TROUBLE is a pause that a person should look
    at. `model/cause.py` says which cause leads to which of them.
    """

    OK = 0
    BROKEN = 1
    USAGE = 2
    SOME_FAILED = 3
    HALTED = 4
    PAUSED = 5
    LOCKED = 6
    TROUBLE = 7


class FleetpatchError(Exception):
    """Root of all errors here; `exit_code` is what the process ends with.

    `cause_code` is a `fleetpatch.model.cause.CauseCode`, for programs.
    """

    exit_code: Exit = Exit.BROKEN
    cause_code: str = "surroundings"


class UsageError(FleetpatchError):
    """The arguments are not valid; nothing was sent."""

    exit_code = Exit.USAGE
    cause_code = "usage"


class Placed(Protocol):
    """A problem with its place; as text `file:line:column: what, and what to do`."""

    def __str__(self) -> str: ...


class PlanError(UsageError):
    """A plan file with one or more problems; `problems` holds them all, in the file's order."""

    def __init__(self, problems: Sequence[Placed]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Refused(FleetpatchError):
    """A guard refused the plan; the message has counts, threshold and what to do."""

    exit_code = Exit.USAGE
    cause_code = "guard-refused"


class ExpressionError(Refused):
    """Expressions have no valid value for `count` objects, and `guards.onError` refuses the plan.

    `missing_keys` has `(table, key, lookups)` for each key that is in no row of a table.
    """

    def __init__(
        self, message: str, count: int, missing_keys: Sequence[tuple[str, str, int]]
    ) -> None:
        super().__init__(message)
        self.count = count
        self.missing_keys = tuple(missing_keys)


class UnselectiveError(PlanError, Refused):
    """Blocks of the plan have no selector, and would match every object of their kinds."""

    cause_code = "guard-refused"


class NothingMatched(Refused):
    """The plan selects no object."""


class NothingToUndo(Refused):
    """The run has changed nothing that an undo could put back."""


class WindowClosed(FleetpatchError):
    """The plan's window is closed; the message names its next opening."""

    exit_code = Exit.PAUSED
    cause_code = "window-closed"


class SurroundingsError(FleetpatchError):
    """A failure of disk, network or credentials; the run file, if there is one, is intact."""


class KubeconfigError(SurroundingsError):
    """The kubeconfig is missing, unreadable, or lacks the context that was asked for."""


class CredentialsError(SurroundingsError):
    """The API server does not accept our credentials, or they cannot be obtained."""

    cause_code = "credentials-refused"


class ClusterError(SurroundingsError):
    """An API server refuses what a plan needs, or its answers cannot be understood."""

    cause_code = "cluster-failing"


class UnreachableError(ClusterError):
    """An API server does not answer."""

    cause_code = "unreachable"


class RunFileError(SurroundingsError):
    """A run file is missing, damaged, foreign, of a newer version, or cannot be written."""


class LogError(SurroundingsError):
    """The log cannot be opened or written; nothing is patched without one."""

    cause_code = "log-failed"


class Locked(FleetpatchError):
    """Another run holds the lock; the message names its holder."""

    exit_code = Exit.LOCKED
    cause_code = "locked"
