"""`status --watch` of a live run: on a terminal, as JSON, and its end.

Covered: redraws on a terminal of 80 columns that never wrap, a line of JSON a second, the last
status after the session. Left out: what the status says (tests/report/test_status.py).
"""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.terminals import Terminal
from tests.e2e.tool import Tool, end, eventually, plan


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=400) as served:
        yield served


def paint() -> dict[str, object]:
    return plan(
        "paint",
        {"kinds": ["jobs.batch"], "selector": "app"},
        patch={"labels": {"colour": "red"}},
        pace={"rate": "10/m", "burst": 1, "concurrency": 4},
    )


def test_a_live_run_is_watched_by_a_person_and_by_a_program_until_it_ends(
    tool: Tool, server: SandboxServer
) -> None:
    applying = tool.fork("apply", tool.write("plan.yaml", paint()), "--yes")
    try:
        eventually(lambda: server.sent() > 0, "a patch")
        watching = tool.fork("status", "paint", "--watch", "-o", "json")
        with Terminal(tool, "status", "paint", "--watch", columns=80, rows=24) as terminal:
            eventually(lambda: "is being applied" in terminal.text, "the first picture")
            assert watching.stdout is not None
            lines = [watching.stdout.readline() for _ in range(2)]
            assert tool.run("pace", "paint", "--rate", "5000/s", "--concurrency", "64").code == 0
            code = terminal.wait()
        rest, _ = watching.communicate(timeout=60)
    finally:
        if applying.poll() is None:
            applying.wait(60)
        end(applying)

    seen = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert [one["state"] for one in seen[:2]] == ["running", "running"]
    assert all(one["holder"]["pid"] == applying.pid for one in seen[:2])
    assert (seen[-1]["state"], seen[-1]["holder"]) == ("finished", None)
    assert (watching.returncode, code) == (0, 0)
    assert "Held by:  process" in terminal.text
    assert "is finished" in terminal.text
