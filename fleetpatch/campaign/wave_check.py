"""The check between two waves: a command's exit code, or a condition of objects."""

import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO, Any, Final

import anyio

from fleetpatch.campaign.targets import kinds_of, namespaces_of
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.errors import FleetpatchError
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.waves import CheckSection
from fleetpatch.model.target import Seen
from fleetpatch.model.text import clean

_POLL_INTERVAL: Final = 5.0
"""Seconds between two reads of objects that do not have the condition yet."""

_QUOTED: Final = 200
"""Characters of a command or of its last line that a message quotes."""

_READ: Final = 4096
"""Bytes at the end of the output that are read: enough for the last line."""


async def failure(
    check: CheckSection, plan: Plan, fleet: Sequence[ApiServer], shutdown: Shutdown
) -> str:
    """Run the check; returns why it failed, in one line, or '' where it passed.

    `shutdown` ends it early, and the result is meaningless then. An error of a cluster is not
    raised: it fails the check.
    """
    if check.command is not None:
        return await _command(check.command, check.timeout, shutdown)
    return await _await_condition(check, plan, fleet, shutdown)


async def _command(
    command: Sequence[str],
    timeout: float,  # noqa: ASYNC109 - the check's
    shutdown: Shutdown,
) -> str:
    what = f"`{clean(' '.join(command), _QUOTED)}`"
    ended: int | None = None
    # A file, not a pipe: a background process of the command may keep a pipe open and fill it.
    with tempfile.TemporaryFile() as output:
        async with _time_limit(timeout, shutdown):
            try:
                ended = await _exit_code(command, output)
            except (OSError, ValueError) as error:
                return f"{what} cannot be run: {error}"
        if ended is None:
            return f"{what} did not end within {timeout:g} s"
        if ended == 0:
            return ""
        output.seek(max(0, output.seek(0, os.SEEK_END) - _READ))
        *_, last = output.read().decode(errors="replace").strip().splitlines() or [""]
    shown = f": {clean(last, _QUOTED)}" if last else ""
    return f"{what} ended with {ended}{shown}"


async def _exit_code(command: Sequence[str], output: IO[bytes]) -> int:
    """Run a command in a session of its own; a cancellation kills all of its processes."""
    process = await anyio.open_process(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return await process.wait()
    except anyio.get_cancelled_exc_class():
        with suppress(ProcessLookupError):
            # The whole group: the children of a shell would run on.
            os.killpg(process.pid, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await process.wait()
        raise


@asynccontextmanager
async def _time_limit(seconds: float, shutdown: Shutdown) -> AsyncIterator[None]:
    """Cancel the block after `seconds`, or when a shutdown is requested."""

    async def cut_off() -> None:
        await shutdown.sleep(seconds)
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut_off)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


async def _await_condition(
    check: CheckSection, plan: Plan, fleet: Sequence[ApiServer], shutdown: Shutdown
) -> str:
    said = f"the clusters did not answer within {check.timeout:g} s"
    async with _time_limit(check.timeout, shutdown):
        try:
            while said := await _first_missing(check, plan, fleet):
                await shutdown.sleep(_POLL_INTERVAL)
        except FleetpatchError as error:
            said = clean(str(error))
    return said


async def _first_missing(check: CheckSection, plan: Plan, fleet: Sequence[ApiServer]) -> str:
    for cluster in fleet:
        if missing := await _missing(check, plan, cluster):
            return missing
    return ""


async def _missing(check: CheckSection, plan: Plan, cluster: ApiServer) -> str:
    """Describe an object of the cluster without the condition; '' where all have it."""
    kind, _, wanted = (check.condition or "").partition("=")
    looked_at = 0
    names = check.kinds or tuple(dict.fromkeys(k for block in plan.targets for k in block.kinds))
    kinds = await kinds_of(cluster, names)
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
                whole=True,
            )
            async for page in pages:
                looked_at += len(page.items)
                for seen in page.items:
                    status = _condition(seen, kind)
                    if status != (wanted or "True"):
                        where = f"{kinds[name].name} {seen.namespace}/{seen.name}"
                        return f"{cluster.name}: {where} has {kind}={status}"
    # No object at all fails the check: a mistyped selector must not pass it.
    return "" if looked_at else f"{cluster.name}: no object matches the check's selector"


def _condition(seen: Seen, kind: str) -> str:
    status: Any = (seen.whole or {}).get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind:
            return clean(str(condition.get("status")), _QUOTED)
    return "(absent)"
