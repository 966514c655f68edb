"""`--metrics-file`: what a command shows of itself in a file.

Covered: the figures of the run file, how each end of a command is shown, files that cannot be
written, a missing library. Left out: Prometheus itself (tests/monitoring), the computation of
samples (tests/metrics).
"""

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import util
from typing import Any

import pytest

from fleetpatch.cli import metrics
from tests.cli.calling import Caller, Ended
from tests.cli.conftest import marking
from tests.cli.metrics.samples import figures, plans
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool


def test_the_file_has_the_figures_of_the_run_file(apply: Callable[..., Ended], tool: Tool) -> None:
    ended = apply("figures")

    assert ended.code == 0, ended.err
    file = tool.folder / "m.prom"
    shown = figures(file.read_text())
    assert plans(file.read_text()) == {"figures"}
    assert shown["targets applied"] == ended.json["outcomes"]["applied"] > 0
    assert shown["targets pending"] == shown["targets failed"] == 0
    assert shown["requests_total 200 patch"] == ended.json["requests"]["patch"]
    assert shown["patch_duration_seconds_count"] == ended.json["requests"]["patch"]
    assert shown["ended_targets applied patched"] == ended.json["outcomes"]["applied"]
    assert shown["last_exit_code"] == shown["requests_in_flight"] == shown["running apply"] == 0
    assert shown["last_cause "] == 1
    assert shown["last_start_timestamp_seconds"] < shown["last_success_timestamp_seconds"]


def test_everybody_can_read_the_file_and_nothing_is_left_beside_it(
    apply: Callable[..., Ended], tool: Tool
) -> None:
    apply("readable")

    assert stat.S_IMODE((tool.folder / "m.prom").stat().st_mode) == 0o644
    names = {path.name for path in tool.folder.iterdir()}
    assert names == {"m.prom", "readable.yaml", "state"}


def test_a_folder_has_a_file_for_each_plan(call: Caller, tool: Tool) -> None:
    folder = tool.folder / "textfiles"
    folder.mkdir()
    for name in ("one-plan", "another-plan"):
        plan = tool.write(f"{name}.yaml", marking(name))
        assert call("apply", plan, "-y", "--metrics-file", folder).code == 0

    assert sorted(path.name for path in folder.iterdir()) == [
        "fleetpatch_another-plan.prom",
        "fleetpatch_one-plan.prom",
    ]


def test_the_last_success_survives_a_command_that_is_refused(
    apply: Callable[..., Ended], call: Caller, tool: Tool
) -> None:
    apply("kept")
    before = figures((tool.folder / "m.prom").read_text())
    broken = tool.write("kept.yaml", "kind: Plan\n")

    ended = call("apply", broken, "-y", "--metrics-file", "m.prom")

    assert ended.code == 2
    text = (tool.folder / "m.prom").read_text()
    after = figures(text)
    assert plans(text) == {"kept"}
    assert (after["last_exit_code"], after["last_cause usage"]) == (2, 1)
    success = "last_success_timestamp_seconds"
    assert after[success] == before[success]


def test_a_command_that_never_gets_to_its_plan_is_named_after_the_file(
    call: Caller, tool: Tool
) -> None:
    ended = call("apply", "missing/nightly.yaml", "-y", "--metrics-file", "m.prom")

    text = (tool.folder / "m.prom").read_text()
    assert ended.code == 2
    assert plans(text) == {"nightly"}
    assert figures(text)["last_exit_code"] == 2
    assert "last_success_timestamp_seconds" not in figures(text)


def test_a_closed_window_is_shown_with_its_next_opening(
    apply: Callable[..., Ended], tool: Tool
) -> None:
    ago = datetime.now(UTC) - timedelta(hours=1)
    window = {"opens": f"{ago.minute} {ago.hour} * * *", "lasts": "1m"}
    ended = apply("waits", window=window)

    shown = figures((tool.folder / "m.prom").read_text())
    assert ended.code == 5
    assert (shown["last_exit_code"], shown["last_cause window-closed"]) == (5, 1)
    assert shown["window_open"] == shown["window_closes_timestamp_seconds"] == 0
    assert shown["window_opens_timestamp_seconds"] > shown["last_end_timestamp_seconds"]


