"""Files that are not run files of ours, or not complete any more.

Covered: missing, empty, a folder, text, another program's database, a newer format, a file cut at
sampled bytes, bytes overwritten, contents that make no sense, rights, read-only places; that every
error is a RunFileError of one line, and that sqlite3 is named in this folder of the package alone.
Not covered: a bit that flips within a stored text; SQLite keeps no checksums of pages.
"""

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fleetpatch
from fleetpatch.errors import RunFileError
from fleetpatch.journal import queries
from fleetpatch.journal.errors import advice
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunState
from tests.journal.makers import in_process, info, make, many, read, settle


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    path = tmp_path / "x.run"
    with make(path, many(300)) as run:
        run.record(settle(run.claim("north", limit=200)))
        run.set_state(RunState.PAUSED, Cause(CauseCode.WINDOW_CLOSED, "window closed"))
    return path


def refusal(path: Path, *, write: bool = False) -> str:
    with pytest.raises(RunFileError) as caught:
        RunFile.open(path, write=write)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "x.run: does not exist; `fleetpatch status`" in refusal(tmp_path / "x.run")


@pytest.mark.parametrize(
    "content",
    [b"", b"SQLite", b"apiVersion: v1\n" * 50, random.Random(1).randbytes(5000)],
    ids=["empty", "short", "a plan", "noise"],
)
def test_a_file_that_is_not_a_database_is_not_a_run_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.run"
    path.write_bytes(content)
    for write in (False, True):
        assert "is not a run file" in refusal(path, write=write)
    assert path.read_bytes() == content


def test_a_folder_is_not_a_run_file(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE targets (id)")
    other.close()
    content = path.read_bytes()
    assert "another program's SQLite database" in refusal(path, write=True)
    assert path.read_bytes() == content


def test_a_newer_format_asks_for_an_upgrade(finished: Path) -> None:
    other = sqlite3.connect(finished)
    other.execute("PRAGMA user_version = 4")
    other.close()
    assert "has format 4, this fleetpatch reads 3; upgrade fleetpatch" in refusal(finished)


def test_a_file_cut_anywhere_is_refused(finished: Path) -> None:
    content = finished.read_bytes()
    for size in [*range(0, 200, 7), *range(200, len(content), 997), len(content) - 1]:
        finished.write_bytes(content[:size])
        for write in (False, True):
            refusal(finished, write=write)


def test_overwritten_pages_are_refused_or_read_but_never_a_traceback(finished: Path) -> None:
    content = finished.read_bytes()
    chance = random.Random(7)
    refused = 0
    for _ in range(60):
        spot = chance.randrange(len(content) - 64)
        finished.write_bytes(content[:spot] + chance.randbytes(64) + content[spot + 64 :])
        try:
            assert read(finished).tally.total == 300
        except RunFileError as error:
            assert "\n" not in str(error)  # noqa: PT017 # either end is right
            refused += 1
    assert refused > 10


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE outcomes SET reason = 'eaten' WHERE target = 3",
        "UPDATE targets SET before = '[[' WHERE id = 3",
        "UPDATE targets SET before = '{}' WHERE id = 3",
        "UPDATE targets SET resource = 99 WHERE id = 3",
        "UPDATE meta SET value = 'sleeping' WHERE key = 'state'",
        "UPDATE meta SET value = 'many' WHERE key = 'patch'",
        "DELETE FROM meta WHERE key = 'plan'",
        "DELETE FROM outcomes WHERE target = 3",
        "DELETE FROM claims",
        "DROP TABLE outcomes",
        "DROP TABLE meta",
    ],
)
def test_contents_that_make_no_sense_are_refused(finished: Path, change: str) -> None:
    other = sqlite3.connect(finished)
    other.execute(change)
    other.commit()
    other.close()
    with pytest.raises(RunFileError, match=r"damaged|missing"):
        read(finished)


@pytest.mark.parametrize("check", [True, False])
def test_a_big_file_is_checked_in_outline(
    finished: Path, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    monkeypatch.setattr("fleetpatch.journal.sqlite_file.CHECKED_WHOLE", 1)
    with RunFile.open(finished, check=check) as run:
        assert queries.summary(run).tally.total == 300
    content = finished.read_bytes()
    finished.write_bytes(content[:-4096])
    assert "damaged" in refusal(finished)


def test_reading_leaves_nothing_beside_the_file(finished: Path) -> None:
    content = finished.read_bytes()
    read(finished)
    assert finished.read_bytes() == content
    assert [file.name for file in finished.parent.iterdir()] == ["x.run"]


@pytest.fixture
def read_only(finished: Path) -> Iterator[Path]:
    """A finished run in a folder that is not writable."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = Path(shutil.copy(finished, folder))
        copy.chmod(0o444)
        folder.chmod(0o555)
        yield copy
        folder.chmod(0o700)


def as_nobody(work: Callable[[], object]) -> int:
    """Run `work` in a process that is not root's; see `in_process`."""

    def humbly() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        work()

    return in_process(humbly)


def test_a_finished_run_can_be_read_from_a_read_only_place(read_only: Path) -> None:
    def work() -> None:
        assert read(read_only).tally.total == 300

    assert as_nobody(work) == 0


def test_a_run_in_a_read_only_place_cannot_go_on(read_only: Path) -> None:
    assert as_nobody(lambda: RunFile.open(read_only, write=True)) == 7


def test_a_new_run_in_a_read_only_place_is_refused(read_only: Path) -> None:
    assert as_nobody(lambda: RunFile.create(read_only.with_name("y.run"), info())) == 7


def test_a_place_where_nothing_can_be_made_is_named() -> None:
    with pytest.raises(RunFileError, match=r"/proc/none/x.run: .*check the path"):
        RunFile.create(Path("/proc/none/x.run"), info())


def test_a_leftover_of_a_change_of_mode_is_put_right(finished: Path) -> None:
    """A crash may fall between the switch to WAL mode and the first byte of the log."""
    whole = read(finished)
    other = sqlite3.connect(finished)
    other.execute("PRAGMA journal_mode = WAL")
    saved = shutil.copy(finished, finished.with_name("saved"))
    other.close()
    shutil.move(saved, finished)
    assert read(finished) == whole
    with RunFile.open(finished, write=True) as run:
        assert len(run.claim("north", limit=500)) == 100


def test_every_primary_code_of_sqlite_becomes_one_line_of_advice() -> None:
    codes = {
        value
        for name, value in vars(sqlite3).items()
        if name.startswith("SQLITE_") and isinstance(value, int) and 0 < value < 100
    }
    assert len(codes) > 25
    for code in codes:
        error = sqlite3.OperationalError("words")
        error.sqlite_errorcode = code
        assert "words" in advice(error)
        assert "\n" not in advice(error)


def test_only_this_folder_uses_sqlite() -> None:
    package = Path(fleetpatch.journal.__file__).parent.parent
    users = {
        path.parent.name
        for path in package.rglob("*.py")
        if "import sqlite3" in path.read_text(encoding="utf-8")
    }
    assert users == {"journal"}
