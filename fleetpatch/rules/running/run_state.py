"""The state in which a run ends, and the exit code of its process."""

from collections.abc import Sequence

from fleetpatch.errors import Exit
from fleetpatch.model.run import RunState, Tally


def final_state(tally: Tally, causes: Sequence[str], halted: str = "") -> tuple[RunState, str]:
    """Return the state of a run whose lanes have stopped, and the cause in one line.

    `causes` say why lanes stopped early; `halted` names the threshold that was exceeded, if any.
    """
    # A threshold halts the run even if no target is open: people must look before more is sent.
    # Otherwise the run is finished if every target has an outcome, even if a lane was stopped.
    if halted:
        return RunState.HALTED, halted
    if tally.open == 0:
        return RunState.FINISHED, ""
    first, *others = causes or ["targets were left open"]
    return RunState.PAUSED, f"{first} (and {len(others)} more)" if others else first


def exit_code(state: RunState, tally: Tally, *, partly: bool = False) -> Exit:
    """The exit code for a run that is in `state`.

    `partly` means that a paused run did all that it could: a breaker stopped the targets that are
    open, and the rest of the fleet finished.
    """
    match state:
        case RunState.PAUSED if partly:
            return Exit.SOME_FAILED
        case RunState.FINISHED:
            return Exit.SOME_FAILED if tally.failed else Exit.OK
        case RunState.HALTED:
            return Exit.HALTED
        case _:
            return Exit.PAUSED
