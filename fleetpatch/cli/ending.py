"""How a command ended, for those who show it: its exit code and its cause code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fleetpatch.cli import signals
from fleetpatch.errors import Exit, FleetpatchError


class Ended(Exception):
    """Ends a verb that has said all there is to say; `exit_code` is that of the command."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


@contextmanager
def closing(close: Callable[[int, str], None]) -> Iterator[None]:
    """Call `close` with the exit code and the cause code with which the block ended."""
    try:
        yield
    except BaseException as error:
        close(*_how_it_ended(error))
        raise
    else:
        close(Exit.OK, "")


def _how_it_ended(error: BaseException) -> tuple[int, str]:
    """Return the exit code that an error leads to, and its cause code; empty: that of the run."""
    from fleetpatch.model.cause import CauseCode

    match error:
        case FleetpatchError():
            return error.exit_code, error.cause_code
        case signals.Interrupted():
            return Exit.PAUSED, CauseCode.INTERRUPTED
        case Ended():
            # Without a run's cause, 2 is an answer that was not yes.
            return error.exit_code, CauseCode.USAGE if error.exit_code == Exit.USAGE else ""
        case _:
            return Exit.BROKEN, CauseCode.SURROUNDINGS
