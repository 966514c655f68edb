"""Makes drafts, runs and settlements for the tests of the run file, and processes that die."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fleetpatch.errors import RunFileError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.fields import ABSENT, Fields, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import ClusterInfo, RunInfo, Summary
from fleetpatch.model.target import Seen, Target

JOBS = Resource("batch", "v1", "jobs", "Job", "job", ("jo",))
TFJOBS = Resource("kubeflow.org", "v1", "tfjobs", "TFJob", "tfjob")

NORTH = ClusterInfo("north", "https://north.example:6443", "north-admin")
SOUTH = ClusterInfo("south", "https://south.example:6443")

NOON = 1_772_366_400.0
"""The constant time of the tests, in seconds since the epoch."""


def info(run: str = "relabel-20260301T120000Z-00000a", *, dry_run: bool = False) -> RunInfo:
    """One run over two clusters."""
    return RunInfo(
        run=run,
        plan_name="relabel",
        plan_digest="sha256:0a0b",
        plan='{"metadata":{"name":"relabel"}}',
        created_at="2026-03-01T12:00:00Z",
        created_by="ann@desk",
        tool_version="0.1.0",
        clusters=(NORTH, SOUTH),
        dry_run=dry_run,
    )


def draft(
    name: str,
    *,
    cluster: str = "north",
    resource: Resource = JOBS,
    namespace: str = "team-a",
    uid: str = "",
    version: str = "7",
    before: Fields | None = None,
    block: int = 0,
    ends: Reason | None = None,
    detail: str = "",
) -> Draft:
    """Return one object as a survey finds it; by default its uid is derived from its place."""
    uid = uid or f"{cluster}/{resource.name}/{namespace}/{name}"
    before = {label("team"): "a", label("cost-centre"): ABSENT} if before is None else before
    return Draft(
        cluster, resource, Seen(namespace, name, uid, version), before, block, None, ends, detail
    )


def many(count: int, cluster: str = "north") -> list[Draft]:
    """Return `count` objects of one cluster, in order."""
    return [draft(f"job-{number:05}", cluster=cluster) for number in range(count)]


def make(path: Path, drafts: Iterable[Draft], run: RunInfo | None = None) -> RunFile:
    """Create a sealed run file of these drafts, still open."""
    made = RunFile.create(path, run or info(), now=lambda: NOON)
    made.add(drafts)
    made.seal()
    return made


def settle(targets: Iterable[Target], reason: Reason = Reason.PATCHED) -> list[Settlement]:
    """Return settlements of these targets."""
    return [Settlement(target.id, reason, 200, 1, 0, 12.5, "8") for target in targets]


def read(path: Path) -> Summary:
    """Read all of a run file; return its summary."""
    with RunFile.open(path) as run:
        for _ in queries.targets(run):
            pass
        return queries.summary(run)


def names(targets: Sequence[Target]) -> list[str]:
    """Return the names of targets."""
    return [target.name for target in targets]


def in_process(work: Callable[[], None]) -> int:
    """Run `work` in a forked process that then exits without cleaning up.

    Returns its exit code: 0, 7 after a RunFileError, 9 after any other, or a signal's negative.
    """
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except RunFileError:
            os._exit(7)
        except BaseException:  # noqa: BLE001 # a forked test process must never return to pytest
            os._exit(9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
