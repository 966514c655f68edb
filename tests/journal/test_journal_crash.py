"""A run whose process ends at any moment.

Covered: kill at every step of a run and of its creation, in a real process that ends without a
word; copies of file and write-ahead log taken at every step; a write-ahead log cut at sampled
bytes; a disk that is full (file size limit) and what remains; going on afterwards.
Not covered: power loss below the file system; settling what is in doubt (engine).
"""

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from fleetpatch.errors import RunFileError
from fleetpatch.journal import meta, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunState, Tally
from tests.journal.makers import in_process, info, make, many, settle


def copied(path: Path, folder: Path) -> Path:
    """Copy a run file with its write-ahead log, as one saves what a crash has left."""
    folder.mkdir()
    shutil.copy(path, folder / path.name)
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():
        shutil.copy(wal, folder / wal.name)
    return folder / path.name


def tally(path: Path, *, write: bool = False) -> Tally:
    with RunFile.open(path, write=write) as run:
        return queries.summary(run).tally


STEPS = [
    Tally(),
    Tally(pending=20),
    Tally(pending=15, in_doubt=5),
    Tally(pending=15, in_doubt=2, applied=3),
    Tally(pending=17, applied=3),
    Tally(pending=16, in_doubt=1, applied=3),
]


def steps(path: Path, *, upto: int) -> None:
    """Carry a run through the first of its steps; STEPS has its standings after each."""
    run = RunFile.create(path, info())
    run.add(many(20))
    if upto >= 1:
        run.seal()
    if upto >= 2:
        claimed = run.claim("north", limit=5)
    if upto >= 3:
        run.record(settle(claimed[:3]))
    if upto >= 4:
        run.release(claimed[3:])
    if upto >= 5:
        run.claim("north", limit=1)


def killed_at(moment: int, work: Callable[[], object]) -> None:
    """Do some work, and be killed at its n-th call into the system or into SQLite."""
    calls = count()

    def hook(event: str, _: tuple[object, ...]) -> None:
        if event.startswith(("os.", "open", "sqlite3.")) and next(calls) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    work()


def test_killed_while_it_is_created_a_run_file_is_complete_or_not_there(tmp_path: Path) -> None:
    found = []
    for moment in count():
        path = tmp_path / f"{moment}.run"
        work = partial(killed_at, moment, partial(RunFile.create, path, info()))
        if in_process(work) == 0:
            break
        found.append(path.exists())
        assert not path.exists() or tally(path) == Tally()

    assert (found[0], found[-1]) == (False, True)


def test_killed_while_its_tables_are_created_there_is_no_run_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meta, "put_state", lambda *_: os.kill(os.getpid(), signal.SIGKILL))

    def work() -> None:
        RunFile.create(tmp_path / "x.run", info())

    assert in_process(work) == -signal.SIGKILL

    assert not (tmp_path / "x.run").exists()


@pytest.mark.parametrize("step", range(6))
def test_killed_after_any_step_nothing_confirmed_is_lost(tmp_path: Path, step: int) -> None:
    path = tmp_path / "x.run"
    assert in_process(lambda: steps(path, upto=step)) == 0
    assert tally(path) == STEPS[step]
    assert tally(path) == STEPS[step]


@pytest.mark.parametrize("step", range(1, 6))
def test_a_killed_run_is_resumed_and_ends_as_one_file(tmp_path: Path, step: int) -> None:
    path = tmp_path / "x.run"
    assert in_process(lambda: steps(path, upto=step)) == 0
    with RunFile.open(path, write=True) as run:
        run.claim("north", limit=100)
        run.record(settle(run.in_doubt("north", after=0, limit=100)))
        run.set_state(RunState.FINISHED)
    assert [file.name for file in tmp_path.iterdir()] == ["x.run"]
    assert tally(path) == Tally(applied=20)


def test_killed_within_a_transaction_it_never_happened(tmp_path: Path) -> None:
    path = tmp_path / "x.run"

    def work() -> None:
        run = make(path, many(20))
        claimed = run.claim("north", limit=5)
        with run.database.transaction() as connection:
            connection.execute("DELETE FROM outcomes")
            connection.execute("DELETE FROM claims")
            os.kill(os.getpid(), signal.SIGKILL)
        run.record(settle(claimed))

    assert in_process(work) == -signal.SIGKILL
    assert tally(path) == Tally(pending=15, in_doubt=5)


