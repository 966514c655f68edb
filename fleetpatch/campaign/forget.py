"""Removes the run files and logs of runs that are over.

A run file is the record of what was changed, and without it nothing can be put back. So a run is
kept if it is unfinished, or if it changed something that was not put back. An undo is kept as long
as the run that it has undone: otherwise that run would seem not to be undone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from fleetpatch.campaign.running.related_runs import related_to
from fleetpatch.campaign.settings import Settings
from fleetpatch.errors import Locked, Refused, UsageError
from fleetpatch.journal import flock, queries, sqlite_file
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog, folders, heartbeat
from fleetpatch.journal.runs.campaigns import Campaign
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.planning_order import in_planning_order
from fleetpatch.journal.runs.undo_tree import UndoTree, has_begun
from fleetpatch.model.run import RunState
from fleetpatch.report.rotation import rotated

_ABANDONED: Final = 3600.0
"""Seconds after which a run file that has not got its name yet belongs to no process."""


class Forgotten(msgspec.Struct):
    """The names of the runs that were removed, and of those that were kept, with the reasons."""

    removed: list[str] = msgspec.field(default_factory=list)
    kept: dict[str, str] = msgspec.field(default_factory=dict)


def forget(
    found: Iterable[Path | Campaign],
    settings: Settings,
    *,
    older_than: float | None = None,
    keep: int = 0,
    force: bool = False,
) -> Forgotten:
    """Remove runs, and of campaigns all that are over.

    `older_than` (seconds) and `keep` (the newest ones of each campaign) leave runs out. A run that
    must be kept is kept with its reason; if it was named itself, nothing is removed at all and
    Refused is raised. `force` removes any run but one that is being carried out or undone. Raises
    Locked for such a run, for one whose undo has begun meanwhile, and without `force` for one that
    was carried out meanwhile. Runs and undos that lie in other folders are taken into account.

    Run files that a killed process has not yet given their names are removed, too.
    """
    named, of_campaigns = _selected(found, keep)
    if older_than is not None:
        before = settings.clock.wall() - older_than
        named, of_campaigns = (
            [one for one in entries if catalog.planned_at(one.path) < before]
            for entries in (named, of_campaigns)
        )
    selected = {entry.path: entry for entry in (*named, *of_campaigns)}
    _refuse_foreign(selected.values(), settings.runs)
    known = related_to(list(selected.values()), settings.runs).entries
    reasons = {} if force else _reasons(list(selected.values()), known)
    if refused := [one for one in named if one.path in reasons]:
        why = "; ".join(f"{one.run}: {reasons[one.path]}" for one in refused)
        raise Refused(f"{why}; nothing was removed; --force removes it all the same")
    forgotten = Forgotten(kept={selected[path].run: why for path, why in reasons.items()})
    with ExitStack() as stack:
        removable = [one for path, one in selected.items() if path not in reasons]
        # All of them before the first is removed: a run that is carried out now raises Locked.
        for entry in _with_undos(removable, known):
            heartbeat.refuse_elsewhere(entry.path)
            stack.enter_context(flock.hold(flock.beside(entry.path), str(entry.path)))
            # A session may have begun and ended since the file was read, before the lock. It may
            # be that of an undo, which goes on without the lock of the run.
            now = catalog.read_entry(entry.path)
            if now.undone_by != entry.undone_by or (not force and now != entry):
                raise Locked(
                    f"{entry.path}: was in use a moment ago; nothing was removed: try again"
                )
        for entry in removable:
            _remove(entry.path)
            forgotten.removed.append(entry.run)
    sqlite_file.erase_drafts(settings.runs, settings.clock.wall() - _ABANDONED)
    return forgotten


def _selected(found: Iterable[Path | Campaign], keep: int) -> tuple[list[RunEntry], list[RunEntry]]:
    """Return the runs that were named themselves, and those of campaigns."""
    named: list[RunEntry] = []
    of_campaigns: list[RunEntry] = []
    for one in found:
        if isinstance(one, Path):
            named.append(catalog.read_entry(one))
            continue
        kept = one.runs[:keep]
        of_campaigns += one.runs[keep:]
        of_kept = {entry.run for entry in kept}
        of_campaigns += [undo for undo in one.undos if undo.undo_of not in of_kept]
    return named, of_campaigns


def _refuse_foreign(entries: Iterable[RunEntry], runs: Path) -> None:
    """Raise UsageError for a file that is not a run file; a damaged one lies with the others."""
    for entry in entries:
        if entry.problem and entry.path.parent.resolve() != runs.resolve():
            raise UsageError(f"{entry.problem}; nothing was removed")


def _with_undos(removable: Sequence[RunEntry], known: Mapping[str, RunEntry]) -> list[RunEntry]:
    """Return runs together with their unfinished undos, which need them as long as they go on."""
    paths, runs = {one.path for one in removable}, {one.run for one in removable}
    undos = [one for one in known.values() if one.is_unfinished and one.undo_of in runs]
    return [*removable, *(one for one in undos if one.path not in paths)]


def _reasons(selected: Sequence[RunEntry], known: Mapping[str, RunEntry]) -> dict[Path, str]:
    """Say for each run that must be kept why; `known` are all that they are related to."""
    tree = UndoTree(known.values())
    places = {one.run: place for place, one in enumerate(in_planning_order(selected))}
    found = dict[Path, str]()
    staying = known.keys() - places.keys()
    # A run before its undos, which are kept as long as it is: else it would seem not to be undone.
    for entry in sorted(selected, key=lambda one: places[one.run]):
        if why := _reason(entry, tree) or _reason_of_undo(entry, staying):
            found[entry.path] = why
            staying.add(entry.run)
    return found


def _reason(entry: RunEntry, tree: UndoTree) -> str:
    """Say why a run must be kept; empty if it may be removed."""
    if entry.problem:
        return "it cannot be read"
    if not entry.is_started or tree.complete(entry.run):
        return ""
    if entry.is_unfinished and (not entry.undo_of or tree.is_open(entry)):
        return "it is unfinished"
    if entry.info is None or entry.info.dry_run or entry.undo_of or not _may_have_changed(entry):
        return ""
    return "it is not undone"


def _reason_of_undo(entry: RunEntry, staying: Collection[str]) -> str:
    if entry.undo_of not in staying or not (entry.state is RunState.FINISHED or has_begun(entry)):
        return ""
    return f"it has undone {entry.undo_of}, which is kept"


def _may_have_changed(entry: RunEntry) -> bool:
    with RunFile.open(entry.path, check=False) as run:
        return queries.summary(run).may_have_changed


def _remove(run_file: Path) -> None:
    sqlite_file.erase(run_file)
    for ending in (folders.LOG, folders.CONTROL, folders.STATUS):
        folders.beside(run_file, ending).unlink(missing_ok=True)
    for log in rotated(catalog.log_path(run_file)):
        log.unlink(missing_ok=True)
    flock.beside(run_file).unlink(missing_ok=True)
