"""The report as Markdown, JSON and CSV.

Covered: what is shown and escaped, the documented shape, formulas of spreadsheets. Left out: the
page (test_page.py), what the report has (tests/campaign/test_report.py).
"""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.campaign.report import report_of
from fleetpatch.campaign.target_list import TargetFilter, list_targets
from fleetpatch.report.document.as_json import json_text
from fleetpatch.report.document.contents import RunReport
from fleetpatch.report.document.markdown import markdown_lines
from fleetpatch.report.markdown import code
from fleetpatch.report.targets import target_csv_lines
from tests.report_runs import BEGAN, HOSTILE, hostile_run, made_run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    path = made_run(tmp_path_factory.mktemp("formats") / "relabel.run", 370)
    return report_of([path], "relabel", BEGAN + 9000)


def hostile(folder: Path) -> Path:
    return hostile_run(folder / "x.run")


def test_markdown_reads_so(report: RunReport) -> None:
    lines = list(markdown_lines(report))

    assert lines[0] == ("## relabel is finished: 344 of 370 objects changed, 16 skipped, 10 failed")
    assert "  - **ticket** OPS-4711" in lines
    assert "| failed | rejected | 10 | the server refused the change |" in lines
    assert '+ label cost-centre: "4711"' in lines
    group = next(line for line in lines if line.startswith("- **failed: rejected**"))
    message = 'admission webhook "…" denied the request: … needs … GPUs'
    assert group == f"- **failed: rejected**, 10 objects: `{message}`"
    assert len(lines) < 60


def outside_of_code(markdown: str) -> str:
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", markdown, flags=re.DOTALL)


def test_markdown_has_what_clusters_send_in_code_only(tmp_path: Path) -> None:
    path = made_run(
        tmp_path / "x.run",
        370,
        message=lambda number: HOSTILE[number % len(HOSTILE)],
        value="\n".join(HOSTILE[:-1]),
    )

    text = "\n".join(markdown_lines(report_of([path], "x", BEGAN)))
    outside = outside_of_code(text)
    assert "window.pwned" in text
    for markup in ("<script", "<img", "window.pwned", "evil.example", "@everyone", "\u202e"):
        assert markup not in outside
    assert len(text) < 20_000


def test_markdown_escapes_what_people_wrote_about_the_run(tmp_path: Path) -> None:
    text = "\n".join(markdown_lines(report_of([hostile(tmp_path)], "x", BEGAN)))

    unescaped = re.findall(r"(?<!\\)<[^>]*>", outside_of_code(text))
    assert set(unescaped) == {"<details open>", "<summary>", "</summary>", "</details>"}


@pytest.mark.parametrize("empty", ["", "  ", "\u202e", "\x1b[31m"])
def test_a_text_without_visible_characters_is_no_code_span(empty: str) -> None:
    assert code(empty) == ""
    assert code(f"{empty}`x`") == "`` `x` ``"


def test_json_has_the_documented_shape(report: RunReport) -> None:
    found = json.loads(json_text(report))
    documented = (ROOT / "docs/report.md").read_text(encoding="utf-8")
    section = documented.partition("## The JSON object\n")[2].partition("\n## ")[0]

    assert keys(found) - set(re.findall(r"`(\w+)`", section)) == set()
    assert found["totals"]["outcomes"] == {
        "applied": 344,
        "unchanged": 0,
        "skipped": 16,
        "failed": 10,
        "pending": 0,
    }
    assert sum(one["count"] for one in found["messages"]) == 26
    buckets = found["timeline"]["buckets"]
    assert buckets[0]["startsAt"].startswith("2026-03-01T0")
    assert buckets[0]["latencyMs"]["p50"] > 0


def keys(value: Any, depth: int = 0) -> set[str]:
    """Return the keys of the report's own objects: not those of its runs and targets."""
    own = {"byCluster", "byKind", "byNamespace", "samples", "reasons", "outcomes", "requests"}
    counted = {"ended", "answers", "reads", "retries", "limitedBySeconds"}
    found: set[str] = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found.add(key)
            if key == "runs" and depth == 0:
                found |= {"sessions", "openings", "notHolding", "commands", "runDigest"}
            elif key not in own | counted | {"runs"}:
                found |= keys(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            found |= keys(inner, depth + 1)
    return found


def test_json_of_a_hostile_cluster_is_one_object(tmp_path: Path) -> None:
    found = json.loads(json_text(report_of([hostile(tmp_path)], "x", BEGAN)))

    assert found["totals"]["targets"] == 370


def test_no_cell_of_the_csv_is_a_formula(tmp_path: Path) -> None:
    lines = target_csv_lines(list_targets([hostile(tmp_path)], TargetFilter()), inert=True)

    csv.field_size_limit(2**22)
    rows = list(csv.reader(lines))
    cells = [cell for row in rows for cell in row]
    assert len(rows) == 371
    assert {len(row) for row in rows} == {len(rows[0])}
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if re.match(r"\s*[=+\-@\t\r\uff1d]", cell)]


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\uff1d1", '"=1']
)
def test_every_beginning_of_a_formula_is_text_in_a_spreadsheet(
    tmp_path: Path, formula: str
) -> None:
    path = made_run(tmp_path / "x.run", 37, message=lambda _number: formula)

    listed = list_targets([path], TargetFilter())
    rows = list(csv.DictReader(target_csv_lines(listed, inert=True)))
    details = {row["detail"] for row in rows} - {""}
    assert [detail[0] for detail in details] == ["'"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("no;=1+1", "no;'=1+1"),
        ("no; +1;-1", "no;' +1;'-1"),
        ('no;"=1', "no;'\"=1"),
        ("a;b;\t@SUM(A1)", "a;b;' @SUM(A1)"),
    ],
)
def test_text_after_a_semicolon_is_no_formula_where_it_separates_the_cells(
    tmp_path: Path, text: str, cell: str
) -> None:
    path = made_run(tmp_path / "x.run", 37, message=lambda _number: text)

    lines = list(target_csv_lines(list_targets([path], TargetFilter()), inert=True))
    assert {row["detail"] for row in csv.DictReader(lines)} - {""} == {cell}
    cells = [part for line in lines for part in line.split(";")]
    assert not [part for part in cells if re.match(r'[\s"]*[=+\-@]', part)]
