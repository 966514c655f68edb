"""A run file that is copied with plain `cp` during a run, and opened elsewhere.

Covered: copies of the file with its log, in both orders, and of the file alone, taken all the time
while another process writes; copies that a checkpoint ran into; what a lone copy is good for, also
in a read-only place; the original whose log another SQLite has worked in.
Left out: copies of a run at rest (test_journal_crash.py).
"""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from fleetpatch.errors import RunFileError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.run import Tally
from fleetpatch.report.summary import summary_lines
from tests.journal.makers import in_process, make, many, read, settle

COUNT = 5_000
COPIES = 12
MAX_COPIES = 100
_NOBODY = 65534


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def file_first(source: Path, copy: Path) -> None:
    shutil.copy(source, copy)
    shutil.copy(log_of(source), log_of(copy))


def log_first(source: Path, copy: Path) -> None:
    shutil.copy(log_of(source), log_of(copy))
    shutil.copy(source, copy)


def alone(source: Path, copy: Path) -> None:
    shutil.copy(source, copy)


@contextmanager
def written(path: Path) -> Iterator[Callable[[], object]]:
    """A process that carries out a run, from the seal on, and is killed in the end.

    Each call of what is yielded lets it write another chunk, while the test goes on.
    """
    make(path, many(COUNT)).close()
    ready, done = os.pipe()
    allowed, allow = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            run = RunFile.open(path, write=True)
            run.record(settle(run.claim("north", limit=100)))
            os.write(done, b".")
            while os.read(allowed, 1) and (claimed := run.claim("north", limit=100)):
                for start in range(0, 100, 2):
                    run.record(settle(claimed[start : start + 2]))
            signal.pause()
        finally:
            os._exit(1)
    try:
        assert os.read(ready, 1) == b"."
        yield partial(os.write, allow, b".")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for descriptor in (ready, done, allowed, allow):
            os.close(descriptor)


@pytest.mark.parametrize("copied", [file_first, log_first])
def test_a_copy_of_file_and_log_at_any_moment_is_complete_and_never_older_than_before(
    tmp_path: Path, copied: Callable[[Path, Path], None]
) -> None:
    path, applied = tmp_path / "x.run", [0]
    with written(path) as write_on:
        for number in range(MAX_COPIES):
            # On a busy disk the run may make no progress during the first copies.
            if number >= COPIES and len(set(applied)) > 3:
                break
            write_on()
            copy = tmp_path / f"{number}.run"
            copied(path, copy)
            tally = read(copy).tally
            assert tally.total == COUNT
            assert tally.in_doubt <= 100
            applied.append(tally.applied)

    assert applied == sorted(applied)
    assert len(set(applied)) > 3, "the run went on between the copies"


def test_a_copy_of_the_file_alone_has_an_earlier_state_and_reports_that(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.run"
    with written(path) as write_on:
        for number in range(COPIES):
            write_on()
            copy = tmp_path / f"{number}.run"
            alone(path, copy)
            summary = read(copy)
            assert summary.tally == Tally(pending=COUNT)
            assert summary.outdated
            assert any("an earlier state of the run" in line for line in summary_lines(summary))


def test_a_copy_that_a_checkpoint_ran_into_is_whole_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetpatch.journal.database.WAL_LIMIT", 64 * 1024)
    path, whole = tmp_path / "x.run", 0
    with written(path) as write_on:
        for number in range(2 * COPIES):
            write_on()
            copy = tmp_path / f"{number}.run"
            (alone if number % 2 else file_first)(path, copy)
            try:
                assert read(copy).tally.total == COUNT
                whole += 1
            except RunFileError as error:
                assert "is damaged" in str(error)  # noqa: PT017 # either end is right

    assert whole > COPIES // 2


def test_resuming_a_copy_that_lacks_its_log_is_refused(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", many(20)) as run:
        run.record(settle(run.claim("north", limit=5)))
        lone = tmp_path / "lone.run"
        alone(run.path, lone)

    for _ in range(2):
        with pytest.raises(RunFileError, match=r"without lone.run-wal .*; copy both files"):
            RunFile.open(lone, write=True)
    assert [file.name for file in tmp_path.glob("lone*")] == ["lone.run"]


def test_a_lone_copy_can_be_read_from_a_read_only_place(tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    with make(tmp_path / "x.run", many(20)) as run:
        alone(run.path, folder / "lone.run")
    folder.chmod(0o555)

    def humbly() -> None:
        os.seteuid(_NOBODY if os.geteuid() == 0 else os.geteuid())
        assert read(folder / "lone.run").tally == Tally(pending=20)

    (folder / "lone.run").chmod(0o444)
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    assert in_process(humbly) == 0
    assert [file.name for file in folder.iterdir()] == ["lone.run"]
    folder.chmod(0o755)


def test_after_a_crash_another_sqlite_may_merge_the_log_and_the_run_can_be_resumed(
    tmp_path: Path,
) -> None:
    """Close a database in WAL mode as its last user: SQLite merges and removes the log then."""
    path = tmp_path / "x.run"
    with written(path):
        pass
    before = read(path).tally

    shell = sqlite3.connect(path)
    shell.execute("SELECT * FROM standings LIMIT 1").fetchall()
    shell.close()

    assert not log_of(path).exists()
    assert read(path).tally == before
    assert not read(path).outdated
    with RunFile.open(path, write=True) as run:
        assert queries.summary(run).tally == before


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def put_another_there(path: Path) -> None:
    Path(shutil.copy(path, path.with_name("other"))).replace(path)


def test_a_run_file_that_is_moved_or_removed_is_written_no_more(tmp_path: Path) -> None:
    for harm in (Path.unlink, move_away, put_another_there):
        name = f"{harm.__name__}.run"
        run = make(tmp_path / name, many(20))
        claimed = run.claim("north", limit=5)
        harm(run.path)
        with pytest.raises(RunFileError, match=rf"{name}: (No such file|was replaced)"):
            run.claim("north", limit=5)
        with pytest.raises(RunFileError):
            run.record(settle(claimed))
        with pytest.raises(RunFileError):
            run.close()
