"""The heartbeat of a session: a small file beside the run file that says who carries it out.

    STATE/runs/relabel-ml-teams-20260301T0200Z-4f9a1c.status.json

Who writes a run file (`Heartbeats`) replaces the file once a second and removes it at the end, so
its age shows whether the session is alive. It carries the status of the run, too: SQLite's
write-ahead log is shared memory of one machine, so a run file that is in use on another machine
must not even be read.

| the session runs | alive |
|---|---|
| on this machine | while it holds the lock of the run file, whatever its heartbeat says |
| on another machine | until it has been silent for `GONE_AFTER`, by our clock and by observation |

A heartbeat that cannot be read (foreign, damaged, of another kind) may be that of another machine.
It counts as one whose holder is unknown, and which was written when its file was.

Machines are distinguished by the boot id of their kernel, so containers of one machine are the same
machine, and share its file locks.
"""

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from fleetpatch import files
from fleetpatch.errors import Locked
from fleetpatch.journal import flock
from fleetpatch.journal.rows import UNREADABLE
from fleetpatch.journal.runs import folders
from fleetpatch.model.live import Holder, StatusReport

INTERVAL: Final = 1.0
"""Seconds between two heartbeats."""
FRESH: Final = 10.0
"""Seconds: a younger heartbeat shows a living session where the lock cannot be looked at."""
GONE_AFTER: Final = 60.0
"""Seconds after which a silent session on another machine counts as dead."""

_LONG_GONE: Final = 3600.0
"""Seconds after which a silent session is not observed any more, if the file is as old by its time.

That is set by the machine that has the file: the clock of the session may be wrong by any time.
"""
_OBSERVED: Final = 3.0
"""Seconds in which a living session must have written again, whatever its clock shows."""
_POLL_INTERVAL: Final = 0.2
_LAST: Final = 5.0
"""Seconds to wait for a heartbeat that is being written at the end."""
_LARGEST: Final = 16 << 20
"""Bytes; a status of a thousand namespaces has a hundredth of them."""
_UNKNOWN: Final = Holder("", "", "", 0, "", "", "")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Heartbeat(msgspec.Struct, frozen=True, rename="camel"):
    """One heartbeat, the `beat`-th of its session; `written_at` in seconds since the epoch.

    `status` is the session's report as JSON, and null before it has begun.
    `followed` are the ids of the requests that it has followed.
    """

    holder: Holder
    beat: int
    written_at: float
    status: msgspec.Raw = msgspec.Raw(b"null")
    followed: tuple[str, ...] = ()

    @property
    def is_here(self) -> bool:
        """Whether the session runs on this machine."""
        return self.holder.machine == machine()

    @property
    def report(self) -> StatusReport | None:
        """What the session reports; None before it has begun, or if another version wrote it."""
        try:
            return _report.decode(self.status)
        except UNREADABLE:
            return None

    def age(self, now: float) -> float:
        """Return the seconds since it was written, by the clock that shows `now`."""
        return abs(now - self.written_at)


_report: Final[msgspec.json.Decoder[StatusReport | None]] = msgspec.json.Decoder(
    StatusReport | None
)
_decoder: Final = msgspec.json.Decoder(Heartbeat)


def beside(run_file: Path) -> Path:
    """Return the path of the heartbeat of a run."""
    return folders.beside(run_file, folders.STATUS)


