"""Run files that another program wrote: any column, any text, anything in the folder of runs.

Whatever is there, reading ends, and it ends with values of the right types or with RunFileError.
Left out: torn and overwritten pages (test_journal_damage.py), digests and seals
(tests/cli/test_changed_run_files.py).
"""

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetpatch.campaign.view import preview, summaries
from fleetpatch.errors import FleetpatchError, RunFileError
from fleetpatch.journal import queries
from fleetpatch.journal.rows import TargetRow
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns, catalog
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.plan.digest import canonical, digest_of
from fleetpatch.model.run import RunState, Summary, as_json
from fleetpatch.model.target import Target
from fleetpatch.report.summary import summary_lines
from fleetpatch.report.targets import target_json_lines, target_lines
from tests.journal.makers import info, make, many, settle
from tests.plans import plan_from

DEEP = 10_000

PLAN: dict[str, Any] = {
    "metadata": {"name": "relabel"},
    "targets": [{"kinds": ["jobs.batch"], "selector": "app"}],
    "patch": {"labels": {"team": "red"}},
}

COLUMNS = (
    ("meta", "value"),
    ("clusters", "name server context inconsistent first last"),
    ("resources", "api_group version plural kind singular short_names namespaced"),
    (
        "targets",
        "cluster resource namespace name uid resource_version blocks before wanted",
    ),
    ("claims", "last claimed_at"),
    ("outcomes", "settled_at"),
    (
        "outcomes",
        "reason http_status attempts reads elapsed_ms resource_version detail replaced wrote",
    ),
)
CELLS = [(table, column) for table, columns in COLUMNS for column in columns.split()]

OPTIONAL = {
    "wrote": "INSERT INTO earlier_writes SELECT id, ?, '[]' FROM targets",
    "replaced": "INSERT INTO earlier_writes SELECT id, '[]', ? FROM targets",
    "computed": "INSERT INTO computed SELECT id, ? FROM targets",
}
"""Statements that give all targets a value that most have not."""

ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i AS key, i AS value FROM n"
)

