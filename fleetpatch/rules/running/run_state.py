"""The state in which a run ends, and the exit code of its process."""

from collections.abc import Sequence
from typing import Final

from fleetpatch.errors import Exit
from fleetpatch.model.cause import EXIT_OF, Cause, CauseCode, by_gravity
from fleetpatch.model.run import RunState, Tally

LEFT_OPEN: Final = Cause(CauseCode.TARGETS_OPEN, "targets were left open")


def final_state(
    tally: Tally, causes: Sequence[Cause], halted: Cause | None = None
) -> tuple[RunState, Cause | None]:
    """Return the state of a run whose lanes have stopped, and the cause.

    `causes` say why lanes stopped early; `halted` names the threshold that was exceeded, if any.
    The cause of the run is the gravest of several.
    """
    # A threshold halts the run even if no target is open: people must look before more is sent.
    # Otherwise the run is finished if every target has an outcome, even if a lane was stopped.
    if halted:
        return RunState.HALTED, halted
    if tally.open == 0:
        if not tally.failed:
            return RunState.FINISHED, None
        failed = "1 target failed" if tally.failed == 1 else f"{tally.failed} targets failed"
        return RunState.FINISHED, Cause(CauseCode.TARGETS_FAILED, failed)
    first, *others = by_gravity(causes) or [LEFT_OPEN]
    more = f" (and {len(others)} more)" if others else ""
    return RunState.PAUSED, Cause(first.code, f"{first}{more}")


def exit_code(state: RunState, tally: Tally, *, partly: bool = False, cause_code: str = "") -> Exit:
    """The exit code for a run that is in `state`.

    `partly` means that a paused run did all that it could: a breaker stopped the targets that are
    open, and the rest of the fleet finished. `cause_code` is empty if the run file was written by
    a version without causes, and it may be one of a later version.
    """
    match state:
        case RunState.PAUSED if partly:
            return Exit.SOME_FAILED
        case RunState.PAUSED:
            return EXIT_OF.get(cause_code, Exit.PAUSED)
        case RunState.FINISHED:
            return Exit.SOME_FAILED if tally.failed else Exit.OK
        case RunState.HALTED:
            return Exit.HALTED
        case _:
            return Exit.PAUSED
