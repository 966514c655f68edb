"""Runs a credential plugin, with bounded output, as a process that does not outlive ours.

The plugin runs in a session of its own, and reads our stdin only if it may ask a person. Its stderr
is copied to ours at once, since it may be a prompt; the end of it is kept for an error message. Its
stdout is the credential, which is kept in memory only.

A plugin that ends by itself may leave processes behind, such as a browser for a log-in or an agent
with a cache: they are neither ended nor waited for. In three cases the plugin is ended with all its
processes: at the time limit, when its output is too large, and when the call is cancelled. If our
process is killed, a watchdog ends them: a shell that waits until the pipe from our process closes.
Only a kill in the fraction of a millisecond between the start of the plugin and the message of its
group to the watchdog leaves the plugin running.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, ClassVar, Final

import anyio

from fleetpatch.model.partial_repr import PartialRepr

OUTPUT_LIMIT: Final = 1024 * 1024
"""Bytes of stdout that a plugin may write, and bytes of its stderr that are passed on."""

_TAIL: Final = 4096
"""Bytes that are kept of the end of stderr; a message quotes only its last line."""
_FIRST_WORD: Final = re.compile(rb"^\S+")
_CHUNK: Final = 65536
"""Bytes; a pipe of Linux contains no more, so one read returns all that it has."""
_TERMINATION_TIMEOUT: Final = 1.0
"""Seconds to wait for the end of a plugin after SIGTERM, and again after SIGKILL."""
_DRAIN_TIMEOUT: Final = 0.5
"""Seconds in which processes that the plugin leaves behind can write, once it has ended."""
_STDERR_TIMEOUT: Final = 1.0
"""Seconds to show what was read last. A stopped terminal takes nothing, and must not delay more."""
_CUT: Final = b"\n[fleetpatch: more output of the credential plugin is not shown]\n"
_WATCHDOG: Final = 'read -r group && { read -r _; kill -s KILL -- "-$group"; }'


class PluginResult(PartialRepr, frozen=True):
    """The exit code of a plugin (negative for a signal), its stdout, and the end of its stderr.

    Both may contain secrets; `stderr_end` begins with a whole word, so that a secret in it can be
    recognized. `is_cut` reports that stdout was larger than OUTPUT_LIMIT.
    """

    _printed: ClassVar = ("exit_code", "is_cut")

    exit_code: int
    stdout: bytes
    stderr_end: bytes
    is_cut: bool


def show_on_stderr(chunk: bytes) -> None:
    """Write to the stderr that our process was started with, if it is open."""
    # Not to descriptor 2: if stderr was closed, that may be another file by now.
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
) -> PluginResult:
    """Run a plugin to its end; with `interactive` it can read our stdin.

    `show` receives its stderr. Raises OSError and ValueError if the plugin cannot be started, and
    TimeoutError if it does not end within `time_limit` seconds.
    """
    # Before the plugin: our process may be killed at any instant.
    with _watchdog() as watch:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - it only starts; a kubeconfig is trusted
            command,
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            # A group of its own: all its processes can be ended, and Ctrl-C reaches only ours.
            start_new_session=True,
        )
        watch(process.pid)
        if process.stdout is None or process.stderr is None:
            raise AssertionError("Popen makes both pipes")
        with process.stdout as stdout, process.stderr as stderr:
            try:
                with anyio.fail_after(time_limit):
                    return await _communicate(process, stdout, stderr, show)
            finally:
                await _end(process)


async def _communicate(
    process: subprocess.Popen[bytes],
    stdout: IO[bytes],
    stderr: IO[bytes],
    show: Callable[[bytes], None],
) -> PluginResult:
    """Read both pipes until the plugin ends or its stdout is too large."""
    output, errors = bytearray(), _Tail()
    remaining = OUTPUT_LIMIT

    async def keep_stdout() -> None:
        async for chunk in _chunks(stdout):
            output.extend(chunk)
            # More is not a credential, and the plugin may write without end: it is stopped.
            if len(output) > OUTPUT_LIMIT:
                tasks.cancel_scope.cancel()

    async def copy_stderr() -> None:
        async for chunk in _chunks(stderr):
            await copy(chunk)

    async def copy(chunk: bytes) -> None:
        nonlocal remaining
        errors.add(chunk)
        # Continue to read beyond the limit, since a full pipe would block the plugin.
        if chunk and remaining > 0:
            remaining -= len(chunk)
            shown = chunk if remaining > 0 else chunk + _CUT
            # In a thread: a stopped terminal would block the event loop.
            await anyio.to_thread.run_sync(show, shown, abandon_on_cancel=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_stdout)
        tasks.start_soon(copy_stderr)
        await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        # A process that the plugin leaves behind may keep the pipes open.
        tasks.cancel_scope.deadline = anyio.current_time() + _DRAIN_TIMEOUT
    # On a busy machine the time may be over before anything was read.
    output.extend(_rest(stdout))
    with anyio.move_on_after(_STDERR_TIMEOUT):
        await copy(_rest(stderr))
    code = process.poll()
    return PluginResult(
        # None if the output was too large: the caller ends the plugin next.
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
        """Return the bytes, without the first word if its beginning was cut off."""
        kept = bytes(self._bytes)
        return _FIRST_WORD.sub(b"", kept) if self._is_cut else kept


async def _chunks(pipe: IO[bytes]) -> AsyncIterator[bytes]:
    while True:
        await anyio.wait_readable(pipe)
        chunk = os.read(pipe.fileno(), _CHUNK)
        if not chunk:
            return
        yield chunk


def _rest(pipe: IO[bytes]) -> bytes:
    """Return what a pipe contains at this moment, without waiting for more."""
    os.set_blocking(pipe.fileno(), False)
    with suppress(BlockingIOError):
        return os.read(pipe.fileno(), _CHUNK)
    return b""


async def _end(process: subprocess.Popen[bytes]) -> None:
    """End the plugin and all its processes, unless it has ended by itself."""
    if process.poll() is not None:
        return
    with anyio.CancelScope(shield=True):
        for number in (signal.SIGTERM, signal.SIGKILL):
            _signal(process.pid, number)
            # In a thread, so that requests and the renewal of a Lease continue meanwhile.
            with anyio.move_on_after(_TERMINATION_TIMEOUT):
                await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)


def _signal(group: int, number: signal.Signals) -> None:
    # macOS refuses to signal a group of which only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


@contextmanager
def _watchdog() -> Iterator[Callable[[int], None]]:
    """Yield what takes the group of a plugin, which ends if our own process dies in the block."""
    try:
        watchdog = subprocess.Popen(  # noqa: S603 - nothing of it is from outside
            ["/bin/sh", "-c", _WATCHDOG],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
    except OSError:
        # A container image without a shell: the plugin may outlive our process if that is killed.
        yield lambda _group: None
        return
    if watchdog.stdin is None:
        raise AssertionError("Popen makes the pipe")
    with watchdog, watchdog.stdin as pipe:

        def watch(group: int) -> None:
            with suppress(BrokenPipeError):  # it was killed
                pipe.write(f"{group}\n".encode())

        try:
            yield watch
        finally:
            # Before its pipe closes, or it would end the processes that the plugin left behind.
            watchdog.kill()
