"""Servers that refuse requests, one answer after the other, and the limits that follow.

A `Server` answers at once, a `SlowServer` after half a second. A pattern has an x for each refusal
and a dot for each acceptance, so that counts of answers are exact.
"""

from dataclasses import dataclass, field

from fleetpatch.rules.pacing.refusals import RefusalLimit, State
from fleetpatch.rules.pacing.tuning import Tuning

FIRST = 100.0
"""Requests a second that the server accepts before it refuses any."""


@dataclass
class Server:
    """Answers at once, `every` so many seconds; a pattern has an x for each refusal."""

    limit: RefusalLimit = field(default_factory=lambda: RefusalLimit(Tuning(), 0.0))
    now: float = 0.0
    every: float = 1 / FIRST
    share: float = 0.0
    in_flight: int = 1
    blocked: bool = False

    def answer(self, pattern: str) -> None:
        for character in pattern:
            self.now += self.every
            self.blocked = self.limit.answered(
                self.now, self.now, self.in_flight, refused=character == "x", share=self.share
            )

    def state(self) -> State:
        return self.limit.state

    def until(self, state: State, pattern: str, most: int = 2000) -> int:
        """The number of answers until this state."""
        for count in range(1, most):
            self.answer(pattern[(count - 1) % len(pattern)])
            if self.limit.state is state:
                return count
        raise AssertionError(f"never {state}")


def steady() -> Server:
    """A server that has accepted everything for a second."""
    server = Server()
    server.answer("." * 100)
    return server


def on_trial(pattern: str = "xxxxxxxxx.") -> Server:
    server = steady()
    server.until(State.TRIAL, pattern)
    return server


def limited(pattern: str = "xxxxxxxxx.") -> Server:
    server = on_trial(pattern)
    server.until(State.LIMITED, ".")
    return server


def tolerant(pattern: str = "x.........") -> Server:
    server = steady()
    server.until(State.TRIAL, pattern)
    server.until(State.TOLERANT, pattern)
    return server


def grown(server: Server, seconds: float) -> float:
    server.now += seconds
    server.limit.update(server.now)
    return server.limit.rate


@dataclass
class SlowServer:
    """Answers after half a second, 100 requests a second."""

    limit: RefusalLimit = field(default_factory=lambda: RefusalLimit(Tuning(), 0.0))
    now: float = 0.0

    def answer(self, pattern: str) -> None:
        for character in pattern:
            self.now += 1 / FIRST
            refused = character == "x"
            self.limit.answered(self.now - 0.5, self.now, 50, refused=refused, share=0.0)

    def until(self, state: State, pattern: str) -> None:
        while self.limit.state is not state:
            self.answer(pattern)


def overloaded_in_flight() -> SlowServer:
    """Half is refused, so that 50 a second are accepted, which are 25 in flight."""
    server = SlowServer()
    server.answer("." * 100)
    server.until(State.TRIAL, "x.")
    return server
