"""The run files of a state folder: their paths, the ids of runs, and the search for a run.

    STATE/runs/relabel-ml-teams-20260301T020000Z-4f9a1c.run
    STATE/runs/relabel-ml-teams-20260301T020000Z-4f9a1c.jsonl

A run's id is the name of its file without `.run`. It contains the time of planning, in UTC, so that
the ids of one plan sort by age.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from fleetpatch import files
from fleetpatch.errors import RunFileError, SurroundingsError, UsageError
from fleetpatch.journal import flock, meta
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.run import UNFINISHED, RunInfo, RunState
from fleetpatch.model.text import clean

_SUFFIX: Final = ".run"
_TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_ID: Final = re.compile(r"(?P<plan>.+)-(?P<stamp>\d{8}T\d{6}Z)-(?P<salt>[0-9a-f]{6})")
_SHOWN: Final = 5
"""Runs that a message about an ambiguous name lists at most."""

RunPredicate: TypeAlias = Callable[[RunInfo], bool]
"""Returns whether a run is one of those looked for."""


class RunEntry(msgspec.Struct, frozen=True):
    """A run file in the list of runs; `problem` says in one line why it cannot be read."""

    path: Path
    info: RunInfo | None = None
    state: RunState | None = None
    cause: str = ""
    cause_code: str = ""
    problem: str = ""

    @property
    def run(self) -> str:
        """The run's id."""
        return self.info.run if self.info else self.path.stem


def _always(_info: RunInfo) -> bool:
    return True


def state_dir(option: Path | None, environ: Mapping[str, str], home: Path | None) -> Path:
    """Return `--state-dir`, else `$FLEETPATCH_STATE_DIR`, else the user's XDG state folder.

    Raises SurroundingsError if the home folder is needed and there is none.
    """
    if option is not None:
        return option
    if chosen := environ.get("FLEETPATCH_STATE_DIR"):
        return Path(chosen)
    base = Path(environ.get("XDG_STATE_HOME", ""))
    # The XDG specification: a relative path is not valid and must be ignored.
    if base.is_absolute():
        return base / "fleetpatch"
    if home is None:
        raise SurroundingsError(
            "there is no home folder for run files; name a folder with --state-dir or"
            " $FLEETPATCH_STATE_DIR"
        )
    return home / ".local" / "state" / "fleetpatch"


def prepare(state: Path) -> None:
    """Create the state folder and the folders in it if they are missing, only for their owner.

    Raises RunFileError if they cannot be created, or if other users may replace files in them.
    """
    for folder in (state, runs_dir(state), flock.folder(state)):
        try:
            files.make_folder(folder)
            files.refuse_shared(folder)
        except OSError as error:
            raise RunFileError(
                f"{folder}: {error.strerror}; check the path and the rights on its folder"
            ) from error


def runs_dir(state: Path) -> Path:
    """Return the folder of run files within the state folder."""
    return state / "runs"


def run_id(plan: str, moment: datetime, salt: int) -> str:
    """Return the id of a new run; `moment` is aware, and `salt` is a random number of 12 bits.

    Three hexadecimal digits are the fraction of the second, so that the ids of runs which a script
    plans within one second sort by their age; three are `salt`.
    """
    fraction = moment.microsecond * 0x1000 // 1_000_000
    return f"{plan}-{moment.astimezone(UTC):{_TIME_FORMAT}}-{fraction:03x}{salt & 0xFFF:03x}"


def run_path(runs: Path, run: str) -> Path:
    """Return the path of the run file of this id."""
    return runs / f"{run}{_SUFFIX}"


def log_path(run_file: Path) -> Path:
    """Return the default path of the log of a run: beside its run file."""
    stem = run_file.stem if run_file.suffix == _SUFFIX else run_file.name
    return run_file.with_name(f"{stem}.jsonl")


def run_files(runs: Path) -> list[Path]:
    """List the files in a folder named like run files, newest first; none if it is missing.

    Raises RunFileError if the folder cannot be read.
    """
    try:
        found = [path for path in runs.iterdir() if path.suffix == _SUFFIX]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunFileError(
            f"{runs}: {error.strerror}; check the path and the rights on the folder"
        ) from error
    return sorted(found, key=_age, reverse=True)


