"""One run of a credential plugin: a process with bounded output that never outlives us.

The plugin runs in a session of its own, and reads our stdin only where it may ask a person. What it
writes to stderr is passed on to our stderr at once, since it may be a prompt; the end of it is kept
for an error message. What it writes to stdout is its answer, which is kept in memory only.

A plugin that ends by itself may leave processes behind, such as a browser for a log-in or an agent
with a cache: they are not ended, and are not waited for. A plugin that has not ended is ended with
all its processes: at the time limit, when its answer is too large, and when the call is cancelled.
Where our own process is killed, nothing is left that could do so; for that case a second process, a
shell that waits for a pipe from us to close, ends the plugin.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Final

import anyio

OUTPUT_LIMIT: Final = 1024 * 1024
"""Bytes of stdout that a plugin may write, and bytes of its stderr that are passed on."""

_TAIL: Final = 4096
_FIRST_WORD: Final = re.compile(rb"^\S+")
_CHUNK: Final = 65536
_TERMINATION: Final = 1.0
"""Seconds that a plugin has to end after SIGTERM."""
_DRAIN: Final = 0.5
"""Seconds to read what is left in the pipes, once the plugin has ended."""
_CUT: Final = b"\n[fleetpatch: more output of the credential plugin is not shown]\n"
_GUARD: Final = 'read -r _; kill -s KILL -- "-$1"'


@dataclass(frozen=True, slots=True)
class Ended:
    """How a plugin ended: its exit code (negative for a signal), stdout, and the end of stderr.

    The outputs may contain secrets; stderr begins with a whole word, so that a secret in it can be
    recognized. `is_cut` reports that stdout was larger than OUTPUT_LIMIT.
    """

    code: int
    output: bytes = field(repr=False)
    errors: bytes = field(repr=False)
    is_cut: bool


def show_on_stderr(chunk: bytes) -> None:
    """Write to the stderr that our process was started with, if it is open."""
    # Not to the number 2: where stderr was closed, that may be another file by now.
    stderr = sys.__stderr__
    if stderr is None:
        return
    with suppress(OSError, ValueError):
        stderr.flush()
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(stderr.fileno(), rest) :]


async def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    interactive: bool,
    time_limit: float,
    show: Callable[[bytes], None] = show_on_stderr,
) -> Ended:
    """Run a plugin to its end; `interactive` lets it read our stdin.

    Raises OSError and ValueError where it cannot be started, and TimeoutError where it does not end
    within `time_limit` seconds.
    """
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - it only starts; a kubeconfig is trusted
        command,
        stdin=None if interactive else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        start_new_session=True,
    )
    if process.stdout is None or process.stderr is None:
        raise AssertionError("both are pipes")
    with process.stdout as stdout, process.stderr as stderr, _guarded(process):
        try:
            with anyio.fail_after(time_limit):
                return await _attend(process, stdout, stderr, show)
        finally:
            _end(process)


async def _attend(
    process: subprocess.Popen[bytes],
    stdout: IO[bytes],
    stderr: IO[bytes],
    show: Callable[[bytes], None],
) -> Ended:
    """Read both pipes until the plugin ends or its answer is too large."""
    output, errors = bytearray(), _Tail()

    async def keep_output() -> None:
        async for chunk in _chunks(stdout):
            output.extend(chunk)
            if len(output) > OUTPUT_LIMIT:
                tasks.cancel_scope.cancel()

    async def pass_on_errors() -> None:
        left = OUTPUT_LIMIT
        async for chunk in _chunks(stderr):
            errors.add(chunk)
            if left > 0:
                left -= len(chunk)
                shown = chunk if left > 0 else chunk + _CUT
                await anyio.to_thread.run_sync(show, shown, abandon_on_cancel=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_output)
        tasks.start_soon(pass_on_errors)
        await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        # A process that it has left behind may hold the pipes open.
        tasks.cancel_scope.deadline = anyio.current_time() + _DRAIN
    code = process.poll()
    return Ended(
        code if code is not None else -signal.SIGTERM,
        bytes(output),
        errors.words(),
        is_cut=len(output) > OUTPUT_LIMIT,
    )


class _Tail:
    """The last bytes of a stream."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._is_cut = False

    def add(self, chunk: bytes) -> None:
        self._bytes.extend(chunk)
        self._is_cut = self._is_cut or len(self._bytes) > _TAIL
        del self._bytes[:-_TAIL]

    def words(self) -> bytes:
        """Return what is kept, without a first word whose beginning is lost."""
        kept = bytes(self._bytes)
        return _FIRST_WORD.sub(b"", kept) if self._is_cut else kept


async def _chunks(pipe: IO[bytes]) -> AsyncIterator[bytes]:
    while True:
        await anyio.wait_readable(pipe)
        chunk = os.read(pipe.fileno(), _CHUNK)
        if not chunk:
            return
        yield chunk


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the plugin and all its processes, where it has not ended by itself."""
    if process.poll() is not None:
        return
    _signal(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_TERMINATION)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    # macOS refuses to signal a group of which only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


@contextmanager
def _guarded(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the plugin with all its processes if our own process dies within the block."""
    start = partial(
        subprocess.Popen,
        ["/bin/sh", "-c", _GUARD, "sh", str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        guard = start()
    except OSError:
        # An image without a shell: the plugin may then outlive a killed process.
        yield
        return
    with guard:
        try:
            yield
        finally:
            # Killed before its pipe is closed, so that it does not end what the plugin left.
            guard.kill()
