"""How a verb runs what is asynchronous, and how a signal ends it.

The first SIGINT, SIGTERM or SIGHUP asks the run to stop: nothing new is sent, what is in flight is
brought to its end and recorded. The second leaves at once; what was in flight is in doubt then, and
is settled by reading when the run goes on. While a plan is expanded nothing is in flight, and the
first signal of any of the three is Ctrl-C. A signal that was ignored when we were started (`nohup`)
stays so.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeVar

import anyio

from fleetpatch.campaign.stopping import Stop
from fleetpatch.errors import Exit

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on an event loop of its own. Of several errors at once the first is raised."""
    # uvloop has no build for some platforms; without it all is the same, only slower.
    options = {"use_uvloop": find_spec("uvloop") is not None}
    try:
        with _like_ctrl_c(_heeded()):
            return anyio.run(work, backend_options=options)
    except BaseExceptionGroup as group:
        # A task group wraps even a single error, and what people can act on is that one.
        raise _first(group) from group


@contextmanager
def _like_ctrl_c(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Let these signals do what SIGINT does, so that what was begun is tidied up."""
    before = {
        number: signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
        for number in numbers
        if number is not signal.SIGINT
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded() -> Sequence[signal.Signals]:
    return [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def interruptible(work: Callable[[Stop], Awaitable[T]]) -> T:
    """Run `work` with a Stop that the signals pull."""
    stop = Stop()
    async with anyio.create_task_group() as tasks:
        await tasks.start(_listen, stop)
        result = await work(stop)
        tasks.cancel_scope.cancel()
    return result


async def _listen(
    stop: Stop, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(*_heeded()) as signals:
        task_status.started()
        async for number in signals:
            name = signal.Signals(number).name
            if stop.requested:
                sys.stderr.write(f"{name}: left at once; go on with `fleetpatch resume`\n")
                # Nothing is left to tidy up: the record is on the disk already.
                os._exit(Exit.PAUSED)
            sys.stderr.write(f"{name}: stopping; waiting for what is in flight (again: leave)\n")
            stop.request(f"interrupted by {name}")
