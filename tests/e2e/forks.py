"""Processes of the command line without the time that a start takes: see `fork_server`."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any

_ROOT = Path(__file__).parents[2]
_ASKING = Lock()
"""Held for a request and its answer, and for the start of the server."""


class ForkedProcess(subprocess.Popen[str]):
    """A forked command, used as one that was started; its parent is the server.

    `handle` is a file descriptor of the process, `status` one from which its exit code is read.
    """

    def __init__(
        self,
        pid: int,
        handle: int,
        words: Sequence[str],
        out: int | None,
        err: int | None,
        status: int,
    ) -> None:
        self.args = list(words)
        self.pid, self._handle = pid, handle
        self.returncode: Any = None
        self.stdin = None
        self.stdout = None if out is None else os.fdopen(out, encoding="utf-8")
        self.stderr = None if err is None else os.fdopen(err, encoding="utf-8")
        self._status, self._lock = status, Lock()

    def poll(self) -> int | None:
        return self._exit_code(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._exit_code(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def _exit_code(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            with self._lock:  # several threads may wait
                if self.returncode is None:
                    self.returncode = int(os.read(self._status, 20))
        code: int | None = self.returncode
        return code

    def communicate(
        self,
        input: str | None = None,  # noqa: A002, ARG002 - named as in Popen; stdin is at its end
        timeout: float | None = None,
    ) -> tuple[str, str]:
        texts: dict[IO[str] | None, str] = {None: ""}

        def read(stream: IO[str]) -> None:
            texts[stream] = stream.read()

        streams = [one for one in (self.stdout, self.stderr) if one is not None]
        readers = [Thread(target=read, args=(stream,), daemon=True) for stream in streams]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader, stream in zip(readers, streams, strict=True):
            reader.join()
            stream.close()
        return texts[self.stdout], texts[self.stderr]

    def send_signal(self, sig: int) -> None:
        # It may end at this moment. The server reaps it, so its number may be another process then.
        if self.poll() is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def __del__(self) -> None:
        os.close(self._status)
        os.close(self._handle)


def fork(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> ForkedProcess:
    """Run a command line of fleetpatch in a new process.

    Its streams are descriptors of files. Without them stdin is at its end, the others are pipes.
    """
    command = {"words": list(words), "folder": str(folder), "environment": dict(environment)}
    with ExitStack() as theirs:
        nothing = os.open(os.devnull, os.O_RDONLY) if stdin is None else os.dup(stdin)
        out, out_end = os.pipe() if stdout is None else (None, os.dup(stdout))
        err, err_end = os.pipe() if stderr is None else (None, os.dup(stderr))
        status, status_end = os.pipe()
        files = [nothing, out_end, err_end, status_end]
        for file in files:
            theirs.callback(os.close, file)
        with _ASKING:
            control = _server()
            socket.send_fds(control, [json.dumps(command).encode()], files)
            pid, (handle,), _, _ = socket.recv_fds(control, 20, 1)
    return ForkedProcess(int(pid), handle, words, out, err, status)


@lru_cache(maxsize=1)
def _server() -> socket.socket:
    """Start the server, which ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.fork_server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "error"},
            # Ctrl-C of the terminal is for the process of the tests.
            process_group=0,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # before the other
    return ours
