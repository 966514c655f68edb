"""`fleetpatch report`, of real runs on a sandbox.

Covered: the formats and where they go, a run, a campaign, several names, a preview, an undo, what
was observed over time, mistakes, a missing extra. Left out: what a report has
(tests/campaign/test_report.py), the page in a browser (tests/e2e/test_report_page.py), workers
(tests/workers/test_runs.py).
"""

import json
import stat
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.report.document import page as page_module
from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.e2e.tool import Tool

_NUMBERS = count(1)


@pytest.fixture
def shade() -> str:
    """The name of a plan, and of a label that no object has yet."""
    return f"shade-{next(_NUMBERS)}"


@pytest.fixture
def run(tool: Tool, call: Caller, shade: str) -> str:
    """A finished run of that plan."""
    ended = call("apply", tool.write("shade.yaml", marking(shade)), "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    return str(ended.json["run"])


def report(call: Caller, *words: object) -> Any:
    ended = call("report", *words, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_a_page_is_one_private_file_and_nothing_is_printed(
    tool: Tool, call: Caller, run: str
) -> None:
    ended = call("report", run, "--html", "report.html")

    file = tool.folder / "report.html"
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "Wrote report.html: open it in a browser.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_is_replaced_by_the_next_one(tool: Tool, call: Caller, run: str) -> None:
    file = tool.folder / "report.html"
    file.touch()
    assert call("report", run, "--html", "report.html").code == 0
    file.write_text(file.read_text(encoding="utf-8") + "old", encoding="utf-8")

    assert call("report", run, "--html", "report.html").code == 0
    assert not file.read_text(encoding="utf-8").endswith("old")


@pytest.mark.parametrize(
    "text", ["kind: Config\n", "<!doctype html>\n<title>fleetpatch </title>\n", "\xff"]
)
def test_a_file_that_is_no_page_of_a_report_is_kept(
    tool: Tool, call: Caller, run: str, text: str
) -> None:
    file = tool.folder / "mine"
    file.write_text(text, encoding="latin-1")

    ended = call("report", run, "--html", "mine")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "fleetpatch: --html mine exists already and is not a page of `report`; name another file\n"
    )
    assert file.read_text(encoding="latin-1") == text


def test_a_page_may_go_to_stdout(call: Caller, run: str) -> None:
    ended = call("report", run, "--html", "-")

    assert ended.out.startswith("<!doctype html>")
    assert ended.out.rstrip().endswith("</html>")


def test_without_an_option_it_is_markdown(call: Caller, shade: str, run: str) -> None:
    ended = call("report", run)

    assert ended.code == 0
    assert ended.out.startswith(f"## {shade} is finished: ")
    assert call("report", run, "--markdown").out == ended.out


def test_csv_has_a_row_for_each_target(call: Caller, run: str) -> None:
    rows = call("report", run, "--csv").out.splitlines()

    found = report(call, run)
    assert rows[0].startswith("run,cluster,kind,namespace,name,")
    assert len(rows) == 1 + found["totals"]["targets"]


def test_the_run_over_time_has_each_target_and_each_answer(call: Caller, run: str) -> None:
    found = report(call, run)
    buckets = found["timeline"]["buckets"]

    applied = sum(one["ended"].get("applied", 0) for one in buckets)
    answers = sum(sum(one["answers"].values()) for one in buckets)
    assert applied == found["totals"]["outcomes"]["applied"] > 0
    assert answers == found["totals"]["requests"]["patch"]
    (session,) = found["runs"][0]["sessions"]
    assert session["state"] == "finished"
    assert session["by"] == found["runs"][0]["createdBy"]


def test_a_campaign_is_one_report(tool: Tool, call: Caller, shade: str, run: str) -> None:
    changed = marking(shade, guards={"maxTargets": 5000})
    second = call("apply", tool.write("shade.yaml", changed), "--yes", "-o", "json").json["run"]

    found = report(call, shade)
    assert {one["run"] for one in found["runs"]} == {run, second}
    assert found["name"] == shade
    total = sum(one["targets"] for one in found["runs"])
    assert found["totals"]["targets"] == total
    assert "in 2 runs" in call("report", shade).out.splitlines()[0]
    named = report(call, run, second, run)
    assert named["totals"] == found["totals"]
    assert len(named["runs"]) == 2


def test_a_preview_has_a_report_of_what_it_would_do(tool: Tool, call: Caller) -> None:
    planned = call("plan", tool.write("hue.yaml", marking("hue")), "-o", "json").json["run"]

    found = report(call, planned)
    assert found["timeline"] is None
    assert found["runs"][0]["commands"][0]["command"].startswith("fleetpatch apply ")
    assert call("report", planned).out.startswith("## hue is planned: ")


def test_an_undo_is_shown_as_one(call: Caller, run: str) -> None:
    undo = call("undo", run, "--yes", "-o", "json").json["run"]

    assert report(call, undo)["runs"][0]["undoOf"] == run
    assert report(call, run)["runs"][0]["undoneBy"] == undo
    commands = [one["command"] for one in report(call, run)["runs"][0]["commands"]]
    assert not [command for command in commands if " undo " in command]


@pytest.mark.parametrize(
    "formats", [("--markdown", "--json"), ("--json", "--csv"), ("--html", "-", "--json")]
)
def test_stdout_takes_one_format(call: Caller, run: str, formats: tuple[str, ...]) -> None:
    ended = call("report", run, *formats)

    assert (ended.code, ended.out) == (2, "")
    assert "stdout takes one format" in ended.err


def test_the_folder_of_a_page_is_not_made(call: Caller, run: str) -> None:
    ended = call("report", run, "--html", "no-such-folder/report.html")

    assert ended.code == 2
    assert "there is no folder no-such-folder" in ended.err


def test_a_link_is_not_written_through(tool: Tool, call: Caller, run: str) -> None:
    (tool.folder / "report.html").symlink_to(tool.folder / "elsewhere")

    ended = call("report", run, "--html", "report.html")

    assert ended.code == 1
    assert "symbolic link" in ended.err
    assert not Path(tool.folder / "elsewhere").exists()


def test_a_name_that_no_run_has_is_refused(call: Caller) -> None:
    ended = call("report", "no-such-plan")

    assert ended.code == 2
    assert "no such run" in ended.err


def test_without_the_extra_only_the_page_is_refused(
    tool: Tool, call: Caller, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "_NEEDED", ("no_such_package",))

    refused = call("report", run, "--html", "report.html")

    assert (refused.code, refused.out) == (2, "")
    assert "pip install 'fleetpatch[report]'" in refused.err
    assert not (tool.folder / "report.html").exists()
    assert call("report", run).code == 0
