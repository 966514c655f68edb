"""Finds the runs and undos that a run is related to, in all folders where they may lie.

They are those of its plan, and those whose files it notes, or which these note, and so on. One
whose file was removed is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fleetpatch import files
from fleetpatch.campaign.settings import Settings
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns, catalog
from fleetpatch.journal.runs.campaigns import require_readable
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import UndoTree


class Related(NamedTuple):
    """The entries of related runs by the names of these, damaged ones included.

    `decisive` are those that may be undos, or that a run file names: what they have put back
    decides what the others may do.
    """

    entries: dict[str, RunEntry]
    decisive: list[RunEntry]


def tree_of(run: RunFile, settings: Settings) -> UndoTree:
    """Read the runs and the undos that are related to an open run.

    What one of them has put back decides what the others may do: raises RunFileError if such a one
    cannot be read, and as `campaigns.read`.
    """
    entry = catalog.read_entry(run.path)
    _require_readable([entry])
    related = related_to([entry], settings.runs)
    _require_readable(related.decisive)
    tree = UndoTree(related.entries.values())
    ancestors = tree.ancestors(run.info.run)
    _require_readable(related.entries[name] for name in ancestors if name in related.entries)
    return tree


def tree_as_far_as_known(run: RunFile, settings: Settings) -> UndoTree:
    """Read what `tree_of` does, without the runs and undos that cannot be read.

    Raises as `campaigns.read`.
    """
    return UndoTree(related_to([catalog.read_entry(run.path)], settings.runs).entries.values())


def related_to(runs: Sequence[RunEntry], folder: Path) -> Related:
    """Read what `runs` are related to, themselves included; `folder` is that of the state.

    Raises as `campaigns.read`.
    """
    found = _read_folders(runs, folder)
    # They and what they undo may lie in other folders, have names that a person gave them, or have
    # copies beside them.
    for one in runs:
        found.entries[one.run] = one
        if one.file_of_undone:
            _add(found, one.undo_of, one.file_of_undone)
    # Undos in other folders. What is found may name further ones.
    unread = list(found.entries.values())
    while unread:
        for name, path in _named_files(unread.pop()):
            if name not in found.entries and (entry := _add(found, name, path)):
                unread.append(entry)
    return found


def _read_folders(runs: Sequence[RunEntry], folder: Path) -> Related:
    """Read the campaigns of `runs` in each folder where their relatives may lie."""
    found = Related({}, [])
    places = dict.fromkeys(
        (parent.resolve(), name)
        for one in runs
        for parent in (folder, *(path.parent for path in (one.path, one.file_of_undone) if path))
        for name in campaigns.names_of(one)
        if files.is_folder(parent)
    )
    for parent, name in places:
        campaign = campaigns.read(parent, name)
        found.entries.update((one.run, one) for one in (*campaign.undos, *campaign.runs))
        # A damaged one may be an undo of any run.
        found.decisive.extend(campaign.undos)
    return found


def _add(found: Related, name: str, path: Path) -> RunEntry | None:
    """Add the run of this name if its file is at `path`, also if it cannot be read."""
    entry = None if files.is_absent(path) else catalog.read_entry(path)
    if entry is None or not (entry.problem or entry.run == name):
        return None
    found.entries[name] = entry
    found.decisive.append(entry)
    return entry


def _named_files(entry: RunEntry) -> Iterator[tuple[str, Path]]:
    """Yield names and paths of other runs that a run file notes."""
    if entry.file_of_undo:
        yield entry.undone_by, entry.file_of_undo
    if entry.file_of_undone:
        yield entry.undo_of, entry.file_of_undone
    for run, activity in (entry.relatives or {}).items():
        if activity.path:
            yield run, activity.path


def _require_readable(entries: Iterable[RunEntry]) -> None:
    require_readable(
        entries,
        "what it has changed decides what is put back: restore the file, or move it out of its"
        " folder to go on without it",
    )
