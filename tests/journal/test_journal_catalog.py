"""The paths of run files, and the list of runs.

Covered: the state folder, the log's place, the order of the list, a damaged file among them.
Not covered: the names of runs and how they are found (test_campaigns.py), the lock beside a file.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.journal.runs import catalog, folders, run_names
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
    assert folders.state_dir(option, environ, HOME) == Path(expected)


def test_a_runs_place_follows_from_its_name() -> None:
    assert catalog.run_path(Path("/s/runs"), "r-1") == Path("/s/runs/r-1.run")


def test_the_log_lies_beside_the_run_file() -> None:
    assert catalog.log_path(Path("/s/a.run")) == Path("/s/a.jsonl")
    assert catalog.log_path(Path("/s/a.b")) == Path("/s/a.b.jsonl")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs of `relabel`, one of `relabel-ml`, one file of a person's own naming."""
    for plan, day, salt in [("relabel", 1, 1), ("relabel", 3, 2), ("relabel-ml", 2, 3)]:
        moment = datetime(2026, 3, day, tzinfo=UTC)
        run = run_names.compose(plan, moment, salt)
        make(catalog.run_path(tmp_path, run), many(1), replace(info(run), plan_name=plan)).close()
    return tmp_path


def test_runs_are_listed_newest_first(runs: Path) -> None:
    assert [path.stem for path in catalog.run_files(runs)] == [
        "relabel-20260303T0000Z-000002",
        "relabel-ml-20260302T0000Z-000003",
        "relabel-20260301T0000Z-000001",
    ]


def test_a_file_of_ones_own_naming_is_listed_by_its_age(runs: Path) -> None:
    make(runs / "mine.run", many(1)).close()
    assert catalog.run_files(runs)[0].stem == "mine"


def test_without_a_folder_there_are_no_runs(tmp_path: Path) -> None:
    assert catalog.run_files(tmp_path / "none") == []


def test_a_damaged_file_is_listed_with_its_problem(runs: Path) -> None:
    (runs / "relabel-20260304T0000Z-000004.run").write_text("oops")
    damaged, *others = catalog.listing(runs)
    assert damaged.run == "relabel-20260304T0000Z-000004"
    assert "is not a run file" in damaged.problem
    assert [entry.state for entry in others] == [RunState.PLANNED] * 3


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("state/runs/relabel-20260301T0000Z-000001.run", ["relabel-20260301T0000Z-000001"]),
        (
            "other/runs/relabel-20260301T0000Z-000001.run",
            ["relabel-20260301T0000Z-000001", "--state-dir", "other"],
        ),
        ("state/relabel-20260301T0000Z-000001.run", None),
        ("state/runs/mine.run", None),
        ("state/runs/relabel-20260301T0000Z-000001.db", None),
    ],
)
def test_commands_name_a_run_by_its_name_where_it_lies_in_a_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, words: list[str] | None
) -> None:
    monkeypatch.setenv("FLEETPATCH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    expected = [str(tmp_path / word) if word == "other" else word for word in words or [path]]

    assert catalog.reference(Path(path)) == tuple(expected)