ODD_VALUES = (
    "",
    "junk",
    "\x1b[31m\n\u202e",
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    '[[["a"],' + "[" * DEEP + "]" * DEEP + "]]",
    '[[["a"],' + "[" * 300 + "]" * 300 + "]]",
    "[[[],1]]",
    "[[[1],1]]",
    "[1e999]",
    b"\xff\xfe",
    b"",
    None,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    1e308,
    float("inf"),
    -0.5,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("runs") / "x.run"
    plan = canonical(plan_from(PLAN))
    planned = replace(info(), plan=plan, plan_digest=digest_of(plan))
    with make(path, many(20), planned) as run:
        run.record(settle(run.claim("north", limit=10)))
        run.claim("north", limit=5)
        run.set_state(RunState.PAUSED, Cause(CauseCode.WINDOW_CLOSED, "window closed"))
    return path


def change(path: Path, statement: str, *values: Any) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA ignore_check_constraints = ON")
    try:
        other.execute(statement, values)
        other.commit()
    except sqlite3.IntegrityError:
        pass  # NOT NULL and keys: SQLite itself keeps such a value out
    finally:
        other.close()


def look_at_all(path: Path) -> None:
    """Do all that `status`, `targets` and the preview of `apply` do."""
    with RunFile.open(path) as run:
        summary = queries.summary(run)
        as_json(summary)
        list(summary_lines(summary))
        list(target_lines(queries.targets(run)))
        list(target_json_lines(queries.targets(run)))
        list(queries.latest(run))
        queries.planned(run)
        for number in range(1, len(run.waves) + 1):
            run.wave(number)
    preview(path)


def ends_well(path: Path) -> None:
    for found in summaries(path.parent):
        assert isinstance(found, Summary) or "\n" not in found
    try:
        look_at_all(path)
    except RunFileError as error:
        assert "\n" not in str(error)  # noqa: PT017 # either end is right
        assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize("cell", CELLS, ids=".".join)
def test_any_value_in_any_column_is_read_or_refused(
    sound: Path, tmp_path: Path, cell: tuple[str, str]
) -> None:
    table, column = cell
    for value in ODD_VALUES:
        path = Path(shutil.copy(sound, tmp_path))
        change(path, f"UPDATE {table} SET {column} = ?", value)
        ends_well(path)


@pytest.mark.parametrize("value", [*ODD_VALUES, "[{}]", '[{"1": "x"}]', '[{"9": 1}]', "[5]"])
def test_any_fact_is_read_or_refused(sound: Path, tmp_path: Path, value: Any) -> None:
    with RunFile.open(sound) as run:
        keys = [key for (key,) in run.database.rows("SELECT key FROM meta")]
    assert len(keys) > 15
    for key in (*keys, "waves", "pardoned", "recorded"):
        path = Path(shutil.copy(sound, tmp_path))
        change(path, "INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)
        ends_well(path)


@pytest.mark.parametrize("column", [*dict(COLUMNS)["targets"].split(), *OPTIONAL])
def test_targets_are_refused_however_they_are_read(
    sound: Path, tmp_path: Path, column: str
) -> None:
    for value in ODD_VALUES:
        path = Path(shutil.copy(sound, tmp_path))
        change(path, OPTIONAL.get(column, f"UPDATE targets SET {column} = ?"), value)
        with RunFile.open(path, write=True, check=False) as run:
            read = [
                ids_of(lambda: run.in_doubt("north", after=0, limit=5)),
                ids_of(lambda: run.rows_in_doubt("north", after=0, limit=5)),
                ids_of(lambda: run.claim("north", limit=2)),
                ids_of(lambda: run.claim_rows("north", limit=2)),
            ]
        assert read in ([None] * 4, [[11, 12, 13, 14, 15]] * 2 + [[16, 17], [18, 19]])


def ids_of(read: Callable[[], Sequence[Target | TargetRow]]) -> list[int] | None:
    """Return the ids of what is read; None if it is refused."""
    try:
        return [one.id for one in read()]
    except RunFileError:
        return None


@given(
    st.sampled_from(CELLS),
    st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.none()),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_value_at_all_is_read_or_refused(
    sound: Path, tmp_path: Path, cell: tuple[str, str], value: Any
) -> None:
    table, column = cell
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
    path = Path(shutil.copy(sound, tmp_path))
    change(path, f"UPDATE {table} SET {column} = ?", value)
    ends_well(path)


@pytest.mark.parametrize("depth", [10, 150, 190, 250, 500, 950, DEEP])
def test_a_plan_of_any_depth_is_read_or_refused_even_if_its_digest_is_right(
    sound: Path, tmp_path: Path, depth: int
) -> None:
    body = '{"a":' * depth + "1" + "}" * depth
    label = '"labels":{"team":"red"}'
    plan = canonical(plan_from(PLAN))
    assert label in plan
    text = plan.replace(label, f'"merge":{{"spec":{body}}}')
    path = Path(shutil.copy(sound, tmp_path))
    change(path, "UPDATE meta SET value = ? WHERE key = 'plan'", text)
    change(path, "UPDATE meta SET value = ? WHERE key = 'plan_digest'", digest_of(text))

    ends_well(path)


def test_text_that_is_not_utf8_is_refused(sound: Path, tmp_path: Path) -> None:
    for table, column in CELLS:
        path = Path(shutil.copy(sound, tmp_path))
        change(path, f"UPDATE {table} SET {column} = CAST(x'ff41' AS TEXT)")
        ends_well(path)


@pytest.mark.parametrize(
    "statements",
    [
        f"ALTER TABLE meta RENAME TO facts; CREATE VIEW meta AS {ENDLESS}",
        "CREATE TRIGGER t AFTER INSERT ON outcomes BEGIN DELETE FROM targets; END",
        "CREATE VIEW another AS SELECT 1",
        "CREATE VIRTUAL TABLE v USING fts5(x)",
        "DROP TABLE reasons",
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_tables_that_are_not_plain_tables_are_refused(
    sound: Path, tmp_path: Path, statements: str, check: bool
) -> None:
    path = Path(shutil.copy(sound, tmp_path))
    other = sqlite3.connect(path)
    other.executescript(statements)
    other.close()

    with pytest.raises(RunFileError, match="is damaged"):
        RunFile.open(path, check=check)


def test_a_plan_name_that_leads_out_of_the_folder_of_locks_is_refused(
    sound: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(sound, tmp_path))
    change(path, "UPDATE meta SET value = '../../x' WHERE key = 'plan_name'")

    with pytest.raises(RunFileError, match="is damaged"):
        RunFile.open(path, check=False)


def put_odd_entries(runs: Path) -> list[str]:
    """Everything that a folder can hold, named like run files; return the names."""
    os.mkfifo(runs / "pipe.run")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(runs / "socket.run"))
    (runs / "folder.run").mkdir()
    (runs / "dangling.run").symlink_to("nowhere")
    (runs / "loop.run").symlink_to("loop.run")
    (runs / "device.run").symlink_to("/dev/zero")
    (runs / "empty.run").touch()
    (runs / "junk.run").write_bytes(os.urandom(5000))
    (runs / "two\nlines\x1b[31m.run").write_text("junk")
    (runs / os.fsdecode(b"bytes\xff.run")).write_text("junk")
    (runs / "late.run").write_text("junk")
    os.utime(runs / "late.run", (2**40, 2**40))
    other = sqlite3.connect(runs / "other.run")
    other.execute("CREATE TABLE targets (id)")
    other.commit()
    other.close()
    return sorted(path.name for path in runs.iterdir())


def test_strange_files_in_the_folder_of_runs_are_named_and_all_runs_listed(
    sound: Path, tmp_path: Path
) -> None:
    names = put_odd_entries(tmp_path)
    shutil.copy(sound, tmp_path)

    found = list(summaries(tmp_path))
    entries = list(catalog.listing(tmp_path))

    assert [one.run_file for one in found if isinstance(one, Summary)] == [str(tmp_path / "x.run")]
    problems = [one for one in found if isinstance(one, str)]
    assert len(problems) == len(names)
    assert all(one.isprintable() and one.startswith("run file ") for one in problems)
    assert sum(entry.info is not None for entry in entries) == 1
    for name in names:
        with pytest.raises(FleetpatchError):
            RunFile.open(tmp_path / name, write=True)


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_nothing_but_a_file_of_ours_is_taken_for_what_sqlite_keeps_beside_a_run_file(
    sound: Path, tmp_path: Path, suffix: str
) -> None:
    path = Path(shutil.copy(sound, tmp_path))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    beside = tmp_path / f"x.run{suffix}"
    for put in (beside.symlink_to, beside.hardlink_to, lambda _victim: os.mkfifo(beside)):
        put(victim)
        for write in (False, True):
            with pytest.raises(RunFileError, match=r"link|named pipe"):
                RunFile.open(path, write=write)
        beside.unlink()
    assert victim.read_text() == "precious"


def test_a_link_to_a_run_file_can_be_read_and_is_not_written_through(
    sound: Path, tmp_path: Path
) -> None:
    for name, put in (("soft.run", Path.symlink_to), ("hard.run", Path.hardlink_to)):
        path = tmp_path / name
        put(path, sound)
        with RunFile.open(path) as run:
            assert queries.summary(run).tally.total == 20
        with pytest.raises(RunFileError, match="link"):
            RunFile.open(path, write=True)
        path.unlink()


def test_a_link_that_a_person_names_is_followed(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(sound)

    assert campaigns.find(tmp_path, str(tmp_path / "latest")) == sound


def test_a_new_run_file_is_not_made_beside_what_another_one_left(tmp_path: Path) -> None:
    (tmp_path / "x.run-wal").write_bytes(b"old")

    with pytest.raises(RunFileError, match=r"x\.run-wal exists beside it"):
        make(tmp_path / "x.run", many(1))
    assert not (tmp_path / "x.run").exists()


def test_a_folder_of_runs_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("no folder")

    with pytest.raises(RunFileError, match=r"runs: Not a directory"):
        catalog.run_files(tmp_path / "runs")
