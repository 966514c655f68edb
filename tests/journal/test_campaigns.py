"""The names of runs, and how runs and campaigns are found and chosen.

Covered: names of this and of earlier versions, their order, finding by path, name, campaign and
beginning, ambiguity, previews, dry runs, undos, files that a person has named, damaged files.
Not covered: what the commands do with what is found (tests/cli/campaigns).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetpatch.errors import UsageError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns, catalog, run_names
from fleetpatch.journal.runs.campaigns import Campaign
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import RunInfo, RunState, Usage
from tests.journal.makers import info, make, many, settle

FIRST, OTHER, LAST = (
    "relabel-20260301T0000Z-000001",
    "relabel-ml-20260302T0000Z-000003",
    "relabel-20260303T0000Z-000002",
)


def test_a_run_is_named_after_its_campaign_the_minute_and_chance() -> None:
    east = datetime(2026, 3, 1, 10, 0, 15, tzinfo=timezone(timedelta(hours=8)))
    assert run_names.compose("relabel", east, 0xABC) == "relabel-20260301T0200Z-4000bc"


def test_names_of_earlier_versions_are_read_as_well() -> None:
    old = run_names.parse("relabel-ml-20260301T020005Z-800abc")
    new = run_names.parse("relabel-ml-20260301T0200Z-4000bc")
    assert old == ("relabel-ml", ("20260301T0200", 5.5))
    assert new == ("relabel-ml", ("20260301T0200", 15.0))
    assert run_names.parse("mine") is None


@given(st.lists(st.timedeltas(timedelta(), timedelta(days=1)), min_size=2), st.data())
def test_names_sort_by_age_to_the_millisecond(after: list[timedelta], data: st.DataObject) -> None:
    aware = sorted(datetime(2026, 1, 1, tzinfo=UTC) + one for one in after)
    names = [run_names.compose("a", m, data.draw(st.integers(0, 0xFFF))) for m in aware]
    ages = [parts.planned for name in names if (parts := run_names.parse(name))]
    assert len(ages) == len(names)
    pairs = zip(aware, ages, aware[1:], ages[1:], strict=False)
    millisecond = timedelta(milliseconds=1)
    assert all(one < two for a, one, b, two in pairs if b - a >= millisecond)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of `relabel`, one of `relabel-ml`, all of them started."""
    for name in (FIRST, OTHER, LAST):
        add(tmp_path, name, RunState.PAUSED)
    return tmp_path


def add(runs: Path, name: str, state: RunState = RunState.PLANNED, **facts: object) -> Path:
    """Make the run file of a run in `state`."""
    parts = run_names.parse(name)
    plan = parts.campaign.removeprefix("undo-") if parts else "relabel"
    path = catalog.run_path(runs, name)
    with make(path, many(1), replace(info(name), **{"plan_name": plan, **facts})) as run:
        if state is not RunState.PLANNED:
            run.set_state(state)
    return path


def found(runs: Path, text: str) -> str | list[str]:
    """Return the run's name, or those of the campaign's runs."""
    one = campaigns.find(runs, text)
    return one.stem if isinstance(one, Path) else names(one.runs)


def names(entries: Iterable[RunEntry]) -> list[str]:
    return [entry.run for entry in entries]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FIRST, FIRST),
        (f"{FIRST}.run", FIRST),
        ("relabel", [LAST, FIRST]),
        ("relabel-ml", [OTHER]),
        ("relabel-m", [OTHER]),
        ("relabel-20260301", FIRST),
    ],
)
def test_a_run_or_a_campaign_is_found_by_its_name_or_its_beginning(
    runs: Path, text: str, expected: str | list[str]
) -> None:
    assert found(runs, text) == expected


