"""Runs the asynchronous code of a verb, until it ends or a signal ends it (see `cli.signals`).

While a plan is expanded no PATCH is in flight, and the first signal cancels the work. While a run
is carried out the first signal requests a stop: nothing new is sent, and requests in flight are
awaited and recorded. The second signal exits at once; targets whose requests were in flight are in
doubt then, and are read when the run is resumed.

Not a part of `cli.signals`, which is imported before asyncio and anyio.
"""

import asyncio
import gc
import os
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
from fleetpatch.kube.kubeconfig.content import read_pipes
from fleetpatch.model.cause import Cause, CauseCode

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on a new event loop. If several errors occur at once, the first is raised.

    Raises Interrupted if a signal was received before `work` began, or cancelled it.
    """
    read_pipes(os.environ)
    # All imports are done. Their objects are never freed, so the collector need not visit them.
    gc.freeze()
    gc.enable()
    # uvloop is not built for all platforms; asyncio's own loop does the same more slowly.
    options = {"use_uvloop": find_spec("uvloop") is not None}
    # A signal that arrives after this check and before the loop's own handler is remembered, and
    # cancels `work` as soon as that handler is set.
    with signals.deferred():
        signals.raise_if_received()
        try:
            return anyio.run(partial(_until_signalled, work), backend_options=options)
        except BaseExceptionGroup as group:
            # A task group wraps even a single error, and a person can only act on one at a time.
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
        # A signal may interrupt the loop anywhere; this call is safe there, and wakes its selector.
        loop.call_soon_threadsafe(call, number)

    with signals.responding(schedule, advice):
        yield


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def interruptible(work: Callable[[Stop], Awaitable[T]], advice: str = "") -> T:
    """Run `work` with a Stop that the first signal requests.

    `advice` completes the message with which a second signal exits.
    """
    stop = Stop()

    # Called on the event loop's thread, as a `Shutdown` requires.
    def request(number: signal.Signals) -> None:
        sys.stderr.write(
            f"{number.name}: stopping; waiting for requests in flight (once more: exit at once)\n"
        )
        stop.request(Cause(CauseCode.INTERRUPTED, f"interrupted by {number.name}"))

    with on_signal(request, advice):
        return await work(stop)
