"""Child processes that never outlive the tests, and waiting for them with a deadline."""

import atexit
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The parent-death signal follows the thread that forked, not the process: a child started from a
# worker thread (asyncio.to_thread in a test) would die when that thread ends. This one thread
# lives as long as the interpreter.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="control-plane-spawner")


class ControlPlaneError(Exception):
    """The control plane did not start; the message ends with the tail of the log."""


class Process:
    """One server of the control plane, with its log in a file that restarts append to."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.name = Path(command[0]).name
        self.log = log
        self._command = list(command)
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise ControlPlaneError(f"{self.name} is not started")
        return self._popen.pid

    def start(self) -> None:
        """Start the process; a no-op while it runs."""
        if self.running:
            return
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ControlPlaneError("setpriv (util-linux) is needed to start the control plane")
        # The kernel kills the child when this process goes, even by SIGKILL, which no handler or
        # fixture of ours survives. A parent that goes before setpriv has asked for that is another
        # parent for the shell. Both exec, so the pid is that of the server.
        guard = ["sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid())]
        command = [setpriv, "--pdeathsig", "KILL", "--", *guard, *self._command]
        with self.log.open("ab") as log:
            self._popen = _SPAWNER.submit(
                subprocess.Popen,
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            ).result()

    def kill(self) -> None:
        """SIGKILL the process and reap it; a no-op when it does not run."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
            self._popen = None

    def wait_until(self, ready: Callable[[], bool], what: str, timeout: float = 240.0) -> None:
        """Poll `ready`; raise with the tail of the log at the deadline or when the process ends.

        `ready` may raise OSError, as a client does while nothing listens; that counts as no.
        """
        deadline = time.monotonic() + timeout
        while True:
            reason = "no"
            try:
                if ready():
                    return
            except OSError as error:
                reason = str(error)
            if not self.running:
                raise ControlPlaneError(f"{self.name} ended before: {what}\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ControlPlaneError(
                    f"{self.name}: not within {timeout:g} s: {what} ({reason})\n{self.log_tail()}"
                )
            time.sleep(0.05)

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def free_ports(count: int) -> list[int]:
    """Return distinct loopback ports on which nothing listens, kept until this process ends.

    They lie below the range from which Linux takes the ports of outgoing connections. Otherwise a
    client that reconnects while a server is down for a restart could be given the server's port.
    """
    ports: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1_000):
        if _is_kept(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise ControlPlaneError("no free ports on the loopback interface")


def _is_kept(port: int) -> bool:
    """Bind a socket to a port, so that no other caller is given it; return False if it is used.

    A server can listen there with SO_REUSEADDR, which is set after this socket is bound: before,
    two callers could be given one port. Until the server listens, connections are refused.
    """
    keeper = socket.socket()
    try:
        keeper.bind(("127.0.0.1", port))
    except OSError:
        keeper.close()
        return False
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    atexit.register(keeper.close)
    return True
