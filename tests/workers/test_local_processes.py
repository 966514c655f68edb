"""The processes of this machine: started once for a command, and ended with it.

With a cluster that starts no process. Left out: real ones (test_runs.py).
"""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from fleetpatch.workers import local_processes
from fleetpatch.workers.local_processes import LocalProcesses


class Started:
    """Counts the starts and the ends; the start waits until `may_start`."""

    def __init__(self) -> None:
        self.starts = self.ends = 0
        self.may_start = threading.Event()
        self.may_start.set()

    @asynccontextmanager
    async def __call__(self, processes: int) -> AsyncIterator[str]:
        self.starts += 1
        self.may_start.wait()
        yield f"{processes} processes"
        self.ends += 1


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    counted = Started()
    monkeypatch.setattr(local_processes, "local_cluster", counted)
    return counted


def test_two_event_loops_one_after_another_use_the_same_processes(started: Started) -> None:
    processes = LocalProcesses(2)
    found: list[Any] = [anyio.run(processes.cluster) for _ in range(2)]
    assert (found, started.starts, started.ends) == (["2 processes"] * 2, 1, 0)

    processes.close()

    assert (started.starts, started.ends) == (1, 1)


def test_processes_that_were_not_needed_are_not_started(started: Started) -> None:
    LocalProcesses(2).close()

    assert started.starts == 0


def test_processes_whose_start_was_interrupted_are_ended(started: Started) -> None:
    started.may_start.clear()
    processes = LocalProcesses(2)

    async def interrupt() -> None:
        with anyio.move_on_after(0.05):
            await processes.cluster()

    anyio.run(interrupt)
    started.may_start.set()
    processes.close()

    assert started.starts == started.ends
