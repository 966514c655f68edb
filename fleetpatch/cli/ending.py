"""How a command ended, for those who show it: its exit code and its cause code."""

import typer

from fleetpatch.cli import signals
from fleetpatch.errors import Exit, FleetpatchError


def how_it_ended(error: BaseException) -> tuple[int, str]:
    """Return the exit code that an error leads to, and its cause code; empty: that of the run."""
    from fleetpatch.model.cause import CauseCode

    match error:
        case FleetpatchError():
            return error.exit_code, error.cause_code
        case signals.Interrupted():
            return Exit.PAUSED, CauseCode.INTERRUPTED
        case typer.Exit():
            # Without a run's cause, 2 is an answer that was not yes.
            return error.exit_code, CauseCode.USAGE if error.exit_code == Exit.USAGE else ""
        case typer.BadParameter():
            return Exit.USAGE, CauseCode.USAGE
        case _:
            return Exit.BROKEN, CauseCode.SURROUNDINGS
