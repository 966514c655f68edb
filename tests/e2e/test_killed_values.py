"""A run with `where`, values of a table and dependents that is killed and resumed.

Covered: SIGKILL when a PATCH arrives at the server, which carries it out or never gets it; the
table's file is removed. Left out: the same over workers (tests/workers/test_killed_values.py), and
random instants (tests/e2e/test_kills.py).
"""

import signal
from collections.abc import Sequence
from concurrent.futures import Future
from subprocess import Popen

from tests.e2e.computed_fleet import ComputedFleet
from tests.e2e.tool import Tool, end


def test_each_job_and_each_pod_gets_its_value_once(tool: Tool) -> None:
    with ComputedFleet.serve(tool, "a") as fleet:
        start_and_kill(fleet, ("apply", fleet.plan(), "--yes"), 3, losing=False)
        fleet.remove_table()
        start_and_kill(fleet, ("resume", "values"), 4, losing=True)
        start_and_kill(fleet, ("resume", "values"), 7, losing=False)

        ended = tool.run("resume", "values", "-o", "json")

        assert ended.code == 0, ended.err
        assert list(fleet.violations()) == []
        targets = fleet.values()
        assert {key: n for key, n in ended.json["outcomes"].items() if n} == {
            "applied": len(targets)
        }
        assert {one["uid"] for one in tool.targets("values")} == targets.keys()
        assert fleet.patches() == [1] * len(targets)
        assert ended.json["reasons"]["applied"]["settled-by-reading"] > 0


def start_and_kill(
    fleet: ComputedFleet, words: Sequence[object], more: int, *, losing: bool
) -> None:
    """Kill a command when so many more PATCHes have arrived, and wait for what it has sent."""
    # The function is set before the command starts, however slowly this thread goes on.
    started: Future[Popen[str]] = Future()
    fleet.trigger.at(more, lambda: kill(started.result(60)), losing=losing)
    started.set_result(fleet.tool.fork(*words))
    ended = end(started.result())
    assert ended.code == -signal.SIGKILL, ended.err
    fleet.wait_until_forwarded()


def kill(process: Popen[str]) -> None:
    """Kill a process, and wait for its end."""
    process.kill()
    process.wait()
