"""The paths and names of run files, and how a run is found by name.

    STATE/runs/relabel-ml-teams-20260301T020000Z-4f9a1c.run
    STATE/runs/relabel-ml-teams-20260301T020000Z-4f9a1c.jsonl

A run's id is its file's name without `.run`. The time in it is that of planning, in UTC, so that
the ids of one plan sort by age.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from fleetpatch import files
from fleetpatch.errors import RunFileError, SurroundingsError, UsageError
from fleetpatch.journal import flock, meta
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.run import UNFINISHED, RunInfo, RunState
from fleetpatch.model.text import clean

_SUFFIX: Final = ".run"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_ID: Final = re.compile(r"(?P<plan>.+)-(?P<stamp>\d{8}T\d{6}Z)-(?P<salt>[0-9a-f]{6})")
_SHOWN: Final = 5
"""Runs that a message about an ambiguous name lists at most."""


Chooses: TypeAlias = Callable[[RunInfo], bool]
"""A predicate: whether a run is one of those wanted."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run file in the list of runs; `problem` says in one line why one cannot be read."""

    path: Path
    info: RunInfo | None = None
    state: RunState | None = None
    cause: str = ""
    problem: str = ""

    @property
    def run(self) -> str:
        """The run's id."""
        return self.info.run if self.info else self.path.stem


def _anywhere(_info: RunInfo) -> bool:
    return True


def state_dir(option: Path | None, environ: Mapping[str, str], home: Path | None) -> Path:
    """`--state-dir`, else `$FLEETPATCH_STATE_DIR`, else the user's state folder by XDG's rules.

    Raises SurroundingsError where the home folder is needed and there is none.
    """
    if option is not None:
        return option
    if chosen := environ.get("FLEETPATCH_STATE_DIR"):
        return Path(chosen)
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if base.is_absolute():
        return base / "fleetpatch"
    if home is None:
        raise SurroundingsError(
            "there is no home folder for run files; name a folder with --state-dir or"
            " $FLEETPATCH_STATE_DIR"
        )
    return home / ".local" / "state" / "fleetpatch"


def prepare(state: Path) -> None:
    """Make the state folder and the folders in it where they are missing, for their owner alone.

    Raises RunFileError where they cannot be made, or where others may replace files in them.
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
    """The folder of run files within the state folder."""
    return state / "runs"


def run_id(plan: str, moment: datetime, salt: int) -> str:
    """Make the id of a new run. `moment` is aware; six hexadecimal digits of `salt` are used."""
    return f"{plan}-{moment.astimezone(UTC):{_STAMP}}-{salt & 0xFFFFFF:06x}"


def run_path(runs: Path, run: str) -> Path:
    """Return the path of the run file of this id."""
    return runs / f"{run}{_SUFFIX}"


def log_path(run_file: Path) -> Path:
    """Return the default path of the log of a run: beside its run file."""
    stem = run_file.stem if run_file.suffix == _SUFFIX else run_file.name
    return run_file.with_name(f"{stem}.jsonl")


def run_files(runs: Path) -> list[Path]:
    """List the files in a folder named like run files, newest first; none if it is missing.

    Raises RunFileError where the folder cannot be read.
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
    """Find the run that `text` means: a path, an id, a plan's name (its latest run), an id's start.

    A path that is a link is followed, since a person named it. Raises UsageError where there is no
    such run, or where the start fits several, and as `run_files`.
    """
    as_path = Path(text)
    if files.is_regular(as_path):
        return as_path.resolve() if as_path.is_symlink() else as_path
    paths = run_files(runs)
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
    """Read all run files of a folder, newest first; a damaged one has a `problem`."""
    return map(_entry, run_files(runs))


def unfinished(runs: Path, plan_digest: str, *, dry_run: bool = False) -> list[RunEntry]:
    """Find the runs of this very plan that can go on, newest first."""
    return [
        entry
        for entry in listing(runs)
        if entry.info is not None
        and entry.state in UNFINISHED
        and (entry.info.plan_digest, entry.info.dry_run) == (plan_digest, dry_run)
    ]


def finished(
    runs: Path, plan_digest: str, *, dry_run: bool = False, here: Chooses = _anywhere
) -> RunEntry | None:
    """Find the newest run of this very plan that was planned `here`, if it is finished."""
    for entry in listing(runs):
        info = entry.info
        if info and (info.plan_digest, info.dry_run) == (plan_digest, dry_run) and here(info):
            return entry if entry.state is RunState.FINISHED else None
    return None


def started(runs: Path, plan_name: str, *, here: Chooses = _anywhere) -> RunEntry | None:
    """Find the newest run of a plan of this name that was planned `here`.

    Only if it has begun to send and is unfinished.
    """
    begun = UNFINISHED - {RunState.PLANNED}
    for entry in listing(runs):
        info = entry.info
        if info is None or info.plan_name != plan_name or info.dry_run or info.undo_of:
            continue
        if here(info):
            return entry if entry.state in begun else None
    return None


def _entry(path: Path) -> RunEntry:
    try:
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
    """Sort by the time in the name, or where a person chose the name by that of the last write."""
    parts = _ID.fullmatch(path.stem)
    return (parts["stamp"] if parts is not None else _written(path)), path.name


def _written(path: Path) -> str:
    """When a file was last written, in the format of ids; empty where that is not known."""
    try:
        return f"{datetime.fromtimestamp(path.lstat().st_mtime, UTC):{_STAMP}}"
    except (OSError, ValueError, OverflowError):  # a file system may hold any number as a time
        return ""
