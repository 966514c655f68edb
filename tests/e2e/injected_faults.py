"""Faults that a trial injects into the tool, the API server or etcd."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen

from fleetpatch.errors import Exit
from tests.control_plane import OwnControlPlane


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault that is injected into a session, and how the session may end then.

    `codes` are exit codes beside 0 (-9 is that of SIGKILL), `allowed` seconds until the end.
    `doubt`: targets may be left in doubt. `while_starting`: it can also be injected while the
    process starts.
    """

    inject: Callable[["Popen[str]"], None]
    codes: tuple[int, ...] = (-signal.SIGKILL, Exit.PAUSED, Exit.TROUBLE)
    allowed: float = 60
    doubt: bool = True
    while_starting: bool = False


KILLED = InjectedFault(lambda process: process.kill(), (-signal.SIGKILL,), while_starting=True)
"""The tool's process dies."""

INTERRUPTED = InjectedFault(
    lambda process: process.send_signal(signal.SIGINT), (Exit.PAUSED,), allowed=5, doubt=False
)
"""A person presses Ctrl-C."""


def dying_apiserver(plane: OwnControlPlane, generator: random.Random) -> InjectedFault:
    """The API server dies and is started again; in half of the cases the tool dies meanwhile."""

    def inject(process: "Popen[str]") -> None:
        plane.kill_apiserver()
        try:
            _perhaps_kill(process, generator)
        finally:
            plane.start_apiserver()

    return InjectedFault(inject)


def dying_etcd(plane: OwnControlPlane, generator: random.Random) -> InjectedFault:
    """The server's etcd dies and is started again; in half of the cases the tool dies, too."""

    def inject(process: "Popen[str]") -> None:
        plane.kill_etcd()
        try:
            _perhaps_kill(process, generator)
        finally:
            plane.start_etcd()
            plane.wait_ready()

    return InjectedFault(inject)


def _perhaps_kill(process: "Popen[str]", generator: random.Random) -> None:
    time.sleep(generator.uniform(0, 1))
    if generator.random() < 0.5:
        process.kill()