def machine() -> str:
    """Return what tells this machine from others: its boot id, or its name if it has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return os.uname().nodename


def write(run_file: Path, heartbeat: Heartbeat) -> None:
    """Replace the heartbeat of a run. Raises OSError."""
    files.replace_own(beside(run_file), msgspec.json.encode(heartbeat))


def remove(run_file: Path, session: str) -> None:
    """Remove the heartbeat of a session at its end, unless another session has replaced it."""
    found = read(run_file)
    if found is not None and found.holder.session == session:
        with suppress(OSError):
            beside(run_file).unlink()


def read(run_file: Path) -> Heartbeat | None:
    """Read the heartbeat of a run; None if there is none that can be trusted and understood."""
    try:
        return _decoder.decode(files.read_own(beside(run_file), _LARGEST))
    except (OSError, *UNREADABLE):
        return None


class Heartbeats:
    """Writes the heartbeat of this process once a second while its block runs, from a thread.

    A thread also writes while the event loop is busy for long, as it is while objects are listed.
    Entering the block raises OSError if the first heartbeat cannot be written. Later errors are in
    `problem`: a run does not need its heartbeat. It does not write over that of another session,
    which has taken the run over: `raise_if_taken_over` raises Locked then. `former` is the last
    heartbeat of a session that was killed, if it is there.
    """

    def __init__(self, run_file: Path, holder: Holder) -> None:
        self.holder = holder
        self.problem = ""
        self.former = read(run_file)
        self._run_file = run_file
        self._status, self._followed = msgspec.Raw(b"null"), tuple[str, ...]()
        self._written_at = 0.0
        self._taken_over: Locked | None = None
        self._due, self._is_over = threading.Event(), False
        # A daemon: a disk that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over = True
        self._due.set()
        self._thread.join(_LAST)
        remove(self._run_file, self.holder.session)

    def report(self, report: StatusReport, followed: Iterable[str]) -> None:
        """Write this report with the next heartbeats, the first of them now."""
        self._status = msgspec.Raw(msgspec.json.encode(report))
        self._followed = tuple(followed)
        self._due.set()

    def raise_if_taken_over(self) -> None:
        """Raise Locked if another session has taken the run over."""
        if self._taken_over is not None:
            raise self._taken_over

    def _beat(self) -> None:
        while not self._is_over:
            self._due.wait(INTERVAL)
            self._due.clear()
            if self._is_over:
                return
            # By the wall clock: other machines go on while this one is suspended.
            silent = time.time() - self._written_at
            try:
                refuse_taken_over(self._run_file, self.holder.session, silent)
                self._write()
            except Locked as error:
                self._taken_over = error
                return
            except OSError as error:
                self.problem = f"{beside(self._run_file)}: {error.strerror}"
            else:
                self.problem = ""

    def _write(self) -> None:
        now = time.time()
        write(
            self._run_file,
            Heartbeat(self.holder, time.monotonic_ns(), now, self._status, self._followed),
        )
        self._written_at = now


def refuse_taken_over(run_file: Path, session: str, silent: float) -> None:
    """Raise Locked if another session has taken over a run since the last heartbeat of `session`.

    That may happen after `GONE_AFTER`, for example if the machine of `session` was suspended, and
    if two machines begin at the same moment. `silent` is the age of the last heartbeat in seconds.
    """
    found = _seen(run_file)
    if found is None and silent < GONE_AFTER:
        return  # no other session can have taken it over, and ended, in this time
    if found is not None and (found.holder == _UNKNOWN or found.holder.session == session):
        return
    who = str(found.holder) if found else "another process"
    raise Locked(
        f"{run_file}: {who} has taken the run over, since this process was silent or began at the"
        " same moment; it sends nothing more, and `fleetpatch status` shows the run"
    )


def _seen(run_file: Path) -> Heartbeat | None:
    """Read the heartbeat of a run; if it cannot be read, return one with an unknown holder."""
    if found := read(run_file):
        return found
    try:
        file = beside(run_file).lstat()
    except OSError:
        return None
    return Heartbeat(_UNKNOWN, file.st_mtime_ns ^ file.st_ino, file.st_mtime)


def live(run_file: Path, now: float | None = None) -> Heartbeat | None:
    """Return the heartbeat of the session that carries a run out now; None if there is none.

    May take seconds, but only after a session on another machine ended without a word.
    """
    found = _seen(run_file)
    if found is None:
        return None
    age = found.age(time.time() if now is None else now)
    if found.is_here:
        is_held = flock.is_held(flock.beside(run_file))
        return found if (age < FRESH if is_held is None else is_held) else None
    if age < GONE_AFTER:
        return found
    if age > _LONG_GONE and _seconds_since_written(run_file) > _LONG_GONE:
        return None
    return _observed(run_file, found)


def _seconds_since_written(run_file: Path) -> float:
    """Return the age of the heartbeat's file, by its time; 0 if it is gone."""
    try:
        return abs(time.time() - beside(run_file).lstat().st_mtime)
    except OSError:
        return 0.0


def _observed(run_file: Path, silent: Heartbeat) -> Heartbeat | None:
    """Return the next heartbeat after a `silent` one; None if there is none for a while."""
    until = time.monotonic() + _OBSERVED
    while time.monotonic() < until:
        time.sleep(_POLL_INTERVAL)
        found = _seen(run_file)
        if found is None or _identity(found) != _identity(silent):
            return found
    return None


def _identity(heartbeat: Heartbeat) -> tuple[Any, ...]:
    return heartbeat.holder.session, heartbeat.beat


def report_elsewhere(run_file: Path) -> StatusReport | None:
    """Return the report of a session on another machine; None if there is none.

    Raises Locked if the session has not reported yet, or if its report cannot be read.
    """
    found = _elsewhere(run_file)
    if found is None:
        return None
    if report := found.report:
        return report
    raise _in_use(run_file, found)


def refuse_elsewhere(run_file: Path) -> None:
    """Raise Locked if a session on another machine carries the run out."""
    if found := _elsewhere(run_file):
        raise _in_use(run_file, found)


def _elsewhere(run_file: Path) -> Heartbeat | None:
    """Return the heartbeat of a session on another machine that is alive; None if there is none."""
    found = _seen(run_file)
    if found is None or found.is_here:
        return None
    now = live(run_file)
    return None if now is None or now.is_here else now


def _in_use(run_file: Path, found: Heartbeat) -> Locked:
    if found.holder == _UNKNOWN:
        return Locked(
            f"{beside(run_file)}: cannot be read, and was written a moment ago, so the run may be"
            " carried out on another machine, and its file is not opened here; check the file, or"
            " try again in a minute"
        )
    more = (
        "`fleetpatch status` shows its progress, and pause, cancel and pace reach it"
        if found.report
        else "its status cannot be read yet: try again later"
    )
    return Locked(
        f"{run_file}: {found.holder} carries it out, on another machine, so the file is not opened"
        f" here; {more}"
    )
