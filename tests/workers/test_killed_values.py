"""A run with `where`, values of a table and dependents over workers that are killed.

Covered: SIGKILL of a worker when a PATCH arrives at a server, SIGKILL of the coordinator later, and
`resume` with other workers. Left out: one process (tests/e2e/test_killed_values.py).
"""

import os
import signal
from concurrent.futures import Future
from subprocess import Popen

from tests.e2e.computed_fleet import ComputedFleet
from tests.e2e.tool import Tool, end, eventually
from tests.workers.own_workers import is_gone, workers_of


def test_each_job_and_each_pod_gets_its_value_once(tool: Tool) -> None:
    with ComputedFleet.serve(tool, "abc") as fleet:
        workers: list[int] = []
        started: Future[Popen[str]] = Future()
        fleet.trigger.at(5, lambda: kill_a_worker(started.result(60)))
        # More than two of the three clusters have: the killed worker's are continued by then.
        fleet.trigger.at(62, lambda: workers.extend(kill_the_coordinator(started.result())))
        started.set_result(tool.fork("apply", fleet.plan(), "--yes", "--workers", 2))
        ended = end(started.result(), 300)
        assert ended.code == -signal.SIGKILL, ended.err
        eventually(lambda: all(map(is_gone, workers)), "the workers end")
        fleet.wait_until_forwarded()
        fleet.remove_table()

        ended = tool.run("resume", "values", "-o", "json", "--workers", 2)

        assert ended.code == 0, ended.err
        assert list(fleet.violations()) == []
        targets = fleet.values()
        assert {key: n for key, n in ended.json["outcomes"].items() if n} == {
            "applied": len(targets)
        }


def kill_a_worker(process: Popen[str]) -> None:
    """Kill a worker of a command, and wait for its end."""
    worker = workers_of(process)[0]
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: is_gone(worker), "the worker ends")


def kill_the_coordinator(process: Popen[str]) -> list[int]:
    """Kill a command, and wait for its end; return the workers that it had."""
    found = workers_of(process)
    process.kill()
    process.wait()
    return found
