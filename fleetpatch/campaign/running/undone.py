"""Notes in runs which undo has put their changes back.

The note is written before the undo sends anything, so that a run is never continued whose undo was
killed. After the session it is what the undo has put back by then: all, a part, or nothing. An undo
of an undo changes what the first run says as well, whose change stands again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fleetpatch import files
from fleetpatch.campaign.settings import Settings
from fleetpatch.errors import FleetpatchError, RunFileError
from fleetpatch.journal import flock, meta, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog, heartbeat
from fleetpatch.journal.runs.undo_tree import UndoTree


@contextmanager
def noted_in_undone(undo: RunFile, tree: UndoTree, settings: Settings) -> Iterator[None]:
    """Carry an undo out in the block; `tree` is what it is related to, as it is before.

    Raises Locked if the run that it undoes is carried out. Without an open target nothing is sent,
    and nothing is noted. A run file that was moved or removed cannot be noted in, which does not
    hinder the undo.
    """
    if not queries.summary(undo).tally.open:
        yield
        return
    undone_files = _files_of_undone(undo, tree, settings)
    begun = tree.as_begun(undo.info.run)
    for run, path in undone_files.items():
        _note(path, begun, run, settings, must_be_free=run == undo.info.undo_of)
    try:
        yield
    finally:
        # Only this undo has changed: the others were ended, and are refused as outdated from now.
        entry = catalog.read_entry(undo.path)
        if entry.problem:
            settings.warn(f"{entry.problem}: what the undo has put back cannot be noted")
        else:
            after = tree.with_entry(entry)
            for run, path in undone_files.items():
                _note(path, after, run, settings)


def note_all(opened: RunFile, tree: UndoTree, settings: Settings) -> None:
    """Note in all runs of a tree what has undone them, where their files say something else.

    The process of an undo may have been killed before it did, and what it left in doubt may have
    been read since. `opened` is a run of the tree that this process has locked.
    """
    run = opened.info.run
    for entry in (tree.entry(run), *tree.relatives(run)):
        if entry is None:
            continue
        by, in_part = _undone(tree, entry.run)
        if (by, in_part) == (entry.undone_by, entry.undone_in_part):
            continue
        if entry.run == run:
            opened.note_undo(by, in_part=in_part, run_file=tree.path_of(by))
        else:
            _note(entry.path, tree, entry.run, settings)


def _files_of_undone(undo: RunFile, tree: UndoTree, settings: Settings) -> Mapping[str, Path]:
    """Return the run files of the run that is undone, of the run that this one undoes, and so on.

    They are those that are there.
    """
    found: dict[str, Path] = {}
    of = undo.info.undo_of
    folders = (undo.path.parent, settings.runs)
    for run in tree.ancestors(undo.info.run):
        entry = tree.entry(run)
        paths = [entry.path] if entry else []
        paths += [catalog.run_path(one, run) for one in folders]
        if run == of and (noted := meta.file_of_undone(undo.database)):
            paths.insert(0, noted)
        for path in paths:
            if files.is_regular(path) and catalog.read_entry(path).run == run:
                found[run] = path
                break
    return found


def _note(
    run_file: Path, tree: UndoTree, name: str, settings: Settings, *, must_be_free: bool = False
) -> None:
    """Note in a run file what has undone it. Raises Locked only if the run `must_be_free`."""
    by, in_part = _undone(tree, name)
    try:
        heartbeat.refuse_elsewhere(run_file)
        with (
            flock.hold(flock.beside(run_file), str(run_file)),
            RunFile.open(run_file, write=True, now=settings.clock.wall) as run,
        ):
            run.note_undo(by, in_part=in_part, run_file=tree.path_of(by))
    except FleetpatchError as error:
        if must_be_free and not isinstance(error, RunFileError):
            raise
        settings.warn(f"{error}: the undo cannot be noted there")


def _undone(tree: UndoTree, run: str) -> tuple[str, bool]:
    """Return the undo that has undone a run, empty for none, and whether it did so in part."""
    undone = tree.undone(run)
    return (undone.by, not undone.whole) if undone else ("", False)
