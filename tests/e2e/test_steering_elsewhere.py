"""A run that a session on another machine carries out: it is seen and steered from this one.

Covered: `status`, the requests that reach the session, refusals, and that its file is not opened.
Left out: what a session makes of a request (test_steering.py), the files (tests/journal).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import control, heartbeat
from fleetpatch.journal.runs.heartbeat import Heartbeat
from fleetpatch.model.live import Holder, Live, StatusReport
from fleetpatch.model.run import RunState
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.steering import planned, status
from tests.e2e.tool import Tool
from tests.repeating import repeating


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=400) as served:
        yield served


@contextmanager
def elsewhere(run_file: Path) -> Iterator[None]:
    """A session on another machine: it reports every few milliseconds, and follows requests."""
    with RunFile.open(run_file) as journal:
        summary = msgspec.structs.replace(queries.summary(journal), state=RunState.RUNNING)
    holder = Holder("s", "ann", "host-7", 4711, "2027-01-15T08:00:00Z", "another-machine", "0.2")
    status = msgspec.json.encode(
        StatusReport(summary, Live(7.5, 7.0, 3, {"sandbox": "the plan's rate"}))
    )

    def report() -> None:
        followed = tuple(one.id for one in control.read(run_file))
        beat = Heartbeat(holder, time.monotonic_ns(), time.time(), msgspec.Raw(status), followed)
        heartbeat.write(run_file, beat)

    try:
        with repeating(report, 0.01):
            yield
    finally:
        heartbeat.remove(run_file, "s")


def test_a_run_on_another_machine_is_seen_and_steered_and_its_file_is_never_opened(
    tool: Tool, server: SandboxServer
) -> None:
    run = planned(tool)
    path = tool.state / "runs" / f"{run}.run"
    with elsewhere(path):
        hidden = path.rename(path.with_suffix(".hidden"))
        path.write_bytes(b"SQLite format 3\0 and who opens this finds no run")

        seen = status(tool, run)
        assert (seen["state"], seen["holder"]["host"], seen["inFlight"]) == ("running", "host-7", 3)
        assert "process 4711 of ann on host-7" in tool.run("status", run).out
        for words in (["pace", "--rate", "5/s"], ["pause"], ["cancel"]):
            steered = tool.run(words[0], run, *words[1:])
            assert (steered.code, "host-7" in steered.out) == (0, True), steered.err
        assert [one.action for one in control.read(path)] == ["pace", "pause", "cancel"]

        hidden.replace(path)
        for words in (["resume", run], ["apply", run, "--yes"], ["targets", run], ["undo", run]):
            refused = tool.run(*words)
            assert (refused.code, "host-7" in refused.err) == (6, True), refused.err
    assert server.sent() == 0
