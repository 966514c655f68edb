"""How a run ends, and with which exit code its process."""

from collections.abc import Sequence

from fleetpatch.errors import Exit
from fleetpatch.model.run import RunState, Tally


def ending(tally: Tally, causes: Sequence[str]) -> tuple[RunState, str]:
    """The state of a run whose lanes have come to rest, and the cause in one line.

    With every target at its outcome the run is finished, whatever happened on the way.
    """
    if tally.open == 0:
        return RunState.FINISHED, ""
    first, *others = causes or ["targets were left open"]
    return RunState.PAUSED, f"{first} (and {len(others)} more)" if others else first


def exit_code(state: RunState, tally: Tally) -> Exit:
    """The exit code for a run that is in `state`."""
    match state:
        case RunState.FINISHED:
            return Exit.SOME_FAILED if tally.failed else Exit.OK
        case RunState.HALTED:
            return Exit.HALTED
        case _:
            return Exit.PAUSED
