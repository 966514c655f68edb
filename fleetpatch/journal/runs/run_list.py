"""The list of runs: only the run files that are shown are read as a whole.

A state folder may hold thousands of runs. Their names say plan and age, so a list of the newest
ones opens no others.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec
from msgspec.structs import replace

from fleetpatch.errors import Locked, RunFileError
from fleetpatch.journal import meta, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns, catalog, heartbeat, run_names
from fleetpatch.journal.runs.campaigns import name_of
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.model.run import STARTED, RunInfo, RunState, Summary


class RunFilter(msgspec.Struct, frozen=True):
    """The runs to list; an empty set means all. `since` is in seconds since the epoch."""

    plans: AbstractSet[str] = frozenset()
    states: AbstractSet[RunState] = frozenset()
    since: float | None = None


class RunList(msgspec.Struct):
    """The runs of a list, newest first; `problems` has a line for each file that is not readable.

    `has_more`: further runs match the filter.
    """

    runs: list[Summary] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)
    has_more: bool = False


def newest(runs: Path, chosen: RunFilter, limit: int | None = None) -> RunList:
    """Read the newest runs of a folder that `chosen` selects, at most `limit`."""
    listed, paths = RunList(), catalog.run_files(runs)
    for path in paths:
        if chosen.since is not None and catalog.planned_at(path) < chosen.since:
            break
        parts = run_names.parse(path.stem)
        if parts is not None and not _may_be_of(chosen, parts.campaign):
            continue
        try:
            summary = _summary(path, chosen)
        except (Locked, RunFileError) as error:
            listed.problems.append(str(error))
            continue
        if summary is None:
            continue
        if len(listed.runs) == limit:
            listed.has_more = True
            break
        listed.runs.append(summary)
    listed.runs = _with_undos(listed.runs, paths)
    return listed


def _with_undos(listed: list[Summary], paths: Iterable[Path]) -> list[Summary]:
    """Complete runs that do not name the undo that has undone them, as copies made before it.

    `paths` are all run files of the folder. Of the others only the undos of such runs are opened.
    """
    nameless: dict[str, list[Summary]] = {}
    for one in listed:
        if one.state in STARTED and not one.undone_by:
            nameless.setdefault(campaigns.name_of_undo(one.info), []).append(one)
    undos = {
        path: name.campaign
        for path in paths
        if (name := run_names.parse(path.stem)) and name.campaign in nameless
    }
    runs = [one for campaign in set(undos.values()) for one in nameless[campaign]]
    own = [Path(one.run_file) for one in runs]
    tree = UndoTree(map(catalog.read_entry, dict.fromkeys([*undos, *own])))
    names = {one.info.run for one in runs}
    found = {run: undone for run, undone in tree.undone_runs() if run in names}
    return [
        replace(one, undone_by=undone.by, undone_in_part=not undone.whole)
        if (undone := found.get(one.info.run))
        else one
        for one in listed
    ]


def _may_be_of(chosen: RunFilter, campaign: str) -> bool:
    """Return whether a run of this campaign is to be listed, if it is an undo."""
    names = {campaign, run_names.without_undo(campaign)}
    return not chosen.plans or not chosen.plans.isdisjoint(names)


def _is_of(chosen: RunFilter, info: RunInfo) -> bool:
    campaign = name_of(info.run)
    if info.undo_of:
        return _may_be_of(chosen, campaign)
    # A plan may have a name that begins like that of an undo.
    return not chosen.plans or campaign in chosen.plans


def _summary(path: Path, chosen: RunFilter) -> Summary | None:
    """Summarize a run file; None if the filter excludes it."""
    # A file in use on another machine must not be opened: its session reports the run.
    if elsewhere := heartbeat.report_elsewhere(path):
        summary = catalog.located(elsewhere.summary, path)
        is_chosen = _is_of(chosen, summary.info) and (
            not chosen.states or summary.state in chosen.states
        )
        return summary if is_chosen else None
    # Without `check`, which would read all of each file.
    with RunFile.open(path, check=False) as run:
        if not _is_of(chosen, run.info):
            return None
        if chosen.states and meta.state(run.database)[0] not in chosen.states:
            return None
        return queries.summary(run)
