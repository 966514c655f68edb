"""Until when a worker may send.

`may_send` compares the clock with the deadline whenever it is called, right before each PATCH.
A timer would not be safe: in a process that was suspended, a PATCH could be sent before it runs.
"""

from collections.abc import Callable
from math import inf

from fleetpatch.model.ports import Clock


class SendDeadline:
    """Extended by the coordinator's answers; `on_over` is called when it is found to have passed.

    It is counted from when a report was sent, so a slow answer does not extend it.
    """

    def __init__(self, clock: Clock, on_over: Callable[[], None]) -> None:
        self._clock = clock
        self._on_over = on_over
        self._deadline = -inf
        self._sent_at: dict[int, float] = {}

    def note_sent(self, number: int) -> None:
        """A report with this number is sent now."""
        self._sent_at[number] = self._clock.monotonic()

    def extend(self, answers: int, seconds: float) -> None:
        """Allow `seconds` from the sending of the report `answers`; 0 if there is none."""
        if answers in self._sent_at:
            self._deadline = max(self._deadline, self._sent_at[answers] + seconds)
            # Answers come in order, so those to earlier reports are not awaited any more.
            for number in [one for one in self._sent_at if one < answers]:
                del self._sent_at[number]

    def may_send(self) -> bool:
        """Return whether a request may be sent now; calls `on_over` if not."""
        if self._clock.monotonic() < self._deadline:
            return True
        self._on_over()
        return False
