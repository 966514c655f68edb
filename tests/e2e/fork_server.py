"""Commands as processes that are forked from one that has imported fleetpatch.

A process of the command line takes half a second of CPU until it has imported its modules. As a
program this one imports them once, and forks for each command that it is sent over a socket. So
a forked command has its own memory, streams, signals and files, but no start of an interpreter.
"""

import gc
import json
import os
import pkgutil
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

import fleetpatch
from fleetpatch.cli.app import main
from fleetpatch.cli.lean_imports import load_libraries

_LARGEST: Final = 2**17
_LEFT_OUT: Final = ("__main__", "cel", "evaluation", "metrics", "sandbox", "tracing", "workers")
"""Packages of fleetpatch that few commands import, and some of them not without an extra."""


def _import_all() -> None:
    load_libraries()
    for module in pkgutil.walk_packages(fleetpatch.__path__, "fleetpatch."):
        if module.name.split(".")[1] not in _LEFT_OUT:
            import_module(module.name)


def _serve(control: socket.socket) -> Any:
    """Fork for each request; returns it in the new process, and None at the end of requests."""
    running: dict[int, int] = {}
    awake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready, _, _ = select.select([control.fileno(), awake], [], [])
        if awake in ready:
            os.read(awake, _LARGEST)
            _report_ended(running)
        if control.fileno() not in ready:
            continue
        message, files, _, _ = socket.recv_fds(control, _LARGEST, 4)
        if not message:
            return None
        *streams, status = files
        if not (pid := os.fork()):
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            for file in (*files, awake, wake, *running.values()):
                os.close(file)
            return json.loads(message)
        for stream in streams:
            os.close(stream)
        running[pid] = status
        # Before the process is reaped, so that the descriptor is of no other one.
        handle = os.pidfd_open(pid)
        socket.send_fds(control, [str(pid).encode()], [handle])
        os.close(handle)


def _report_ended(running: dict[int, int]) -> None:
    """Write the exit codes of processes that have ended, for those who wait for them."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        file = running.pop(pid)
        with suppress(BrokenPipeError):  # the process that waited for it has ended
            os.write(file, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(file)


def _become(command: Any) -> None:
    """Make this process the one that was asked for."""
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["folder"])
    sys.argv = ["fleetpatch", *command["words"]]


if __name__ == "__main__":
    # A background process of a shell and nohup ignore these, and the commands would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    _import_all()
    gc.freeze()  # so that a collection does not copy the pages of what was imported
    with socket.socket(fileno=int(sys.argv[1])) as control:
        command = _serve(control)
    if command is not None:
        _become(command)
        try:
            main()
        except SystemExit as ended:
            # The interpreter would visit all that was imported, and so copy its pages: this takes
            # longer than most commands. Commands that are started as programs end as usual.
            os._exit(int(ended.code or 0))