def test_a_copy_of_file_and_log_is_complete_after_every_step(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", many(20)) as run:
        for step in range(4):
            run.record(settle(run.claim("north", limit=5)[:-1]))
            expected = Tally(pending=15 - 5 * step, in_doubt=step + 1, applied=4 * (step + 1))
            assert tally(copied(run.path, tmp_path / f"{step}")) == expected
            assert tally(copied(run.path, tmp_path / f"{step}w"), write=True) == expected


def test_sqlites_own_backup_of_a_live_run_is_complete(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", many(20)) as run:
        run.record(settle(run.claim("north", limit=5)))
        run.database.connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.run"),))
    assert tally(tmp_path / "copy.run") == Tally(pending=15, applied=5)


def test_a_log_cut_anywhere_is_an_earlier_moment_or_refused(tmp_path: Path) -> None:
    run = make(tmp_path / "x.run", many(400))
    moments = {queries.summary(run).tally}
    for _ in range(4):
        claimed = run.claim("north", limit=50)
        moments.add(queries.summary(run).tally)
        run.record(settle(claimed))
        moments.add(queries.summary(run).tally)
    whole = copied(run.path, tmp_path / "whole")
    log = whole.with_name("x.run-wal").read_bytes()
    run.close()
    seen = set()
    for number, size in enumerate(range(0, len(log), 1009)):
        torn = copied(whole, tmp_path / f"{number}")
        torn.with_name("x.run-wal").write_bytes(log[:size])
        seen.add(tally(torn))
    assert seen <= moments
    assert len(seen) > 4


def test_a_log_cut_after_its_pages_went_into_the_file_is_refused_or_right(tmp_path: Path) -> None:
    """A reader keeps the log from being emptied; cut then, it would bring old pages back."""
    run = make(tmp_path / "x.run", many(3000))
    moments = set()
    with RunFile.open(run.path) as reader, reader.database.snapshot():
        next(reader.database.rows("SELECT count(*) FROM targets"))
        for _ in range(6):
            claimed = run.claim("north", limit=400)
            moments.add(queries.summary(run).tally)
            run.record(settle(claimed))
            moments.add(queries.summary(run).tally)
    run.database.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    moments.add(queries.summary(run).tally)
    whole = copied(run.path, tmp_path / "whole")
    log = whole.with_name("x.run-wal").read_bytes()
    refused = 0
    for number, size in enumerate(range(0, len(log), 8 * 1009)):
        torn = copied(whole, tmp_path / f"{number}")
        torn.with_name("x.run-wal").write_bytes(log[:size])
        try:
            assert tally(torn) in moments
        except RunFileError:
            refused += 1
    run.close()
    assert refused


def test_a_full_disk_pauses_the_run_with_the_record_intact(tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    make(path, many(5000)).close()
    limit = path.stat().st_size + 64 * 1024

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with RunFile.open(path, write=True) as run:
            while claimed := run.claim("north", limit=100):
                run.record(settle(claimed))

    def filled() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
        make(tmp_path / "y.run", many(5000))

    assert in_process(work) == 7
    before = tally(path)
    assert before.total == 5000
    assert 0 < before.applied < 5000
    assert before.in_doubt in (0, 100)
    with RunFile.open(path, write=True) as run:
        assert len(run.claim("north", limit=5000)) == before.pending
    assert in_process(filled) == 7
    with pytest.raises(RunFileError):
        RunFile.open(tmp_path / "y.run", write=True)


def test_the_message_for_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    make(tmp_path / "x.run", many(10)).close()
    run = RunFile.open(tmp_path / "x.run", write=True)
    pages = next(run.database.rows("PRAGMA page_count"))[0]
    run.database.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(RunFileError, match="is full; make room, then resume") as caught:
        run.set_state(RunState.PAUSED, Cause(CauseCode.INTERRUPTED, "x" * 100_000))
    assert "\n" not in str(caught.value)
    run.close()
