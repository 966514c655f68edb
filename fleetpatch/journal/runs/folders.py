"""Where run files are kept; a module of its own, which completion imports quickly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fleetpatch.errors import SurroundingsError

RUNS: Final = "runs"
"""The name of the folder of run files."""

RUN_FILE: Final = ".run"
LOG: Final = ".jsonl"
CONTROL: Final = ".control.json"
STATUS: Final = ".status.json"
"""The endings of a run file, and of what is beside it: log, requests and heartbeat."""


def beside(run_file: Path, ending: str) -> Path:
    """Return the path of the file with this ending that belongs to a run file."""
    stem = run_file.stem if run_file.suffix == RUN_FILE else run_file.name
    return run_file.with_name(f"{stem}{ending}")


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


def home() -> Path | None:
    """Return the home folder, or None for a uid without an account and without $HOME."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def runs_dir(state: Path) -> Path:
    """Return the folder of run files within the state folder."""
    return state / RUNS
