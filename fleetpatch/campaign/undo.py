"""Plans the undo of a run: a new run, made from the record of the old one.

Each target that the run changed gets its values before the change back, absences included, if the
fields still have the values that the run left; the others end as `skipped: drifted`. This includes
targets that failed while part of the change was stored. Targets in doubt are read first, so that a
change that was applied and never confirmed is undone as well.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fleetpatch.campaign.apply import open_for_writing
from fleetpatch.campaign.change import change_of
from fleetpatch.campaign.integrity import plan_of
from fleetpatch.campaign.log import open_log_of
from fleetpatch.campaign.plan import new_run
from fleetpatch.campaign.servers import require_same_servers
from fleetpatch.campaign.session import Session
from fleetpatch.campaign.settings import Settings, Stop
from fleetpatch.errors import Refused
from fleetpatch.journal import campaigns, queries
from fleetpatch.journal.catalog import run_path
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.plan.digest import undo_digest
from fleetpatch.model.ports import Draft
from fleetpatch.model.run import RunInfo, Standing, Summary
from fleetpatch.model.target import Seen
from fleetpatch.rules.planning.undo import values_to_restore

_MAY_BE_CHANGED: Final = frozenset(Standing) - {Standing.UNCHANGED}
"""Targets that were skipped, failed or reopened may have part of the change."""


async def undo(
    run_file: Path | str, settings: Settings | None = None, *, new_file: Path | None = None
) -> Summary:
    """Plan the undo of `run_file`; return the summary of a new run for `apply`.

    Raises Refused if there is nothing to undo, and as `apply`, since targets in doubt are read.
    """
    run_file, settings = Path(run_file), settings or Settings()
    with open_for_writing(run_file, settings) as journal:
        require_same_servers(journal.info, plan_of(journal))
        if journal.info.dry_run:
            raise Refused(f"{run_file}: it was a dry run and changed nothing to undo")
        await _settle_doubtful(journal, settings)
        return _plan(journal, settings, new_file)


async def _settle_doubtful(journal: RunFile, settings: Settings) -> None:
    """Settle the targets in doubt by reading them. Raises Refused if some cannot be read."""
    if not queries.summary(journal).tally.in_doubt:
        return
    with open_log_of(journal.path, journal.info.run, settings) as log:
        summary = await Session(journal, settings, log, Stop(), read_only=True).run()
    if summary.tally.in_doubt:
        raise Refused(
            f"{journal.path}: {summary.tally.in_doubt} targets may have been changed and cannot be "
            f"read ({summary.cause}); undo it when the server can be reached"
        )


def _plan(journal: RunFile, settings: Settings, new_file: Path | None) -> Summary:
    info = _info(journal.info, settings)
    path = new_file or run_path(settings.runs, info.run)
    planned = RunFile.create(path, info, now=settings.clock.wall)
    with planned.planning():
        planned.add(_drafts(journal))
        _require_changes(journal, planned)
        planned.seal()
        # The digest of an undo covers the seal, which is known only now.
        planned.set_digest(undo_digest(journal.info.run, info.plan, planned.sealed))
    with planned:
        # Only now: a run must not name an undo that was refused.
        journal.note_undo(info.run)
        return queries.summary(planned)


def _require_changes(journal: RunFile, planned: RunFile) -> None:
    if not (planned.found() or queries.summary(journal).tally.applied):
        raise Refused(f"{journal.path}: no target of it was applied; there is nothing to undo")


def _info(undone: RunInfo, settings: Settings) -> RunInfo:
    return new_run(
        campaigns.name_of_undo(undone),
        settings,
        plan_name=undone.plan_name,
        plan_digest=undo_digest(undone.run, undone.plan, ""),
        plan=undone.plan,
        clusters=undone.clusters,
        undo_of=undone.run,
    )


def _drafts(journal: RunFile) -> Iterator[Draft]:
    change = change_of(journal.info, plan_of(journal))
    for listed in queries.targets(journal, _MAY_BE_CHANGED):
        target, settlement = listed.target, listed.settlement
        left, before = values_to_restore(change, target, settlement)
        # Without values to restore the run has not changed this object.
        if before:
            # The version after our PATCH, so that the first PATCH of the undo has no conflict.
            known = settlement and settlement.resource_version
            version = known or target.resource_version
            seen = Seen(target.namespace, target.name, target.uid, version)
            yield Draft(target.cluster, target.resource, seen, left, 0, before)
