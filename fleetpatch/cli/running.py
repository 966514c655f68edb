"""How a verb runs what is asynchronous, and how a signal ends it (see `cli.signals`).

While a plan is expanded nothing is in flight, and the first signal cancels the work. While a run is
carried out the first signal asks it to stop: nothing new is sent, what is in flight is brought to
its end and recorded. The second exits at once; what was in flight is in doubt then, and is settled
by reading when the run goes on.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TypeVar

import anyio

from fleetpatch.campaign.settings import Stop
from fleetpatch.cli import signals

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on an event loop of its own. Of several errors at once the first is raised.

    Raises Interrupted where a signal was received before `work` began, or cancelled it.
    """
    # uvloop has no build for some platforms; without it all is the same, only slower.
    options = {"use_uvloop": find_spec("uvloop") is not None}
    with signals.deferred():
        signals.check()
        try:
            return anyio.run(partial(_until_signalled, work), backend_options=options)
        except BaseExceptionGroup as group:
            # A task group wraps even a single error, and what people can act on is that one.
            raise _first(group) from group


async def _until_signalled(work: Callable[[], Awaitable[T]]) -> T:
    with anyio.CancelScope() as scope, on_signal(lambda _number: scope.cancel()):
        return await work()
    raise signals.Interrupted


@contextmanager
def on_signal(call: Callable[[signal.Signals], None], advice: str = "") -> Iterator[None]:
    """Call `call` on the running event loop at the first signal, while the block runs."""
    loop = asyncio.get_running_loop()

    def schedule(number: signal.Signals) -> None:
        loop.call_soon_threadsafe(call, number)

    with signals.responding(schedule, advice):
        yield


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def interruptible(work: Callable[[Stop], Awaitable[T]]) -> T:
    """Run `work` with a Stop that the first signal requests."""
    stop = Stop()

    def stop_by(number: signal.Signals) -> None:
        sys.stderr.write(f"{number.name}: stopping; waiting for what is in flight (again: leave)\n")
        stop.request(f"interrupted by {number.name}")

    with on_signal(stop_by, "; go on with `fleetpatch resume`"):
        return await work(stop)
