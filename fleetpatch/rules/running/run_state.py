"""How a run ends, and with which exit code its process."""

from collections.abc import Sequence

from fleetpatch.errors import Exit
from fleetpatch.model.run import RunState, Tally


def final_state(tally: Tally, causes: Sequence[str], halted: str = "") -> tuple[RunState, str]:
    """The state of a run whose lanes have come to rest, and the cause in one line.

    A threshold that was passed (`halted`) halts it even if nothing is left to do. Otherwise a run
    with every target at its outcome is finished, whatever happened on the way.
    """
    if halted:
        return RunState.HALTED, halted
    if tally.open == 0:
        return RunState.FINISHED, ""
    first, *others = causes or ["targets were left open"]
    return RunState.PAUSED, f"{first} (and {len(others)} more)" if others else first


def exit_code(state: RunState, tally: Tally, *, partly: bool = False) -> Exit:
    """The exit code for a run that is in `state`.

    `partly` tells that a paused run did all that could be done: what is left was given up by a
    breaker, while the rest of the fleet went on to its end.
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
