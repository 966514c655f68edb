"""The heartbeat beside a run file, on real files.

Covered: what is written is read; which session counts as alive, here and on another machine, with
clocks that are wrong; files that are damaged, foreign or of another kind; a run file that is in use
elsewhere. Left out: what the session reports (tests/campaign/test_live.py).
"""

import os
import time
from itertools import count
from pathlib import Path

import msgspec
import pytest

from fleetpatch.errors import Locked
from fleetpatch.journal import flock
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import heartbeat
from fleetpatch.journal.runs.heartbeat import Heartbeat
from fleetpatch.model.live import Holder, Live, StatusReport
from tests.e2e.tool import eventually
from tests.repeating import repeating
from tests.report.samples import a_summary

NOW = 1_800_000_000.0
HERE = heartbeat.machine()


def beat(number: int = 1, *, machine: str = HERE, at: float = NOW, session: str = "s") -> Heartbeat:
    holder = Holder(session, "ann", "host-7", 4711, "2027-01-15T08:00:00Z", machine, "0.2")
    return Heartbeat(holder, number, at)


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    return tmp_path / "paint-1.run"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Observe a silent session for a moment only."""
    monkeypatch.setattr(heartbeat, "_OBSERVED", 0.05)
    monkeypatch.setattr(heartbeat, "_POLL_INTERVAL", 0.001)


def test_what_is_written_is_read_and_replaced_as_a_whole(run_file: Path) -> None:
    heartbeat.write(run_file, beat(1))
    heartbeat.write(run_file, beat(2))

    assert heartbeat.read(run_file) == beat(2)
    assert [path.name for path in run_file.parent.iterdir()] == ["paint-1.status.json"]
    assert heartbeat.beside(run_file).stat().st_mode & 0o077 == 0


def test_without_a_file_no_session_is_alive(run_file: Path) -> None:
    assert heartbeat.live(run_file, NOW) is None
    heartbeat.remove(run_file, "s")


@pytest.mark.parametrize("age", [0.0, 9.0, 1000.0])
def test_a_session_of_this_machine_is_alive_while_it_holds_the_lock(
    run_file: Path, age: float
) -> None:
    heartbeat.write(run_file, beat())
    with flock.hold(flock.beside(run_file), "the run"):
        assert heartbeat.live(run_file, NOW + age)

    assert heartbeat.live(run_file, NOW + age) is None


def test_where_the_lock_cannot_be_looked_at_a_fresh_heartbeat_shows_a_living_session(
    run_file: Path,
) -> None:
    heartbeat.write(run_file, beat())

    assert heartbeat.live(run_file, NOW + 9)
    assert heartbeat.live(run_file, NOW + 11) is None


def test_a_look_at_a_lock_does_not_keep_others_from_it(run_file: Path) -> None:
    lock = flock.beside(run_file)
    assert flock.is_held(lock) is None
    with flock.hold(lock, "the run"):
        assert flock.is_held(lock)
    assert flock.is_held(lock) is False
    with flock.hold(lock, "the run"):
        pass


def test_a_session_of_another_machine_may_be_silent_for_a_minute(run_file: Path) -> None:
    heartbeat.write(run_file, beat(machine="other"))

    assert heartbeat.live(run_file, NOW + 59)
    assert heartbeat.live(run_file, NOW + 61) is None


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_session_whose_clock_is_hours_away_is_alive_as_long_as_it_writes(
    run_file: Path, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_OBSERVED", 60.0)
    at = NOW + 3600 * hours
    numbers = count(1)

    def write() -> None:
        heartbeat.write(run_file, beat(next(numbers), machine="other", at=at))

    with repeating(write, 0.005):
        assert heartbeat.live(run_file, NOW)


def test_a_session_that_has_been_silent_for_hours_is_not_waited_for(
    run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def observe(*_arguments: object) -> None:
        pytest.fail("waited for a heartbeat")

    monkeypatch.setattr(heartbeat, "_observed", observe)
    long_ago = time.time() - 2 * 3600
    heartbeat.write(run_file, beat(machine="other", at=long_ago))
    os.utime(heartbeat.beside(run_file), (long_ago, long_ago))

    assert heartbeat.live(run_file) is None


NESTED = b"[" * 100_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"holder": 1}',
        b"\xff\xfe",
        b'{"beat":' + b"9" * 400 + b"}",
        b'{"holder": {"session": "\xff"}}',
        b'{"status": ' + NESTED,
    ],
)
def test_a_damaged_heartbeat_is_none(run_file: Path, content: bytes) -> None:
    heartbeat.beside(run_file).write_bytes(content)

    assert heartbeat.read(run_file) is None


def test_a_link_or_a_pipe_is_not_followed(run_file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.run"
    heartbeat.write(elsewhere, beat())
    heartbeat.beside(run_file).symlink_to(heartbeat.beside(elsewhere))
    assert heartbeat.read(run_file) is None

    heartbeat.beside(run_file).unlink()
    os.mkfifo(heartbeat.beside(run_file))
    assert heartbeat.read(run_file) is None


def test_a_heartbeat_of_a_later_version_still_says_who_is_alive(run_file: Path) -> None:
    written = msgspec.json.decode(msgspec.json.encode(beat()))
    later = written | {"status": {"somethingNew": 1}, "further": True}
    heartbeat.beside(run_file).write_bytes(msgspec.json.encode(later))

    found = heartbeat.read(run_file)

    assert found is not None
    assert found.holder == beat().holder
    assert found.report is None


@pytest.mark.parametrize("status", [b'{"summary": {"run": "\xff"}}', b'"\xff"'])
def test_a_report_that_is_no_text_is_none(run_file: Path, status: bytes) -> None:
    written = msgspec.json.encode(beat()).replace(b'"status":null', b'"status":' + status)
    heartbeat.beside(run_file).write_bytes(written)

    found = heartbeat.read(run_file)

    assert found is None or found.report is None


def test_a_damaged_heartbeat_does_not_end_the_thread_that_writes(
    run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.001)

    def is_replaced() -> bool:
        return heartbeat.read(run_file) is not None

    with heartbeat.Heartbeats(run_file, holder()):
        heartbeat.beside(run_file).write_bytes(b'{"status": ' + NESTED)
        eventually(is_replaced, "the heartbeat is written again")


def test_a_run_file_in_use_on_another_machine_is_never_opened(run_file: Path) -> None:
    run_file.write_bytes(b"opening this would be an error of another kind")
    found = beat(machine="other", at=time.time())
    heartbeat.write(run_file, found)

    with pytest.raises(Locked, match=r"process 4711 of ann on host-7 .* another machine"):
        RunFile.open(run_file)
    with pytest.raises(Locked):
        RunFile.open(run_file, write=True)


def holder() -> Holder:
    return beat().holder


def test_who_holds_a_run_file_writes_again_and_again_and_removes_the_file_at_the_end(
    run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.001)
    seen = set[int]()

    def has_seen(number: int) -> bool:
        found = heartbeat.read(run_file)
        seen.update([found.beat] if found else [])
        return len(seen) >= number

    with heartbeat.Heartbeats(run_file, holder()):
        eventually(lambda: has_seen(3), "three heartbeats")
    assert not heartbeat.beside(run_file).exists()


def test_a_report_is_written_at_once(run_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 3600.0)
    report = StatusReport(a_summary(), Live(1.5, 1.0, 3, {"prod-a": "the plan's rate"}))

    def shown() -> bool:
        found = heartbeat.read(run_file)
        return found is not None and found.report == report and found.followed == ("id-1",)

    with heartbeat.Heartbeats(run_file, holder()) as beating:
        beating.report(report, ["id-1"])
        eventually(shown, "the report")


def test_a_heartbeat_that_cannot_be_written_any_more_is_a_problem_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.001)
    folder = tmp_path / "runs"
    folder.mkdir()
    with heartbeat.Heartbeats(folder / "paint-1.run", holder()) as beating:
        folder.rename(tmp_path / "moved")
        eventually(lambda: bool(beating.problem), "the problem")
    assert beating.problem.endswith("paint-1.status.json: No such file or directory")


def test_a_first_heartbeat_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        heartbeat.Heartbeats(tmp_path / "missing" / "paint-1.run", holder()),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b'{"holder": 1}'])
def test_a_heartbeat_that_cannot_be_read_may_be_that_of_another_machine(
    run_file: Path, content: bytes
) -> None:
    run_file.write_bytes(b"opening this would be an error of another kind")
    heartbeat.beside(run_file).write_bytes(content)

    with pytest.raises(Locked, match=r"status\.json: cannot be read"):
        RunFile.open(run_file)


def test_a_heartbeat_of_another_kind_may_be_that_of_another_machine(run_file: Path) -> None:
    os.mkfifo(heartbeat.beside(run_file))
    assert heartbeat.live(run_file)

    heartbeat.beside(run_file).unlink()
    heartbeat.beside(run_file).symlink_to("elsewhere")
    assert heartbeat.live(run_file)


def test_a_heartbeat_that_cannot_be_read_and_is_not_replaced_stops_no_session(
    run_file: Path,
) -> None:
    heartbeat.beside(run_file).write_bytes(b"{")
    os.utime(heartbeat.beside(run_file), (NOW, NOW))

    assert heartbeat.live(run_file, NOW + 61) is None
    heartbeat.refuse_elsewhere(run_file)


def test_a_session_that_has_not_reported_yet_is_not_taken_for_none(run_file: Path) -> None:
    heartbeat.write(run_file, beat(machine="other", at=time.time()))

    with pytest.raises(Locked, match="cannot be read yet"):
        heartbeat.report_elsewhere(run_file)


def test_a_session_goes_on_beside_its_own_heartbeat_and_beside_none(run_file: Path) -> None:
    heartbeat.refuse_taken_over(run_file, "s", silent=59)
    heartbeat.write(run_file, beat(session="s"))
    heartbeat.refuse_taken_over(run_file, "s", silent=1000)


def test_a_session_ends_where_another_one_has_taken_the_run_over(run_file: Path) -> None:
    heartbeat.write(run_file, beat(machine="other", session="t"))

    with pytest.raises(Locked, match=r"process 4711 of ann on host-7 .* taken the run over"):
        heartbeat.refuse_taken_over(run_file, "s", silent=1)


def test_a_session_ends_where_another_one_may_have_come_and_gone(run_file: Path) -> None:
    with pytest.raises(Locked, match="another process has taken the run over"):
        heartbeat.refuse_taken_over(run_file, "s", silent=61)


def test_a_session_removes_no_heartbeat_of_another_one(run_file: Path) -> None:
    heartbeat.write(run_file, beat(session="t"))

    heartbeat.remove(run_file, "s")
    assert heartbeat.read(run_file) == beat(session="t")

    heartbeat.remove(run_file, "t")
    assert heartbeat.read(run_file) is None


def test_a_session_does_not_write_over_the_heartbeat_of_one_that_has_taken_over(
    run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.001)
    other = beat(machine="other", session="t")

    def is_taken_over() -> bool:
        # Again, since the two may write at the same moment.
        heartbeat.write(run_file, other)
        try:
            beating.raise_if_taken_over()
        except Locked:
            return True
        return False

    with heartbeat.Heartbeats(run_file, holder()) as beating:
        beating.raise_if_taken_over()
        eventually(is_taken_over, "the session has noticed it")
    assert heartbeat.read(run_file) == other