def find(runs: Path, text: str) -> Path:
    """Find a run by its path, its id, its plan's name (the latest run), or the start of its id.

    Raises UsageError if no run is found, or if several ids start with `text`, and as
    `run_files`.
    """
    # A link is followed here, and only here: a person named it.
    as_path = Path(text)
    if files.is_regular(as_path):
        return as_path.resolve() if as_path.is_symlink() else as_path
    paths = run_files(runs)
    # Names only: a run is found even if its file is damaged, so that the error is about that.
    # An id or a plan's name takes precedence over ids that only start with it.
    for fits in (_is_id, _is_plan):
        if found := [path for path in paths if fits(path, text)]:
            return found[0]
    started = [path for path in paths if path.name.startswith(text)] if text else []
    match started:
        case [only]:
            return only
        case []:
            raise UsageError(_unknown(runs, text))
    names = ", ".join(path.stem for path in started[:_SHOWN])
    more = f" and {len(started) - _SHOWN} more" if len(started) > _SHOWN else ""
    raise UsageError(f"run {text!r} is ambiguous: {names}{more}; give more of its name")


def _unknown(runs: Path, text: str) -> str:
    what = "no regular file" if os.path.lexists(text) else "no such file"
    return (
        f"run {clean(text)!r}: {what}, and no such run in {runs}; `fleetpatch status` lists the"
        " runs"
    )


def listing(runs: Path) -> Iterator[RunEntry]:
    """Read all run files of a folder, newest first; an entry of a damaged file has a `problem`."""
    return map(_entry, run_files(runs))


# The functions below take the entries of a `listing`, so that all run files are read only once.


def unfinished(
    entries: Sequence[RunEntry], plan_digest: str, *, dry_run: bool = False
) -> list[RunEntry]:
    """Return the unfinished runs with this plan digest, newest first."""
    return [
        entry
        for entry in entries
        if entry.info is not None
        and entry.state in UNFINISHED
        and (entry.info.plan_digest, entry.info.dry_run) == (plan_digest, dry_run)
    ]


def undos(entries: Sequence[RunEntry]) -> dict[str, str]:
    """Map the id of each run that was undone to that of its newest undo.

    Such a run is not resumed: its applied targets do not hold the change any more. An undo that was
    planned and never begun has put nothing back, and does not count.
    """
    begun = [
        (entry.info.undo_of, entry.run)
        for entry in entries
        if entry.info is not None
        and entry.info.undo_of
        and not entry.info.dry_run
        and entry.state not in {RunState.PLANNING, RunState.PLANNED}
    ]
    # The newest one is listed first, and the last one of a dict's pairs counts.
    return dict(reversed(begun))


def finished(
    entries: Sequence[RunEntry],
    plan_digest: str,
    *,
    dry_run: bool = False,
    here: RunPredicate = _always,
) -> RunEntry | None:
    """Return the newest run with this plan digest for which `here` is true, if it is finished."""
    for entry in entries:
        info = entry.info
        if info and (info.plan_digest, info.dry_run) == (plan_digest, dry_run) and here(info):
            return entry if entry.state is RunState.FINISHED else None
    return None


def started(
    entries: Sequence[RunEntry], plan_name: str, *, here: RunPredicate = _always
) -> RunEntry | None:
    """Return the newest run of the plan of this name for which `here` is true.

    Only if it has begun to send and is unfinished.
    """
    begun = UNFINISHED - {RunState.PLANNED}
    for entry in entries:
        info = entry.info
        if info is None or info.plan_name != plan_name or info.dry_run or info.undo_of:
            continue
        # Only the newest counts: an older one was superseded by it.
        if here(info):
            return entry if entry.state in begun and entry.run not in undos(entries) else None
    return None


def _entry(path: Path) -> RunEntry:
    try:
        # Without `check`, which would read all of each file.
        with RunFile.open(path, check=False) as run:
            return RunEntry(path, run.info, *meta.state(run.database))
    except RunFileError as error:
        return RunEntry(path, problem=str(error))


def _is_id(path: Path, text: str) -> bool:
    return text in (path.stem, path.name)


def _is_plan(path: Path, text: str) -> bool:
    parts = _ID.fullmatch(path.stem)
    return parts is not None and parts["plan"] == text


def _age(path: Path) -> tuple[str, str]:
    """Return a sort key: the time in the name, or that of the last write if there is none."""
    parts = _ID.fullmatch(path.stem)
    return (parts["stamp"] if parts is not None else _written(path)), path.name


def _written(path: Path) -> str:
    """Return the time of the last write, in the format of ids; empty if that is not known."""
    try:
        return f"{datetime.fromtimestamp(path.lstat().st_mtime, UTC):{_TIME_FORMAT}}"
    except (OSError, ValueError, OverflowError):  # a file system may hold any number as a time
        return ""
