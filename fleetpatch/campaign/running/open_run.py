"""Opens the run file of a run that is carried out or changed, with the locks that this needs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fleetpatch.campaign.integrity import require_as_planned
from fleetpatch.campaign.running import steering
from fleetpatch.campaign.settings import Settings
from fleetpatch.journal import flock
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog


class PlanLock:
    """Proof for `apply` that its caller holds the lock of the plan."""


@contextmanager
def plan_lock(name: str, settings: Settings) -> Iterator[PlanLock]:
    """Lock a plan against other processes of this machine. Raises Locked, RunFileError."""
    catalog.prepare(settings.runs.parent, shared=settings.shared)
    with flock.hold(flock.of_plan(settings.runs.parent, name), f"plan {name}"):
        yield PlanLock()


@contextmanager
def open_for_writing(
    run_file: Path, settings: Settings, lock: PlanLock | None = None
) -> Iterator[RunFile]:
    """Open a run file for writing, with the locks of its plan and of the file.

    Raises Locked, and RunFileError also if the file is not as it was planned.
    """
    with ExitStack() as stack:
        # Excludes other runs of the plan, which would change the same objects.
        if lock is None:
            stack.enter_context(plan_lock(_plan_name(run_file), settings))
        yield stack.enter_context(open_alone(run_file, settings))


@contextmanager
def open_alone(run_file: Path, settings: Settings) -> Iterator[RunFile]:
    """Open a run file for writing, with its own lock only; for callers that send nothing.

    That lock excludes other sessions of this run, which may be under another state folder. Raises
    as `open_for_writing`.
    """
    with ExitStack() as stack:
        stack.enter_context(flock.hold(flock.beside(run_file), str(run_file)))
        heartbeats = stack.enter_context(steering.holding(run_file))
        opened = RunFile.open(run_file, write=True, now=settings.clock.wall)
        journal = stack.enter_context(opened)
        require_as_planned(journal)
        journal.heartbeats = heartbeats
        yield journal


def _plan_name(run_file: Path) -> str:
    with RunFile.open(run_file, check=False) as journal:
        return journal.info.plan_name
