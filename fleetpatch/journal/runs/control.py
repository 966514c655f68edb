"""The requests for a run: a small file beside the run file, which its session reads.

    STATE/runs/relabel-ml-teams-20260301T0200Z-4f9a1c.control.json

Whoever may write to the folder can write it, from any machine: it is replaced, and never locked.
Two people who write at the same moment may replace each other's request, so each writes again until
the session's heartbeat says that the request was followed. The session only reads the file, and
removes it at its end if all of it was followed.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from fleetpatch import files
from fleetpatch.errors import RunFileError
from fleetpatch.journal.rows import UNREADABLE
from fleetpatch.journal.runs import folders
from fleetpatch.model.steering import Request

_LARGEST: Final = 1 << 20
_KEPT: Final = 100
"""Requests that the file keeps at most; the oldest were followed long ago."""


class _Control(msgspec.Struct):
    requests: tuple[Request, ...] = ()


_decoder: Final = msgspec.json.Decoder(_Control)


def beside(run_file: Path) -> Path:
    """Return the path of the requests for a run."""
    return folders.beside(run_file, folders.CONTROL)


def read(run_file: Path) -> tuple[Request, ...]:
    """Read the requests for a run, in their order; empty if there are none.

    Raises RunFileError if the file cannot be read, or holds something else.
    """
    path = beside(run_file)
    try:
        return _decoder.decode(files.read_own(path, _LARGEST)).requests
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RunFileError(f"{path}: {error.strerror}; check the file, or remove it") from error
    except UNREADABLE as error:
        raise RunFileError(f"{path}: is not a list of requests ({error}); remove it") from error


def add(run_file: Path, request: Request) -> None:
    """Add a request for a run, unless it is there. Raises RunFileError."""
    requests = read(run_file)
    if any(one.id == request.id for one in requests):
        return
    path, content = beside(run_file), _Control((*requests, request)[-_KEPT:])
    try:
        files.replace_own(path, msgspec.json.encode(content))
    except OSError as error:
        raise RunFileError(
            f"{path}: the request cannot be written ({error.strerror}); check the rights on the"
            " folder"
        ) from error


def remove(run_file: Path) -> None:
    """Remove the requests for a run; a file that is missing is fine."""
    with suppress(OSError):
        beside(run_file).unlink()
