"""Finds the runs and undos that an open run is related to, in all folders where they may lie.

What one of them has put back decides what the others may do. So one that cannot be read is an
error. One whose file was removed is left out.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from fleetpatch import files
from fleetpatch.campaign.settings import Settings
from fleetpatch.journal import meta
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns, catalog
from fleetpatch.journal.runs.campaigns import require_readable
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import UndoTree


def tree_of(run: RunFile, settings: Settings) -> UndoTree:
    """Read the runs and the undos that are related to an open run.

    Raises RunFileError if one of them cannot be read, and as `campaigns.read`.
    """
    of = meta.file_of_undone(run.database)
    noted = [of] if of else []
    entries = _read_folders(run, [settings.runs, run.path.parent, *(one.parent for one in noted)])
    # The run and what it undoes may lie in other folders, have names that a person gave them, or
    # have copies beside them.
    for path in (run.path, *noted):
        if files.is_regular(path):
            entry = _read(path)
            entries[entry.run] = entry
    # Undos in other folders. What is found may name further ones.
    unread = list(entries.values())
    while unread:
        for name, path in _named_files(unread.pop()):
            if name not in entries and files.is_regular(path):
                entry = _read(path)
                if entry.run == name:
                    entries[name] = entry
                    unread.append(entry)
    tree = UndoTree(entries.values())
    ancestors = [entries[name] for name in tree.ancestors(run.info.run) if name in entries]
    _require_readable(ancestors)
    return tree


def _read_folders(run: RunFile, folders: list[Path]) -> dict[str, RunEntry]:
    """Read the runs of the plan and their undos. Raises RunFileError if an undo cannot be read.

    It may be an undo of any of them.
    """
    entries = dict[str, RunEntry]()
    for folder in dict.fromkeys(one.resolve() for one in folders if one.is_dir()):
        campaign = campaigns.related(folder, run.info)
        _require_readable(campaign.undos)
        entries |= {one.run: one for one in (*campaign.undos, *campaign.runs)}
    return entries


def _named_files(entry: RunEntry) -> Iterator[tuple[str, Path]]:
    """Yield names and paths of other runs that a run file notes."""
    if entry.file_of_undo:
        yield entry.undone_by, entry.file_of_undo
    for run, activity in (entry.relatives or {}).items():
        if activity.path:
            yield run, activity.path


def _read(path: Path) -> RunEntry:
    entry = catalog.read_entry(path)
    _require_readable([entry])
    return entry


def _require_readable(entries: Iterable[RunEntry]) -> None:
    require_readable(
        entries,
        "what it has changed decides what is put back: restore the file, or move it out of its"
        " folder to go on without it",
    )
