"""Notes in runs which undo has put their changes back.

The note is written before the undo sends anything, so that a run is never continued whose undo was
killed. After the session it is what the undo has put back by then: all, a part, or nothing. An undo
of an undo changes what the first run says as well, whose change stands again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fleetpatch import files
from fleetpatch.campaign.running.other_undos import tree_of
from fleetpatch.campaign.settings import Settings
from fleetpatch.errors import FleetpatchError, RunFileError
from fleetpatch.journal import flock, meta, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog, heartbeat
from fleetpatch.journal.runs.undo_tree import UndoTree


@contextmanager
def noted_in_undone(undo: RunFile, settings: Settings) -> Iterator[None]:
    """Carry the undo out in the block. Raises Locked if the run that it undoes is carried out.

    Without an open target nothing is sent, and nothing is noted. A run file that was moved or
    removed cannot be noted in, which does not hinder the undo.
    """
    if not undo.info.undo_of or not queries.summary(undo).tally.open:
        yield
        return
    before = tree_of(undo, settings)
    undone_files = _files_of_undone(undo, before, settings)
    begun = before.as_begun(undo.info.run)
    for number, (run, path) in enumerate(undone_files.items()):
        _note(path, begun, run, settings, must_be_free=number == 0)
    try:
        yield
    finally:
        try:
            # One that has put nothing back leaves everything as it was.
            after = tree_of(undo, settings) if queries.summary(undo).tally.applied else before
            for run, path in undone_files.items():
                _note(path, after, run, settings)
        except FleetpatchError as error:
            settings.warn(f"{error}: what the undo has put back cannot be noted")


def note_in_undone(undo: RunFile, settings: Settings) -> None:
    """Note what a finished undo has put back: its process may have been killed before it did."""
    tree = tree_of(undo, settings)
    for run, path in _files_of_undone(undo, tree, settings).items():
        _note(path, tree, run, settings)


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
            paths.insert(0, Path(noted))
        for path in paths:
            if files.is_regular(path) and catalog.read_entry(path).run == run:
                found[run] = path
                break
    return found


def _note(
    run_file: Path, tree: UndoTree, name: str, settings: Settings, *, must_be_free: bool = False
) -> None:
    """Note in a run file what has undone it. Raises Locked only if the run `must_be_free`."""
    undone = tree.undone(name)
    by, in_part = (undone.by, not undone.whole) if undone else ("", False)
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
