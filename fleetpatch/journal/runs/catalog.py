"""The run files of a state folder: their paths, and the list of runs.

    STATE/runs/relabel-ml-teams-20260301T0200Z-4f9a1c.run
    STATE/runs/relabel-ml-teams-20260301T0200Z-4f9a1c.jsonl

The name of a run is that of its file without `.run` (`fleetpatch.journal.runs.run_names`).
"""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from fleetpatch import files
from fleetpatch.errors import Locked, RunFileError, SurroundingsError, UsageError
from fleetpatch.journal import flock, meta, outcomes
from fleetpatch.journal.activity import Activity
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import folders, heartbeat, run_names
from fleetpatch.journal.runs.folders import RUNS, home, runs_dir, state_dir
from fleetpatch.journal.runs.run_names import Age
from fleetpatch.model.cause import CauseCode
from fleetpatch.model.run import STARTED, UNFINISHED, RunInfo, RunState, Summary

_BEFORE_ALL: Final[Age] = ("19700101T0000", 0.0)


class RunEntry(msgspec.Struct, frozen=True):
    """A run file in the list of runs; `problem` says in one line why it cannot be read.

    `patches` is the number of PATCHes that its sessions have counted, `outcomes` that of targets
    that have ended. `has_claims`: more may have been sent by a session that was killed.
    `is_in_use`: a session on another machine carries the run out, and has not reported on it yet.
    `undone_by` is the undo that the run file names, which has put back a part only if it is
    `undone_in_part`; `file_of_undo` is its path. Of an undo only: `file_of_undone` is the path of
    the run that it undoes, `relatives` are the other runs of its tree when it was planned, None in
    files of earlier versions, and `has_put_back` says whether it may have put something back.
    """

    path: Path
    info: RunInfo | None = None
    state: RunState | None = None
    cause_code: str = ""
    patches: int = 0
    problem: str = ""
    is_in_use: bool = False
    undone_by: str = ""
    undone_in_part: bool = False
    file_of_undo: Path | None = None
    file_of_undone: Path | None = None
    has_claims: bool = False
    outcomes: int | None = None
    relatives: Mapping[str, Activity] | None = None
    has_put_back: bool = False

    @property
    def run(self) -> str:
        """The run's name."""
        return self.info.run if self.info else self.path.stem

    @property
    def undo_of(self) -> str:
        """The name of the run that it undoes; empty if it is not an undo."""
        return self.info.undo_of if self.info else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of a command line that name the run, options included."""
        return reference(self.path)

    @property
    def is_started(self) -> bool:
        """Whether the run was carried out, at least in part; a preview was not."""
        return self.state in STARTED

    @property
    def is_unfinished(self) -> bool:
        """Whether the run was started and can be continued; a cancelled run is not."""
        return (
            self.is_started and self.state in UNFINISHED and self.cause_code != CauseCode.CANCELLED
        )


def prepare(state: Path, *, shared: bool = False) -> None:
    """Create the state folder and the folders in it if they are missing, only for their owner.

    With `shared`, or if the state folder is made for a group, they are made for its group. Raises
    RunFileError if they cannot be created, or if other users may replace files in them, and
    UsageError with `shared` for a folder that exists and is private.
    """
    for folder in (state, runs_dir(state), flock.folder(state)):
        try:
            files.make_folder(folder, shared=shared)
            if shared and not files.is_for_group(folder):
                raise UsageError(
                    f"{folder}: exists and is private; leave --shared out, name another with"
                    f" --state-dir, or open it to its group with: chmod 2770 {folder}"
                )
            files.refuse_shared(folder)
        except OSError as error:
            raise RunFileError(
                f"{folder}: {error.strerror}; check the path and the rights on its folder"
            ) from error


def run_path(runs: Path, run: str) -> Path:
    """Return the path of the run file of this name."""
    return runs / f"{run}{folders.RUN_FILE}"


def reference(run_file: Path) -> tuple[str, ...]:
    """Return how a command line names a run: by its name where it lies in the state directory.

    In another directory of state that is named as well. Anywhere else it is named by its path.
    """
    path = run_file.absolute()
    runs, name = path.parent, run_names.parse(path.stem)
    if name is None or runs.name != RUNS or path.suffix != folders.RUN_FILE:
        return (str(run_file),)
    try:
        is_default = runs_dir(state_dir(None, os.environ, home())).absolute() == runs
    except SurroundingsError:  # without a home folder and without a variable
        is_default = False
    return (path.stem,) if is_default else (path.stem, "--state-dir", str(runs.parent))


def located(summary: Summary, run_file: Path) -> Summary:
    """Return the summary that a session reports, with the path of its run file as given here.

    The session may know the file by another path, such as that of a mount on another machine.
    """
    return replace(summary, run_file=str(run_file), reference=reference(run_file))


def log_path(run_file: Path) -> Path:
    """Return the default path of the log of a run: beside its run file."""
    return folders.beside(run_file, folders.LOG)


def run_files(runs: Path) -> list[Path]:
    """List the files in a folder named like run files, newest first; none if it is missing.

    Raises RunFileError if the folder cannot be read.
    """
    try:
        found = [path for path in runs.iterdir() if path.suffix == folders.RUN_FILE]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunFileError(
            f"{runs}: {error.strerror}; check the path and the rights on the folder"
        ) from error
    return sorted(found, key=_age, reverse=True)


def listing(runs: Path) -> Iterator[RunEntry]:
    """Read all run files of a folder, newest first; an entry of a damaged file has a `problem`."""
    return map(read_entry, run_files(runs))


def read_entry(path: Path) -> RunEntry:
    """Read what a list of runs needs of a run file; the entry of a damaged file has a `problem`."""
    try:
        # In use on another machine, where the file must not be opened: its session reports the run.
        if elsewhere := heartbeat.report_elsewhere(path):
            summary = elsewhere.summary
            sent = summary.usage.patch
            running = RunEntry(path, summary.info, RunState.RUNNING, patches=sent, has_claims=True)
            return replace(running, has_put_back=bool(running.undo_of))
        # Without `check`, which would read all of each file.
        with RunFile.open(path, check=False) as run, run.database.snapshot():
            state, _, cause_code = meta.state(run.database)
            lengths = run.database.meta()
            return RunEntry(
                path,
                run.info,
                state,
                cause_code,
                meta.usage(run.database).patch,
                undone_by=meta.undone_by(run.database),
                undone_in_part=meta.undone_in_part(run.database),
                file_of_undo=meta.file_of_undo(run.database),
                file_of_undone=meta.file_of_undone(run.database),
                has_claims=bool(lengths["claims"]),
                outcomes=lengths["outcomes"],
                relatives=meta.relatives(run.database) if run.info.undo_of else None,
                has_put_back=bool(run.info.undo_of) and outcomes.may_have_put_back(run.database),
            )
    except Locked as error:
        return RunEntry(path, problem=str(error), is_in_use=True)
    except RunFileError as error:
        return RunEntry(path, problem=str(error))


def planned(path: Path) -> Age:
    """Return when a run was planned, or the last write to a file whose name does not say it."""
    name = run_names.parse(path.stem)
    return name.planned if name else _written(path)


def planned_at(path: Path) -> float:
    """Return what `planned` does, in seconds since the epoch."""
    return run_names.seconds_of(planned(path))


def _age(path: Path) -> tuple[Age, str]:
    return planned(path), path.name


def _written(path: Path) -> Age:
    """Return the time of the last write; before all others if that is not known."""
    try:
        return run_names.age_of(datetime.fromtimestamp(path.lstat().st_mtime, UTC))
    except (OSError, ValueError, OverflowError):  # a file system may hold any number as a time
        return _BEFORE_ALL
