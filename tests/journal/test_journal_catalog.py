"""The paths of run files, and how runs are found.

Covered: the state folder, names, the log's place, finding by path, id, plan and start, ambiguity,
listing with a damaged file among them, unfinished runs of a plan.
Not covered: the lock beside a run file.
"""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.errors import UsageError
from fleetpatch.journal import catalog
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.run import RunState
from tests.journal.makers import info, make, many

HOME = Path("/home/ann")


@pytest.mark.parametrize(
    ("option", "environ", "expected"),
    [
        (Path("/o"), {"FLEETPATCH_STATE_DIR": "/f", "XDG_STATE_HOME": "/x"}, "/o"),
        (None, {"FLEETPATCH_STATE_DIR": "/f", "XDG_STATE_HOME": "/x"}, "/f"),
        (None, {"FLEETPATCH_STATE_DIR": "", "XDG_STATE_HOME": "/x"}, "/x/fleetpatch"),
        (None, {"XDG_STATE_HOME": "relative"}, "/home/ann/.local/state/fleetpatch"),
        (None, {}, "/home/ann/.local/state/fleetpatch"),
    ],
)
def test_the_state_folder_follows_option_variable_and_xdg(
    option: Path | None, environ: dict[str, str], expected: str
) -> None:
    assert catalog.state_dir(option, environ, HOME) == Path(expected)


def test_a_run_is_named_after_plan_time_and_chance() -> None:
    east = datetime(2026, 3, 1, 10, 0, 5, tzinfo=timezone(timedelta(hours=8)))
    assert catalog.run_id("relabel", east, 0xABC) == "relabel-20260301T020005Z-000abc"
    assert catalog.run_path(Path("/s/runs"), "r-1") == Path("/s/runs/r-1.run")


def test_runs_that_are_planned_within_one_second_are_listed_newest_first(tmp_path: Path) -> None:
    second = datetime(2026, 3, 1, tzinfo=UTC)
    moments = [second + timedelta(milliseconds=part) for part in (0, 1, 250, 999)]
    made = [catalog.run_id("relabel", at, 0xFFF - n) for n, at in enumerate(moments)]
    for run in made:
        catalog.run_path(tmp_path, run).touch()

    assert [path.stem for path in catalog.run_files(tmp_path)] == made[::-1]


def test_the_log_lies_beside_the_run_file() -> None:
    assert catalog.log_path(Path("/s/a.run")) == Path("/s/a.jsonl")
    assert catalog.log_path(Path("/s/a.b")) == Path("/s/a.b.jsonl")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs of `relabel`, one of `relabel-ml`, one file of a person's own naming."""
    for plan, day, salt in [("relabel", 1, 1), ("relabel", 3, 2), ("relabel-ml", 2, 3)]:
        moment = datetime(2026, 3, day, tzinfo=UTC)
        run = catalog.run_id(plan, moment, salt)
        make(catalog.run_path(tmp_path, run), many(1), replace(info(run), plan_name=plan)).close()
    return tmp_path


def test_runs_are_listed_newest_first(runs: Path) -> None:
    assert [path.stem for path in catalog.run_files(runs)] == [
        "relabel-20260303T000000Z-000002",
        "relabel-ml-20260302T000000Z-000003",
        "relabel-20260301T000000Z-000001",
    ]


def test_a_file_of_ones_own_naming_is_listed_by_its_age(runs: Path) -> None:
    make(runs / "mine.run", many(1)).close()
    assert catalog.run_files(runs)[0].stem == "mine"


def test_without_a_folder_there_are_no_runs(tmp_path: Path) -> None:
    assert catalog.run_files(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("relabel-20260301T000000Z-000001", "relabel-20260301T000000Z-000001"),
        ("relabel-20260301T000000Z-000001.run", "relabel-20260301T000000Z-000001"),
        ("relabel", "relabel-20260303T000000Z-000002"),
        ("relabel-ml", "relabel-ml-20260302T000000Z-000003"),
        ("relabel-m", "relabel-ml-20260302T000000Z-000003"),
        ("relabel-20260301", "relabel-20260301T000000Z-000001"),
    ],
)
def test_a_run_is_found_by_id_plan_or_start(runs: Path, text: str, found: str) -> None:
    assert catalog.find(runs, text).stem == found


def test_a_path_is_taken_as_it_is(runs: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    elsewhere.touch()
    assert catalog.find(runs, str(elsewhere)) == elsewhere


def test_a_start_of_several_names_them(runs: Path) -> None:
    with pytest.raises(
        UsageError, match=r"is ambiguous: relabel-20260303.*; give more of its name"
    ):
        catalog.find(runs, "relab")


@pytest.mark.parametrize("text", ["", "nothing", "../x", "*"])
def test_a_run_that_is_not_there_points_to_the_list(runs: Path, text: str) -> None:
    with pytest.raises(UsageError, match="`fleetpatch status` lists the runs"):
        catalog.find(runs, text)


def test_a_damaged_file_is_listed_with_its_problem(runs: Path) -> None:
    (runs / "relabel-20260304T000000Z-000004.run").write_text("oops")
    damaged, *others = catalog.listing(runs)
    assert damaged.run == "relabel-20260304T000000Z-000004"
    assert "is not a run file" in damaged.problem
    assert [entry.state for entry in others] == [RunState.PLANNED] * 3


def test_unfinished_runs_are_those_of_the_same_plan_that_can_be_resumed(runs: Path) -> None:
    (runs / "broken.run").write_text("oops")
    with RunFile.open(catalog.find(runs, "relabel"), write=True) as run:
        run.set_state(RunState.FINISHED)
    RunFile.create(runs / "cut.run", info()).close()
    make(runs / "dry.run", many(1), info("dry", dry_run=True)).close()
    make(runs / "edited.run", many(1), replace(info("edited"), plan_digest="sha256:1")).close()
    entries = list(catalog.listing(runs))

    assert [entry.run for entry in catalog.unfinished(entries, "sha256:0a0b")] == [
        "relabel-ml-20260302T000000Z-000003",
        "relabel-20260301T000000Z-000001",
    ]
    assert [e.run for e in catalog.unfinished(entries, "sha256:0a0b", dry_run=True)] == ["dry"]
