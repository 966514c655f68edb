"""The check between two waves, on real processes and a real local server.

Covered: the end of a command's output, whatever it writes and leaves behind; objects whose status
is not that of a Kubernetes object. Left out: checks within whole runs (tests/e2e/test_waves.py).
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fleetpatch.campaign.running import wave_check
from fleetpatch.engine.clock import SystemClock
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.section import section_of
from fleetpatch.model.plan.waves import CheckSection
from tests.e2e.stubs import KIND, stub
from tests.plans import plan_from


def a_plan() -> Plan:
    block = {"kinds": [KIND], "selector": "app=x", "namespaces": ["ns"]}
    content = {"metadata": {"name": "p"}, "targets": [block], "patch": {"labels": {"a": "b"}}}
    return plan_from(content)


async def run_command(*command: str, limit: str = "20s") -> str:
    check = section_of(CheckSection, {"command": list(command), "timeout": limit})
    return await wave_check.failure(check, a_plan(), [], Shutdown(SystemClock()))


@contextmanager
def no_large_files() -> Iterator[None]:
    """Let this process and its children write no file of more than 1 MiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "script",
    [
        "import sys; sys.stdout.write('x' * (8 << 20) + '\\nthe last line'); sys.exit(3)",
        "import sys; sys.stderr.write('line\\n' * (2 << 20) + 'the last line'); sys.exit(3)",
    ],
)
async def test_the_last_line_of_a_long_output_is_quoted_and_no_file_is_filled(script: str) -> None:
    with no_large_files():
        said = await run_command(sys.executable, "-c", script)

    assert said.endswith("ended with 3: the last line")


async def test_a_command_that_writes_without_end_is_ended_at_its_time_limit() -> None:
    with no_large_files():
        assert await run_command("yes", limit="500ms") == "`yes` did not end within 0.5 s"


async def test_a_command_that_leaves_a_writer_behind_ends_with_its_own_exit_code() -> None:
    said = await run_command("sh", "-c", "yes & sleep 0.1; exit 4")

    assert said.startswith("`sh -c yes & sleep 0.1; exit 4` ended with 4")


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": ["Complete"]},
        {"conditions": {"Complete": "True"}},
        {"conditions": 7},
        {"conditions": [None, [], {"status": "True"}]},
        {"conditions": "Complete"},
        "Complete",
        ["Complete"],
        7,
        None,
    ],
)
async def test_an_object_with_an_odd_status_does_not_have_the_condition(status: Any) -> None:
    content: dict[str, Any] = {"condition": "Complete", "timeout": "500ms"}
    content |= {"kinds": [KIND], "selector": "app=x", "namespaces": ["ns"]}
    check = section_of(CheckSection, content)
    with stub({"a": {"status": status}}) as server:
        connection = Connection("ctx", "clu", server.url, Grant.authorizing("Bearer of the tests"))
        async with ApiServer("test", connection, clock=SystemClock()) as api:
            said = await wave_check.failure(check, a_plan(), [api], Shutdown(SystemClock()))

    assert said == f"test: {KIND} ns/a has Complete=(absent)"