def test_a_path_is_taken_as_it_is(runs: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    elsewhere.touch()
    assert campaigns.find(runs, str(elsewhere)) == elsewhere


@pytest.mark.parametrize(
    ("text", "candidates"), [("relab", "relabel, relabel-ml"), ("relabel-2026", f"{LAST}, {FIRST}")]
)
def test_a_beginning_that_fits_several_is_refused_with_the_candidates(
    runs: Path, text: str, candidates: str
) -> None:
    with pytest.raises(UsageError, match=rf"is ambiguous: {candidates}; give more of its name"):
        campaigns.find(runs, text)


@pytest.mark.parametrize("text", ["", "nothing", "../x", "*"])
def test_a_run_that_is_not_there_points_to_the_list(runs: Path, text: str) -> None:
    with pytest.raises(UsageError, match="`fleetpatch runs` lists the runs"):
        campaigns.find(runs, text)


def test_a_campaign_is_found_by_the_name_of_its_plan_where_that_is_longer(runs: Path) -> None:
    add(runs, "label-team-20260304T0000Z-000001", plan_name="label-team-0a0b0c0d")
    assert found(runs, "label-team-0a0b0c0d") == ["label-team-20260304T0000Z-000001"]


def test_a_run_file_that_a_person_has_named_belongs_to_its_campaign(runs: Path) -> None:
    make(runs / "mine.run", many(1), info("relabel-20260305T0000Z-000001")).close()
    assert found(runs, "mine") == "mine"
    assert set(found(runs, "relabel")) == {"relabel-20260305T0000Z-000001", LAST, FIRST}


def campaign(runs: Path) -> Campaign:
    return campaigns.read(runs, "relabel")


def test_previews_and_dry_runs_are_not_among_the_started_runs(runs: Path) -> None:
    add(runs, "relabel-20260304T0000Z-000001")
    add(runs, "relabel-20260305T0000Z-000001", RunState.FINISHED, dry_run=True)
    (runs / "relabel-20260306T0000Z-000001.run").write_text("oops")

    assert len(campaign(runs).runs) == 5
    assert names(campaign(runs).started) == [LAST, FIRST]


def test_without_a_started_run_a_campaign_is_its_latest_preview(tmp_path: Path) -> None:
    add(tmp_path, FIRST)
    add(tmp_path, LAST)
    assert names(campaign(tmp_path).shown) == [LAST]


def test_a_campaign_is_shown_by_its_started_runs_newest_first(runs: Path) -> None:
    add(runs, "relabel-20260304T0000Z-000001")
    assert names(campaign(runs).shown) == [LAST, FIRST]


def undo(runs: Path, name: str, state: RunState, of: str, *ends: Reason) -> None:
    """Make the run file of an undo of one target, which ends so, if it does."""
    with RunFile.open(add(runs, name, undo_of=of), write=True) as run:
        for reason in ends:
            run.record(settle(run.claim("north", limit=1), reason))
            run.count(Usage(patch=1))
        run.set_state(state)


@pytest.mark.parametrize("reason", [Reason.PATCHED, Reason.NOT_EFFECTIVE])
def test_a_run_that_was_undone_is_not_continued_but_its_unfinished_undo_is(
    runs: Path, reason: Reason
) -> None:
    undo(runs, "undo-relabel-20260304T0000Z-000001", RunState.PAUSED, LAST, reason)
    assert names(campaign(runs).unfinished) == ["undo-relabel-20260304T0000Z-000001", FIRST]


def test_a_run_stays_undone_if_the_run_file_of_its_undo_was_removed(runs: Path) -> None:
    with RunFile.open(catalog.run_path(runs, LAST), write=True) as run:
        run.note_undo("undo-relabel-20260304T0000Z-000001")
    assert names(campaign(runs).unfinished) == [FIRST]
    assert list(campaigns.complete_undo_by_run(campaign(runs).runs)) == [LAST]


@pytest.mark.parametrize("state", [RunState.PLANNED, RunState.FINISHED, RunState.PAUSED])
@pytest.mark.parametrize("ends", [(), (Reason.DRIFTED,), (Reason.FORBIDDEN,)])
def test_an_undo_that_has_put_back_nothing_has_undone_nothing(
    runs: Path, state: RunState, ends: tuple[Reason, ...]
) -> None:
    undo(runs, "undo-relabel-20260304T0000Z-000001", state, LAST, *ends)
    assert LAST in names(campaign(runs).unfinished)


def test_an_undo_that_cannot_be_read_is_one_of_the_campaign(runs: Path) -> None:
    (runs / "undo-relabel-20260304T0000Z-000001.run").write_text("oops")
    (damaged,) = campaign(runs).undos
    assert "undo-relabel-20260304T0000Z-000001.run" in damaged.problem
    assert names(campaign(runs).unfinished) == [LAST, FIRST]


def test_unfinished_runs_of_a_plan_are_those_that_were_started(runs: Path) -> None:
    add(runs, "relabel-20260304T0000Z-000001")
    add(runs, "relabel-20260305T0000Z-000001", RunState.PAUSED, dry_run=True)
    add(runs, "relabel-20260306T0000Z-000001", RunState.PAUSED, plan_digest="sha256:1")
    add(runs, "relabel-20260307T0000Z-000001", RunState.FINISHED)
    entries = campaign(runs).runs

    assert names(campaigns.unfinished(entries, "sha256:0a0b")) == [LAST, FIRST]
    assert names(campaigns.unfinished(entries, "sha256:0a0b", dry_run=True)) == [
        "relabel-20260305T0000Z-000001"
    ]


def test_a_preview_is_never_the_newest_run_of_its_plan(runs: Path) -> None:
    add(runs, "relabel-20260307T0000Z-000001", RunState.FINISHED)
    add(runs, "relabel-20260308T0000Z-000001")
    entries = campaign(runs).runs

    done = campaigns.finished(entries, "sha256:0a0b")
    assert done is not None
    assert done.run == "relabel-20260307T0000Z-000001"
    assert campaigns.under_way(entries, "relabel") is None


@pytest.mark.parametrize(
    ("undone", "name"),
    [
        (info("relabel-20260301T0000Z-000001"), "undo-relabel"),
        (info("relabel-20260301T020005Z-000001"), "undo-relabel"),
        (replace(info("undo-relabel-20260301T0000Z-000001"), undo_of=FIRST), "undo-relabel"),
        (info("undo-x-20260301T0000Z-000001"), "undo-undo-x"),
    ],
)
def test_undos_are_listed_under_the_campaign_that_they_undo(undone: RunInfo, name: str) -> None:
    assert campaigns.name_of_undo(undone) == name


def test_a_plan_whose_name_begins_like_that_of_an_undo_has_no_undo_of_another_plan(
    tmp_path: Path,
) -> None:
    run, its_undo = "undo-x-20260303T0000Z-000001", "undo-undo-x-20260304T0000Z-000001"
    undo_of_x = "undo-x-20260302T0000Z-000001"
    undo(tmp_path, undo_of_x, RunState.FINISHED, "x-20260301T0000Z-000001")
    assert names(campaigns.read(tmp_path, "undo-x").runs) == [undo_of_x]

    make(tmp_path / f"{run}.run", many(1), info(run)).close()
    undo(tmp_path, its_undo, RunState.FINISHED, run)

    found = campaigns.read(tmp_path, "undo-x")
    assert (names(found.runs), names(found.undos)) == ([run], [its_undo])
    assert names(campaigns.read(tmp_path, "x").undos) == [undo_of_x]
