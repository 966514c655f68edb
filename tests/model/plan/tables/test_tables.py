"""Tables beside a plan file: their rows, their digest in the plan's, and mistakes in the plan."""

import os
import tracemalloc
from pathlib import Path

import pytest

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.digest import canonical, digest, restore
from fleetpatch.model.plan.load import PlanFile, load_plan, parse_plan
from fleetpatch.model.plan.tables.read import read_table
from tests.model.plans import MINIMAL, problems_of_file

PLAN = MINIMAL + "tables:\n  costs: {file: costs.csv, key: team}\n"
CSV = "team,centre\netl,0400\ntrain,4712\n"


def written(folder: Path, plan: str = PLAN, **tables: str) -> Path:
    for name, content in tables.items():
        (folder / name.replace("_", ".")).write_text(content, "utf-8")
    path = folder / "plan.yaml"
    path.write_text(plan)
    return path


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.csv", b"team,centre\netl,0400\n"),
        ("a.CSV", b"\xef\xbb\xbfteam,centre\r\netl,0400\r\n"),
        ("a.csv", b'"team","centre"\r"etl","0400"\r'),
        ("a.csv", b"team,centre\n\netl,0400"),
        ("a.json", b'[{"centre": "0400", "team": "etl"}]'),
        ("a.json", b'\xef\xbb\xbf [ {"team": "etl", "centre": "0400"} ]\n'),
        ("a.yaml", b"- team: etl\n  centre: '0400'\n"),
        ("a.yml", b"---\n- {centre: '0400', team: etl}\n"),
    ],
)
def test_a_row_is_found_by_its_key(file: str, content: bytes) -> None:
    table = read_table(content, file, "team")

    assert table.row("etl") == {"team": "etl", "centre": "0400"}
    assert table.row("ETL") is None


def test_the_values_of_a_csv_file_are_text_and_those_of_json_and_yaml_have_their_types() -> None:
    csv = read_table(b'team,tier,note\netl,3,"a, ""b"""\n', "a.csv", "team")
    json = read_table(b'[{"team": "etl", "tier": 3, "note": null, "x": [1.5]}]', "a.json", "team")
    yaml = read_table(b"- {team: etl, tier: 3, note: null, x: [1.5]}\n", "a.yaml", "team")

    assert csv.row("etl") == {"team": "etl", "tier": "3", "note": 'a, "b"'}
    assert (
        json.row("etl") == yaml.row("etl") == {"team": "etl", "tier": 3, "note": None, "x": [1.5]}
    )


def test_a_table_is_read_from_the_folder_of_the_plan_file(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, costs_csv=CSV))

    assert plan.tables["costs"].row("train") == {"team": "train", "centre": "4712"}


def test_the_content_of_a_table_is_part_of_the_digest_of_the_plan(tmp_path: Path) -> None:
    first = load_plan(written(tmp_path, costs_csv=CSV))
    again = load_plan(written(tmp_path, costs_csv=CSV))
    other = load_plan(written(tmp_path, costs_csv=CSV.replace("4712", "4713")))

    assert first.digest == again.digest
    assert first.digest != other.digest


def test_the_plan_of_a_run_is_restored_without_the_table(tmp_path: Path) -> None:
    path = written(tmp_path, costs_csv=CSV)
    loaded = load_plan(path)
    text = canonical(loaded.plan)
    (tmp_path / "costs.csv").unlink()

    assert digest(restore(text)) == loaded.digest
    assert canonical(restore(text)) == text


def test_a_plan_may_name_the_digest_that_a_table_must_have(tmp_path: Path) -> None:
    free = load_plan(written(tmp_path, costs_csv=CSV))
    pin = free.plan.tables["costs"].digest
    pinned = PLAN.replace("key: team", f"key: team, digest: '{pin}'")

    assert load_plan(written(tmp_path, pinned, costs_csv=CSV)).digest == free.digest
    (problem,) = problems_of_file(written(tmp_path, pinned, costs_csv=CSV + "x,1\n"))
    assert "plan.yaml:11:" in problem
    assert "costs.csv has the digest sha256:" in problem
    assert "its content has changed" in problem


def test_a_table_without_a_plan_file_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, costs_csv=CSV)
    monkeypatch.chdir(tmp_path)

    parsed = parse_plan(PLAN, "pipe")
    assert parsed.digest == load_plan(path).digest
    assert PlanFile.of(parsed.plan).tables == parsed.tables
    (tmp_path / "costs.csv").write_text("")
    with pytest.raises(PlanError, match=r"costs\.csv:1:1: the file is empty"):
        PlanFile.of(parsed.plan)


def test_mistakes_of_the_plan_and_of_its_tables_are_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "q4"
    folder.mkdir()
    written(folder, PLAN.replace("team: ml", "team: m l"), costs_csv="team\n")
    monkeypatch.chdir(tmp_path)

    in_plan, in_table = problems_of_file("q4/plan.yaml")

    assert in_plan.startswith("q4/plan.yaml:9:18: patch.labels.team: 'm l'")
    # As the plan was named, so that an editor opens it.
    assert in_table.startswith("q4/costs.csv:1:1: the table has no row")


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("{file: none.csv, key: team}", "tables.costs.file: there is no file "),
        ("{file: costs.txt, key: team}", "must end with .csv, .json, .yaml, .yml"),
        ("{file: folder.csv, key: team}", "is not a regular file"),
        ("{file: pipe.csv, key: team}", "is not a regular file"),
        ("{file: costs.csv}", "tables.costs.key: is missing"),
        ("{key: team}", "tables.costs.file: is missing"),
        ("{file: costs.csv, key: ''}", "tables.costs.key: is empty"),
        ("{file: costs.csv, key: team, digest: abc}", "64 hexadecimal digits"),
        ("{file: costs.csv, key: team, sheet: 1}", "is not a key of a plan"),
        ("costs.csv", "tables.costs: must be a mapping"),
    ],
)
def test_a_mistake_in_the_plan_has_its_place(tmp_path: Path, table: str, what: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    plan = MINIMAL + f"tables:\n  costs: {table}\n"

    (problem,) = problems_of_file(written(tmp_path, plan, costs_csv=CSV))

    assert "plan.yaml:11:" in problem
    assert what in problem


@pytest.mark.parametrize("name", ["cost-centres", "1st", "in", "null", "a.b"])
def test_a_table_has_a_name_that_an_expression_can_use(tmp_path: Path, name: str) -> None:
    plan = PLAN.replace("costs:", f'"{name}":')

    (problem,) = problems_of_file(written(tmp_path, plan, costs_csv=CSV))

    assert "expression" in problem


def test_a_row_of_a_large_table_costs_less_than_a_kilobyte() -> None:
    rows = "".join(f"team-{i},cc-{i},owner-{i}@example.com\n" for i in range(10_000))
    content = f"team,centre,owner\n{rows}".encode()
    tracemalloc.start()
    try:
        table = read_table(content, "costs.csv", "team")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(table.rows) == 10_000
    assert peak < 10_000 * 1000
