"""A way to end a run early, from a signal handler or from Python."""

from collections.abc import Callable
from dataclasses import dataclass, field


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
