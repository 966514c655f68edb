"""The check between two waves: a command's exit code, or a condition of objects."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO, Final

import anyio
import anyio.abc

from fleetpatch.campaign.running.check_command import check_environment
from fleetpatch.campaign.targets import kinds_of, namespaces_of
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.errors import FleetpatchError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.names import namespaced_name
from fleetpatch.model.plan.programs import program_path
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.waves import CheckSection
from fleetpatch.model.target import Seen
from fleetpatch.model.text import clean

_POLL_INTERVAL: Final = 5.0
"""Seconds between two reads of objects that do not have the condition yet."""

_QUOTED: Final = 200
"""Characters of a command, or of its last line of output, that a message quotes."""

_READ: Final = 4096
"""Bytes that are kept of the end of a command's output."""
_PIPE_CAPACITY: Final = 65536
"""Bytes; a pipe of Linux contains no more, so one read returns what a command wrote last."""


async def failure_after(
    journal: RunFile, plan: Plan, fleet: Sequence[ApiServer], shutdown: Shutdown, wave: int
) -> str:
    """Run the check of a plan after this wave, from 1; return as `failure`, '' without a check."""
    section = plan.waves.check if plan.waves else None
    if section is None:
        return ""
    environment = check_environment(queries.summary(journal), plan, wave)
    folder = journal.info.plan_folder
    return await failure(section, plan, fleet, shutdown, folder=folder, environment=environment)


async def failure(
    check: CheckSection,
    plan: Plan,
    fleet: Sequence[ApiServer],
    shutdown: Shutdown,
    *,
    folder: str = "",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run the check; return why it failed, in one line, or '' if it passed.

    A command is looked up from `folder`, and has `environment`, by default our own.
    `shutdown` ends it early, and the result is meaningless then. An error of a cluster is not
    raised: it fails the check.
    """
    if check.command is not None:
        program, *arguments = check.command
        words = [program_path(program, folder), *arguments]
        return await _command(words, environment, check.timeout, shutdown)
    return await _await_condition(check, plan, fleet, shutdown)


async def _command(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    timeout: float,  # noqa: ASYNC109 - the check's
    shutdown: Shutdown,
) -> str:
    what = f"`{clean(' '.join(command), _QUOTED)}`"
    ended: int | None = None
    output = bytearray()
    async with _time_limit(timeout, shutdown):
        try:
            ended = await _exit_code(command, environment, output)
        except (OSError, ValueError) as error:
            return f"{what} cannot be run: {getattr(error, 'strerror', None) or error}"
    if ended is None:
        return f"{what} did not end within {timeout:g} s"
    if ended == 0:
        return ""
    *_, last = output.decode(errors="replace").strip().splitlines() or [""]
    shown = f": {clean(last, _QUOTED)}" if last else ""
    return f"{what} ended with {ended}{shown}"


async def _exit_code(
    command: Sequence[str], environment: Mapping[str, str] | None, output: bytearray
) -> int:
    """Run a command in a session of its own; keep the end of its output in `output`.

    A background process of the command cannot write to the output after the command has ended.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        os.set_blocking(reading, False)  # the last read must not wait for background processes
        try:
            process = await anyio.open_process(
                list(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            # The command has its own copy; with ours open the pipe would never end.
            os.close(writing)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_keep_end, pipe, output)
            code = await _wait(process)
            # Do not wait for the end of the pipe: a background process may keep it open.
            tasks.cancel_scope.cancel()
        _add(output, pipe.read(_PIPE_CAPACITY))
        return code


async def _keep_end(pipe: IO[bytes], output: bytearray) -> None:
    """Read a pipe until its end, and keep the last bytes only: a command may write any amount."""
    while True:
        await anyio.wait_readable(pipe)
        chunk = pipe.read(_PIPE_CAPACITY)
        if chunk == b"":
            return
        _add(output, chunk)


def _add(output: bytearray, chunk: bytes | None) -> None:
    """Append `chunk`, which is None if there was nothing to read, and drop all but the end."""
    output.extend(chunk or b"")
    del output[:-_READ]


async def _wait(process: anyio.abc.Process) -> int:
    """Wait for a process; a cancellation ends all processes of its session."""
    try:
        return await process.wait()
    except anyio.get_cancelled_exc_class():
        with suppress(ProcessLookupError):
            # The whole group, since the children of a shell would continue to run.
            os.killpg(process.pid, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await process.wait()
        raise


@asynccontextmanager
async def _time_limit(seconds: float, shutdown: Shutdown) -> AsyncIterator[None]:
    """Cancel the block after `seconds`, or when a shutdown is requested."""

    async def cancel_later() -> None:
        await shutdown.sleep(seconds)
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel_later)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


async def _await_condition(
    check: CheckSection, plan: Plan, fleet: Sequence[ApiServer], shutdown: Shutdown
) -> str:
    # Remains if the first round of lists takes longer than the timeout.
    problem = f"the clusters did not answer within {check.timeout:g} s"
    async with _time_limit(check.timeout, shutdown):
        try:
            while problem := await _first_missing(check, plan, fleet):
                await shutdown.sleep(_POLL_INTERVAL)
        except FleetpatchError as error:
            problem = clean(str(error))
    return problem


async def _first_missing(check: CheckSection, plan: Plan, fleet: Sequence[ApiServer]) -> str:
    for cluster in fleet:
        if missing := await _missing(check, plan, cluster):
            return missing
    return ""


async def _missing(check: CheckSection, plan: Plan, cluster: ApiServer) -> str:
    """Describe an object of the cluster without the condition; '' if all have it."""
    kind, _, wanted = (check.condition or "").partition("=")
    checked = 0
    names = check.kinds or tuple(dict.fromkeys(k for block in plan.targets for k in block.kinds))
    kinds = await kinds_of(cluster, names)
    # Before any list: namespaces would silently match no object of such a kind.
    for name in names:
        if check.namespaces and not kinds[name].namespaced:
            return f"{cluster.name}: {kinds[name].name} are cluster-scoped; remove check.namespaces"
    for namespace in await namespaces_of(cluster, check.namespaces):
        for name in names:
            pages = cluster.pages(
                kinds[name],
                namespace=namespace,
                selector=str(check.selector),
                field_selector=str(check.field_selector),
                whole=True,  # metadata alone has no conditions
            )
            async for page in pages:
                checked += len(page.items)
                for seen in page.items:
                    status = _condition(seen, kind)
                    if status != (wanted or "True"):
                        where = f"{kinds[name].name} {namespaced_name(seen.namespace, seen.name)}"
                        return f"{cluster.name}: {where} has {kind}={status}"
    # Without any object the check fails, since the selector is probably mistyped.
    return "" if checked else f"{cluster.name}: no object matches the check's selector"


def _condition(seen: Seen, kind: str) -> str:
    """Return the status of a condition; "(absent)" also if `status` has another form."""
    status = seen.whole.get("status") if isinstance(seen.whole, dict) else None
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, dict) and condition.get("type") == kind:
            return clean(str(condition.get("status")), _QUOTED)
    return "(absent)"
