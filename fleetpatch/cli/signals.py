"""Handles SIGINT, SIGTERM and SIGHUP, from the start of `main` to its end.

One handler serves all three. What the first signal does depends on what the process is doing:

| the process | the first signal |
|---|---|
| imports, reads its arguments, asks, writes a listing | raises `Interrupted` |
| runs an event loop | calls the function that `responding` set |
| has its exit code (`set_exit_code`) | exits with that code at once |

The second signal exits at once, whatever the process is doing. A signal that was received stays
received: an exception can be lost in a callback of the interpreter, so `raise_if_received` raises
it again before an event loop is started.

SIGINT and SIGHUP stay ignored where the parent ignores them: a shell does so for its background
jobs, `nohup` does so on purpose. SIGTERM is always handled. A parent may also have blocked any of
them; they are unblocked.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from fleetpatch.cli import streams
from fleetpatch.errors import Exit

Respond: TypeAlias = Callable[[signal.Signals], None]
"""Called in the signal handler, between any two instructions of the main thread."""

_HANDLED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MAY_STAY_IGNORED: Final = frozenset({signal.SIGINT, signal.SIGHUP})


class Interrupted(BaseException):
    """A signal ends the process while nothing is in flight.

    Not an `Exception`, so that no handler of errors catches it.
    """


def _interrupt(_number: signal.Signals) -> None:
    raise Interrupted


def _say_nothing(_code: int) -> None:
    """The default of `before_exit`."""


class _State:
    """The state of the handler; there is one, since signals belong to the process."""

    def __init__(self) -> None:
        self.respond: Respond = _interrupt
        self.received: signal.Signals | None = None
        self.exit_code: int | None = None
        self.advice = ""
        self.before_exit: Callable[[int], None] = _say_nothing

    def handle(self, number: int, _frame: object) -> None:
        if self.exit_code is not None:
            self.before_exit(self.exit_code)
            # Not sys.exit, which raises: the interpreter may be shutting down already.
            os._exit(self.exit_code)
        received = signal.Signals(number)
        if self.received is not None:
            # The progress, which may have hidden the cursor, is not ended any more.
            text = f"{received.name}: exited at once{self.advice}"
            streams.write_stderr_briefly(text, show_cursor=True)
            self.before_exit(Exit.PAUSED)
            os._exit(Exit.PAUSED)
        self.received = received
        self.respond(received)


_state = _State()


def install() -> None:
    """Handle the signals from now on; called once, by the main thread of the process."""
    global _state  # noqa: PLW0603 - a process has one set of signal handlers
    _state = _State()
    for number in _HANDLED:
        ignored = signal.getsignal(number) is signal.SIG_IGN
        if not (ignored and number in _MAY_STAY_IGNORED):
            signal.signal(number, _state.handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    report = sys.unraisablehook

    # Interrupted may be raised in a finalizer, where Python would print a traceback.
    def report_others(unraisable: "sys.UnraisableHookArgs") -> None:
        if unraisable.exc_type is not Interrupted:
            report(unraisable)

    sys.unraisablehook = report_others
    # The interpreter restores the default handlers before it ends; a signal after that would kill
    # the process and so change its exit code.
    atexit.register(ignore)


def raise_if_received() -> None:
    """Raise Interrupted if a signal was received already."""
    if _state.received is not None:
        raise Interrupted


@contextmanager
def responding(respond: Respond, advice: str = "") -> Iterator[None]:
    """Call `respond` for the first signal while the block runs, or now if it was received before.

    `advice` completes the message with which a second signal exits.
    """
    state = _state
    before = state.respond, state.advice
    state.respond, state.advice = respond, advice
    try:
        if state.received is not None:
            respond(state.received)
        yield
    finally:
        state.respond, state.advice = before


@contextmanager
def deferred() -> Iterator[None]:
    """Only remember a signal while the block runs; `raise_if_received` raises it later."""
    with responding(lambda _number: None):
        yield


@contextmanager
def announced(before_exit: Callable[[int], None]) -> Iterator[None]:
    """Call `before_exit` with the exit code before a signal exits at once, while the block runs.

    It is called in the signal handler, so it must return soon.
    """
    state = _state
    state.before_exit = before_exit
    try:
        yield
    finally:
        state.before_exit = _say_nothing


def set_exit_code(exit_code: int) -> None:
    """Set the final exit code: every later signal exits with it at once."""
    _state.exit_code = exit_code


def ignore() -> None:
    """Ignore the signals from now on."""
    for number in _HANDLED:
        signal.signal(number, signal.SIG_IGN)