def test_failed_targets_are_no_success(call: Caller, tool: Tool) -> None:
    document = marking("refused") | {"patch": {"merge": {"spec": {"completions": 77}}}}
    plan = tool.write("refused.yaml", document)
    ended = call("apply", plan, "-y", "-o", "json", "--metrics-file", "m.prom")

    shown = figures((tool.folder / "m.prom").read_text())
    assert ended.code == 3, ended.err
    assert (shown["last_exit_code"], shown["last_cause targets-failed"]) == (3, 1)
    assert shown["targets failed"] == ended.json["outcomes"]["failed"] > 0
    assert shown["requests_total 422 patch"] > 0
    assert "last_success_timestamp_seconds" not in shown


def test_a_dry_run_is_no_success(apply: Callable[..., Ended], tool: Tool) -> None:
    ended = apply("rehearsed", "--dry-run=server")

    shown = figures((tool.folder / "m.prom").read_text())
    assert (ended.code, shown["last_exit_code"]) == (0, 0)
    assert "last_success_timestamp_seconds" not in shown


def test_an_undo_and_a_resume_write_the_file_of_the_plan(
    apply: Callable[..., Ended], call: Caller, tool: Tool
) -> None:
    apply("back")
    file = tool.folder / "m.prom"
    success = figures(file.read_text())["last_success_timestamp_seconds"]

    assert call("resume", "back", "--metrics-file", "m.prom").code == 0
    resumed = figures(file.read_text())
    assert call("undo", "back", "-y", "--metrics-file", "m.prom").code == 0
    undone = figures(file.read_text())

    assert resumed["running resume"] == undone["running undo"] == 0
    assert resumed["last_success_timestamp_seconds"] > success
    # An undo is not a success of the plan.
    key = "last_success_timestamp_seconds"
    assert undone[key] == resumed[key]
    assert undone["targets applied"] == resumed["targets applied"]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        pytest.param("m.txt", "end in .prom", id="another suffix"),
        pytest.param("nowhere/m.prom", "No such file", id="no folder"),
        pytest.param("link.prom", "symbolic link", id="a link"),
        pytest.param("theirs.prom", "another program", id="other metrics"),
        pytest.param("text.prom", "text format", id="another format"),
        pytest.param("other.prom", "the plan other-plan", id="another plan"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_sent(
    call: Caller, tool: Tool, server: SandboxServer, place: str, says: str
) -> None:
    (tool.folder / "link.prom").symlink_to(tool.folder / "plan.yaml")
    contents = {
        "theirs.prom": 'node_time_seconds{plan="refused-place"} 1\n',
        "text.prom": "{ not metrics\n",
        "other.prom": 'fleetpatch_running{plan="other-plan"} 0\n',
    }
    for name, text in contents.items():
        tool.write(name, text)
    sent = server.sent()

    ended = call(
        "apply",
        tool.write("plan.yaml", marking("refused-place")),
        *("-y", "--metrics-file", place),
    )

    assert ended.code == 2
    assert says in ended.err
    assert "nothing was sent" in ended.err or "end in .prom" in ended.err
    assert server.sent() == sent
    assert {name: (tool.folder / name).read_text() for name in contents} == contents


def test_without_the_client_library_the_command_that_installs_it_is_named(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> Any:
        return None if name == "prometheus_client" else util.find_spec(name)

    monkeypatch.setattr(metrics, "find_spec", find_spec)

    ended = call("apply", tool.write("plan.yaml", marking("lib")), "-y", "--metrics-file", "m.prom")

    assert ended.code == 2
    assert "pip install 'fleetpatch[metrics]'" in ended.err
