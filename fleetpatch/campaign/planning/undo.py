"""Plans the undo of a run: a new run, made from the record of the old one.

Each target that the run changed gets its values before the change back, absences included, if the
fields still have the values that the run left; the others end as `skipped: drifted`. This includes
targets that failed while part of the change was stored. Targets in doubt are read first, so that a
change that was applied and never confirmed is undone as well. Then all objects are read
(`fleetpatch.campaign.planning.undo_survey`), so that only those are sent that are not back already.
What an earlier undo has put back, or found back or drifted, is not undone again. An undo that is
unfinished is continued.
"""

from collections.abc import Collection
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from fleetpatch.campaign.change import change_of
from fleetpatch.campaign.clusters import clusters_of_run
from fleetpatch.campaign.integrity import plan_of
from fleetpatch.campaign.planning.new_run import log_expansion, new_run
from fleetpatch.campaign.planning.settled import objects_settled
from fleetpatch.campaign.planning.undo_survey import UndoSurvey
from fleetpatch.campaign.running import steering
from fleetpatch.campaign.running.doubtful import settle_doubtful
from fleetpatch.campaign.running.open_run import open_for_writing
from fleetpatch.campaign.running.other_undos import (
    settle_others,
)
from fleetpatch.campaign.running.related_runs import tree_of
from fleetpatch.campaign.running.undone import note_all
from fleetpatch.campaign.servers import require_same_servers
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.usage import usage_of, warnings_of
from fleetpatch.campaign.view import summarize
from fleetpatch.errors import NothingToUndo
from fleetpatch.journal import meta, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns
from fleetpatch.journal.runs.catalog import RunEntry, run_path
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.journal.unread import ObjectId
from fleetpatch.model.plan.digest import undo_digest
from fleetpatch.model.run import RunInfo, Summary


async def undo(
    run_file: Path | str,
    settings: Settings | None = None,
    *,
    new_file: Path | None = None,
    new: bool = False,
) -> Summary:
    """Plan the undo of `run_file`; return the summary of a run for `apply`.

    That is an undo of it that has begun and is unfinished, unless `new` or `new_file` asks for a
    new one. If earlier undos have settled all of it, it is the newest of them. Raises
    NothingToUndo, Refused if a target in doubt cannot be read, and as `apply`.
    """
    run_file, settings = Path(run_file), settings or Settings()
    with open_for_writing(run_file, settings) as journal:
        require_same_servers(journal.info, plan_of(journal))
        if journal.info.dry_run:
            raise NothingToUndo(f"{journal.info.run}: it was a dry run and changed nothing to undo")
        await settle_doubtful(journal, settings)
        tree = tree_of(journal, settings)
        if not (new or new_file) and (unfinished := _unfinished(tree, journal.info.run)):
            return summarize(unfinished.path)
        tree = await settle_others(journal, tree, settings)
        note_all(journal, tree, settings)
        try:
            return await _plan(journal, settings, new_file, tree)
        except NothingToUndo:
            if not (earlier := tree.settled_by(journal.info.run)):
                raise
    return summarize(earlier.path)


def _unfinished(tree: UndoTree, run: str) -> RunEntry | None:
    """Return the undo of a run that is to be continued; None if a new one is to be planned.

    One that has sent nothing is not continued: its run may have gone on since.
    """
    sent = (one for one in tree.open_undos(run) if one.patches or one.has_claims)
    return next(sent, None)


async def _plan(
    journal: RunFile, settings: Settings, new_file: Path | None, tree: UndoTree
) -> Summary:
    info, plan, started = (
        _info(journal.info, settings),
        plan_of(journal),
        settings.clock.monotonic(),
    )
    path = new_file or run_path(settings.runs, info.run)
    settled = objects_settled(tree, journal.info.run)
    async with AsyncExitStack() as stack:
        clusters = await stack.enter_async_context(clusters_of_run(journal.info, plan, settings))
        planned = RunFile.create(path, info, now=settings.clock.wall)
        with planned.planning():
            stack.enter_context(steering.holding(path))
            change = change_of(journal.info, plan)
            survey = UndoSurvey(journal, planned, change, settings, settled)
            names = [cluster.name for cluster in journal.info.clusters]
            await survey.run(clusters, names, plan.pace.in_flight)
            _require_changes(journal, planned, settled)
            # Before the seal, which makes it a run that can be carried out.
            with planned.database.transaction():
                meta.note_file_of_undone(planned.database, journal.path)
                known = tree.activity(journal.info.run)
                meta.note_relatives(planned.database, known)
            # The digest of an undo covers the seal.
            planned.seal(digest_of=partial(undo_digest, journal.info.run, info.plan))
            elapsed = settings.clock.monotonic() - started
            planned.count_planning(usage_of(clusters, elapsed), warnings_of(clusters))
        with planned:
            return log_expansion(planned, clusters, settings)


def _require_changes(journal: RunFile, planned: RunFile, settled: Collection[ObjectId]) -> None:
    if planned.found():
        return
    if settled:
        raise NothingToUndo(
            f"{journal.info.run}: all that it changed is put back already, or was"
            " changed by others before an earlier undo"
        )
    if not queries.summary(journal).tally.applied:
        raise NothingToUndo(
            f"{journal.info.run}: no target of it was applied; there is nothing to undo"
        )


def _info(undone: RunInfo, settings: Settings) -> RunInfo:
    return new_run(
        campaigns.name_of_undo(undone),
        settings,
        plan_name=undone.plan_name,
        plan_digest=undo_digest(undone.run, undone.plan, ""),
        plan=undone.plan,
        clusters=undone.clusters,
        description=undone.description,
        annotations=undone.annotations,
        plan_folder=undone.plan_folder,
        undo_of=undone.run,
    )
