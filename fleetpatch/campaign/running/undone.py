"""Notes in a run which undo has put its changes back.

The note is written before the undo sends anything, so that a run is never continued whose undo was
killed, and removed again if the undo has put nothing back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetpatch.campaign.settings import Settings
from fleetpatch.errors import RunFileError
from fleetpatch.journal import flock, meta, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog, heartbeat


@contextmanager
def noted_in_undone(undo: RunFile, settings: Settings) -> Iterator[None]:
    """Carry the undo out in the block. Raises Locked if the run that it undoes is carried out.

    Without an open target nothing is sent, and nothing is noted. A run file that was moved or
    removed cannot be noted in, which does not hinder the undo.
    """
    undone = _file_of_undone(undo, settings)
    if undone is None or not queries.summary(undo).tally.open:
        yield
        return
    former = _note(undone, undo.info.run, settings)
    try:
        yield
    finally:
        if former is not None and not queries.summary(undo).tally.applied:
            _note(undone, former, settings)


def _file_of_undone(undo: RunFile, settings: Settings) -> Path | None:
    name = undo.info.undo_of
    if not name:
        return None
    folders = (undo.path.parent, settings.runs)
    for path in (
        Path(meta.file_of_undone(undo.database)),
        *(catalog.run_path(one, name) for one in folders),
    ):
        if path.is_file() and catalog.read_entry(path).run == name:
            return path
    return None


def _note(run_file: Path, undo: str, settings: Settings) -> str | None:
    """Note the undo in a run file; return the one that was noted before, None if that fails."""
    heartbeat.refuse_elsewhere(run_file)
    with flock.hold(flock.beside(run_file), str(run_file)):
        try:
            with RunFile.open(run_file, write=True, now=settings.clock.wall) as run:
                former = queries.summary(run).undone_by
                run.note_undo(undo)
                return former
        except RunFileError as error:
            settings.warn(f"{error}: the undo cannot be noted there")
            return None
