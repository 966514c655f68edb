"""`runs` lists runs, and `forget` removes those that are over.

Covered: the order, the filters and the limit of the list, its width, a folder of a thousand runs;
what is removed, what is kept and why, runs that are being carried out, files that are no run files.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from msgspec.structs import replace

from fleetpatch.journal import flock, meta
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog, run_names
from fleetpatch.model.run import RunState
from tests.cli.calling import Caller
from tests.e2e.tool import Tool
from tests.journal.makers import info, make, many, settle

Made: TypeAlias = Callable[..., str]


@pytest.fixture
def runs(tool: Tool) -> Path:
    folder = tool.state / "runs"
    catalog.prepare(tool.state)
    return folder


@pytest.fixture
def made(runs: Path) -> Made:
    """Makes a run of a plan that was planned some days ago; its targets are applied if it began."""

    def make_one(
        plan: str,
        days: int,
        state: RunState = RunState.FINISHED,
        undo_of: str = "",
        applied: int = 2,
    ) -> str:
        moment = datetime.now(UTC) - timedelta(days=days)
        campaign = f"undo-{plan}" if undo_of else plan
        name = run_names.compose(campaign, moment, 0)
        facts = replace(info(name), plan_name=plan, undo_of=undo_of)
        with make(catalog.run_path(runs, name), many(2), facts) as run:
            if state is not RunState.PLANNED:
                run.record(settle(run.claim("north", limit=applied)))
                run.set_state(state)
        catalog.log_path(catalog.run_path(runs, name)).touch()
        return name

    return make_one


def listed(call: Caller, *words: str) -> list[str]:
    ended = call("runs", "-o", "json", *words)
    assert ended.code == 0, ended.err
    return [run["run"] for run in ended.json]


def test_runs_are_listed_newest_first_and_filtered(call: Caller, made: Made) -> None:
    old, paused = made("paint", 30), made("paint", 20, RunState.PAUSED)
    other, preview = made("polish", 10), made("paint", 1, RunState.PLANNED)

    assert listed(call) == [preview, other, paused, old]
    assert listed(call, "--limit", "2") == [preview, other]
    assert listed(call, "--limit", "0") == [preview, other, paused, old]
    assert listed(call, "--plan", "paint") == [preview, paused, old]
    assert listed(call, "--plan", "paint", "--plan", "polish", "--limit", "2") == [preview, other]
    assert listed(call, "--state", "paused", "--state", "planned") == [preview, paused]
    assert listed(call, "--since", "15d") == [preview, other]
    date = f"{datetime.now(UTC) - timedelta(days=21):%Y-%m-%d}"
    assert listed(call, "--since", date) == [preview, other, paused]


def test_an_undo_is_listed_with_the_plan_that_it_undoes(call: Caller, made: Made) -> None:
    run = made("paint", 2)
    undo = made("paint", 1, undo_of=run)

    assert listed(call, "--plan", "paint") == [undo, run]

    other = made("undo-paint", 0)
    assert listed(call, "--plan", "paint") == [undo, run]
    assert listed(call, "--plan", "undo-paint") == [other, undo]


def test_a_run_whose_file_does_not_name_its_undo_is_listed_as_undone(
    call: Caller, made: Made
) -> None:
    run = made("paint", 2)
    undo = made("paint", 1, undo_of=run)

    undone = {one["run"]: one["undoneBy"] for one in call("runs", "-o", "json").json}

    assert undone == {run: undo, undo: None}


def test_the_list_says_where_there_is_nothing_and_where_there_is_more(
    call: Caller, made: Made
) -> None:
    assert call("runs").out.startswith("There are no runs in ")
    made("paint", 2), made("paint", 1)

    shown = call("runs", "--limit", "1")

    assert shown.err == "There are more runs; --limit 0 lists all.\n"
    assert len(shown.out.splitlines()) == 2
    assert call("runs", "--plan", "other").out.startswith("There are no such runs in ")


@pytest.mark.parametrize("since", ["yesterday", "", "12", "2026-13-01"])
def test_a_moment_that_cannot_be_read_is_refused(call: Caller, since: str) -> None:
    ended = call("runs", "--since", since)
    assert ended.code == 2
    assert "--since" in ended.err


def test_a_damaged_file_is_named_beside_the_list(call: Caller, made: Made, runs: Path) -> None:
    run = made("paint", 2)
    (runs / "odd.run").write_text("oops")

    ended = call("runs")

    assert run in ended.out
    assert f"{runs / 'odd.run'}: is not a run file" in ended.err


def test_only_the_listed_run_files_are_opened(
    call: Caller, made: Made, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = catalog.run_path(runs, made("paint", 2))
    for hours in range(1000):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        catalog.run_path(runs, run_names.compose("old", moment, 0)).hardlink_to(one)
    opened: list[Path] = []
    real = RunFile.open

    def noted(path: Path, **how: bool) -> RunFile:
        opened.append(path)
        return real(path, **how)  # type: ignore[arg-type] # all its options are flags but a clock

    monkeypatch.setattr(RunFile, "open", noted)

    assert len(listed(call)) == 20
    assert len(opened) <= 21
    opened.clear()
    assert len(listed(call, "--plan", "paint")) == 1
    assert len(opened) == 1


def gone(runs: Path, name: str) -> bool:
    return not any(path.name.startswith(name) for path in runs.iterdir())


def test_a_run_file_is_removed_with_its_log(call: Caller, made: Made, runs: Path) -> None:
    preview = made("paint", 1, RunState.PLANNED)

    ended = call("forget", preview)

    assert (ended.code, ended.out, ended.err) == (0, f"Removed 1 run.\n  {preview}\n", "")
    assert gone(runs, preview)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (RunState.PAUSED, "it is unfinished"),
        (RunState.RUNNING, "it is unfinished"),
        (RunState.FINISHED, "it is not undone"),
    ],
)
def test_a_run_that_is_still_needed_is_kept_unless_forced(
    call: Caller, made: Made, runs: Path, state: RunState, why: str
) -> None:
    run, preview = made("paint", 2, state), made("paint", 1, RunState.PLANNED)

    ended = call("forget", preview, run)

    assert ended.code == 2
    assert ended.err == (
        f"fleetpatch: {run}: {why}; nothing was removed; --force removes it all the same\n"
    )
    assert not gone(runs, preview)
    assert call("forget", run, "--force").code == 0
    assert gone(runs, run)


def test_what_a_killed_process_has_left_of_a_new_run_file_is_removed_after_an_hour(
    call: Caller, made: Made, runs: Path
) -> None:
    left, young, other = (
        runs / f".paint.run.0123abc{name}" for name in ("d.new-journal", "e.new", "f.newer")
    )
    for path, minutes in ((left, 61), (young, 59), (other, 61)):
        path.touch()
        moment = time.time() - minutes * 60
        os.utime(path, (moment, moment))

    assert call("forget", made("paint", 2, RunState.PLANNED)).code == 0

    assert [path.exists() for path in (left, young, other)] == [False, True, True]


def test_a_run_that_changed_nothing_may_go(call: Caller, made: Made, runs: Path) -> None:
    run = made("paint", 2, applied=0)
    assert call("forget", run).code == 0
    assert gone(runs, run)


def test_an_undo_is_kept_as_long_as_the_run_that_it_has_undone(
    call: Caller, made: Made, runs: Path
) -> None:
    run = made("paint", 2)
    undo = made("paint", 1, undo_of=run)

    alone = call("forget", undo)
    assert alone.code == 2
    assert f"{undo}: it has undone {run}, which is kept" in alone.err
    assert call("forget", "paint").out == f"Removed 2 runs.\n  {run}\n  {undo}\n"
    assert gone(runs, run)
    assert gone(runs, undo)


def test_the_name_of_a_plan_may_begin_like_that_of_an_undo(
    call: Caller, made: Made, runs: Path
) -> None:
    run = made("undo-paint", 2)
    made("undo-paint", 1, undo_of=run)

    assert call("forget", run).code == 0
    assert gone(runs, run)


def test_of_a_plan_what_is_over_goes_and_what_is_needed_stays(
    call: Caller, made: Made, runs: Path
) -> None:
    undone = made("paint", 9)
    made("paint", 8, undo_of=undone)
    needed, preview = made("paint", 7), made("paint", 6, RunState.PLANNED)
    other = made("polish", 9, RunState.PLANNED)

    ended = call("forget", "paint")

    assert (ended.code, ended.out.splitlines()[0]) == (0, "Removed 3 runs.")
    assert ended.err == f"Kept {needed}: it is not undone (--force removes it).\n"
    assert gone(runs, preview)
    assert not gone(runs, other)


def test_the_newest_and_the_young_ones_may_be_kept(call: Caller, made: Made) -> None:
    previews = [made("paint", days, RunState.PLANNED) for days in (1, 2, 3, 100, 101)]

    assert call("forget", "paint", "--keep", "4").out.splitlines()[1:] == [f"  {previews[4]}"]
    assert call("forget", "paint", "--older-than", "90d").out.splitlines()[1:] == [
        f"  {previews[3]}"
    ]
    assert listed(call) == previews[:3]
    assert call("forget", "paint", "--older-than", "soon").code == 2


def test_a_run_that_is_being_carried_out_is_never_removed(
    call: Caller, made: Made, runs: Path
) -> None:
    run, preview = made("paint", 2, RunState.RUNNING), made("paint", 1, RunState.PLANNED)
    with flock.hold(flock.beside(catalog.run_path(runs, run)), "the run"):
        assert call("forget", "paint", "--force").code == 6
    assert listed(call) == [preview, run]


@pytest.mark.parametrize("name", ["the run", "paint"])
def test_a_run_that_is_being_undone_is_never_removed(
    call: Caller, made: Made, runs: Path, name: str
) -> None:
    run = made("paint", 2)
    undo = made("paint", 1, RunState.RUNNING, undo_of=run)
    with flock.hold(flock.beside(catalog.run_path(runs, undo)), "the undo"):
        refused = call("forget", run if name == "the run" else name, "--force")
    assert (refused.code, f"{undo}.run: process" in refused.err) == (6, True), refused.err
    assert listed(call) == [undo, run]

    assert call("forget", run, "--force").code == 0
    assert listed(call) == [undo]


@pytest.fixture
def undo_elsewhere(made: Made, runs: Path, tmp_path: Path) -> tuple[str, Path]:
    """A run, and the file of its undo in another folder; each file notes the other one."""
    run = made("paint", 2)
    of = catalog.run_path(runs, run)
    undo = catalog.run_path(runs, made("paint", 1, RunState.RUNNING, undo_of=run))
    elsewhere = tmp_path / "elsewhere" / "my.run"
    elsewhere.parent.mkdir()
    undo.rename(elsewhere)
    with RunFile.open(elsewhere, write=True) as journal, journal.database.transaction():
        meta.note_file_of_undone(journal.database, of)
    with RunFile.open(of, write=True) as journal:
        journal.note_undo(undo.stem, in_part=True, run_file=elsewhere)
    return run, elsewhere


def test_a_run_that_is_being_undone_from_another_folder_is_never_removed(
    call: Caller, undo_elsewhere: tuple[str, Path]
) -> None:
    run, undo = undo_elsewhere

    with flock.hold(flock.beside(undo), "the undo"):
        refused = call("forget", run, "--force")

    assert (refused.code, f"{undo}: process" in refused.err) == (6, True), refused.err
    assert listed(call) == [run]


def test_an_undo_in_another_folder_is_kept_as_long_as_its_run(
    call: Caller, undo_elsewhere: tuple[str, Path]
) -> None:
    run, undo = undo_elsewhere
    with RunFile.open(undo, write=True) as journal:
        journal.set_state(RunState.FINISHED)

    kept = call("forget", str(undo))

    assert (kept.code, f"it has undone {run}, which is kept" in kept.err) == (2, True), kept.err
    assert undo.exists()


def test_a_run_whose_undo_has_begun_since_it_was_looked_at_is_not_removed(
    call: Caller, made: Made, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made("paint", 2)
    path, hold = catalog.run_path(runs, run), flock.hold

    @contextmanager
    def hold_after_a_note(lock_file: Path, what: str) -> Iterator[None]:
        with RunFile.open(path, write=True) as session:
            session.note_undo("undo-paint", in_part=True, run_file=None)
        with hold(lock_file, what):
            yield

    monkeypatch.setattr(flock, "hold", hold_after_a_note)

    assert call("forget", run, "--force").code == 6
    assert listed(call) == [run]


def test_a_run_that_was_carried_out_since_it_was_looked_at_is_not_removed(
    call: Caller, made: Made, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = made("paint", 2, RunState.PLANNED), made("paint", 1, RunState.PLANNED)
    path, hold = catalog.run_path(runs, run), flock.hold

    @contextmanager
    def hold_after_a_session(lock_file: Path, what: str) -> Iterator[None]:
        if lock_file == flock.beside(path):
            with RunFile.open(path, write=True) as session:
                session.record(settle(session.claim("north", limit=2)))
                session.set_state(RunState.FINISHED)
        with hold(lock_file, what):
            yield

    monkeypatch.setattr(flock, "hold", hold_after_a_session)

    ended = call("forget", "paint")

    assert ended.code == 6
    assert "was in use a moment ago; nothing was removed" in ended.err
    assert listed(call) == [other, run]


def test_a_file_that_is_not_a_run_file_is_never_removed(call: Caller, tool: Tool) -> None:
    precious = tool.write("precious.yaml", "text")

    ended = call("forget", precious, "--force")

    assert ended.code == 2
    assert "is not a run file" in ended.err
    assert precious.exists()
