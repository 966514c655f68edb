"""Exit codes and cause codes of commands, on a sandbox.

Covered: errors from before there is a run, in JSON and in the log; a pause as planned and one by
trouble, in JSON, log, run file and text. Left out: which cause has which code
(tests/rules/running/test_run_state.py), causes that take time (tests/e2e).
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import FleetpatchError
from fleetpatch.model.cause import CauseCode
from tests.cli.calling import Caller, Ended
from tests.cli.conftest import marking
from tests.control_plane.processes import free_ports
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool

REFUSED = "credentials-refused"
SHORT = {"pace": {"rate": "1/s", "burst": 1}, "limits": {"deadline": "1ms"}}
"""A run that pauses after its first patch at the latest."""


def closed_now() -> dict[str, Any]:
    opened = datetime.now(UTC) - timedelta(hours=1)
    return {"opens": f"{opened.minute} {opened.hour} * * *", "lasts": "1m"}


def log_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def refused(ended: Ended, exit_code: int, cause_code: str) -> None:
    assert (ended.code, ended.json["exitCode"]) == (exit_code, exit_code), ended.err
    assert ended.json["causeCode"] == cause_code
    assert ended.json["cause"] in ended.err


def kubeconfig(tool: Tool, *, server: str = "", user: dict[str, str] | None = None) -> str:
    """Write a kubeconfig like that of the sandbox with another server or user."""
    assert tool.kubeconfig is not None
    config = json.loads(tool.kubeconfig.read_text())
    if server:
        config["clusters"][0]["cluster"]["server"] = server
    if user is not None:
        config["users"][0]["user"] = user
    file = tool.folder / "other.kubeconfig"
    file.write_text(json.dumps(config))
    return str(file)


def kinds_of_errors(root: type[FleetpatchError]) -> list[type[FleetpatchError]]:
    return [root, *(kind for one in root.__subclasses__() for kind in kinds_of_errors(one))]


@pytest.mark.parametrize("kind", kinds_of_errors(FleetpatchError))
def test_each_kind_of_error_has_a_cause_code_of_the_closed_set(
    kind: type[FleetpatchError],
) -> None:
    assert kind.cause_code in set(CauseCode)


def test_outside_of_the_window_a_nightly_apply_ends_with_5_and_one_line_in_its_log(
    call: Caller, tool: Tool, tmp_path: Path
) -> None:
    file, log = (
        tool.write("plan.yaml", marking("closed", window=closed_now())),
        tmp_path / "nightly.jsonl",
    )

    ended = call("apply", file, "--yes", "-o", "json", "--log-file", log)

    refused(ended, 5, "window-closed")
    (line,) = log_lines(log)
    assert (line["event"], line["cause_code"], line["exit_code"]) == (
        "apply.refused",
        "window-closed",
        5,
    )


@pytest.mark.parametrize("name", ["moved.yaml", "no-such-run"])
def test_a_nightly_apply_of_something_that_is_not_there_has_one_line_in_its_log(
    call: Caller, tmp_path: Path, name: str
) -> None:
    log = tmp_path / "nightly.jsonl"

    ended = call("apply", name, "--yes", "--log-file", log)

    assert ended.code == 2
    (line,) = log_lines(log)
    assert (line["event"], line["plan"], line["cause_code"], line["exit_code"]) == (
        "apply.refused",
        name,
        "usage",
        2,
    )


def test_a_guard_ends_with_2(call: Caller, tool: Tool) -> None:
    file = tool.write("plan.yaml", marking("guarded", guards={"maxTargets": 1}))

    refused(call("apply", file, "--yes", "-o", "json"), 2, "guard-refused")


def test_a_plan_that_is_not_valid_ends_with_2(call: Caller, tool: Tool) -> None:
    file = tool.write("plan.yaml", marking("fast", speed="fast"))

    refused(call("plan", file, "-o", "json"), 2, "usage")


def test_before_there_is_a_run_a_cluster_that_cannot_be_reached_ends_with_1(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tool, server=f"http://127.0.0.1:{port}"))
    file = tool.write("plan.yaml", marking("plain"))

    refused(call("apply", file, "--yes", "-o", "json"), 1, "unreachable")
    assert not list(tool.state.rglob("*.run"))


def test_before_there_is_a_run_refused_credentials_end_with_1(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tool, user={"token": "wrong"}))

    refused(
        call("apply", tool.write("p.yaml", marking("plain")), "--yes", "-o", "json"), 1, REFUSED
    )


def test_a_run_whose_credentials_are_refused_is_paused_by_trouble(
    call: Caller, tool: Tool, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("plan", tool.write("plan.yaml", marking("tokens"))).code == 0
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tool, user={"tokenFile": "/not/there"}))
    sent = server.sent()

    ended = call("apply", "tokens", "--yes", "-o", "json")

    assert (ended.code, ended.json["state"]) == (7, "paused"), ended.err
    assert ended.json["causeCode"] == REFUSED
    assert server.sent() == sent


def test_a_cause_is_in_json_and_log_and_status_and_text_with_its_code(
    call: Caller, tool: Tool
) -> None:
    ended = call("apply", tool.write("plan.yaml", marking("slow", **SHORT)), "--yes", "-o", "json")
    run_file = Path(ended.json["runFile"])

    assert (ended.code, ended.json["causeCode"]) == (7, "deadline-passed")
    assert call("status", run_file, "-o", "json").json["causeCode"] == "deadline-passed"
    assert log_lines(run_file.with_suffix(".jsonl"))[-1]["causeCode"] == "deadline-passed"
    assert "has passed (deadline-passed)\n" in call("status", run_file).out


def test_a_finished_run_has_no_cause(call: Caller, tool: Tool) -> None:
    ended = call("apply", tool.write("plan.yaml", marking("done")), "--yes", "-o", "json")

    assert (ended.code, ended.json["cause"], ended.json["causeCode"]) == (0, "", "")


def test_a_call_that_finds_all_objects_unchanged_does_not_log_each_of_them(
    call: Caller, tool: Tool, tmp_path: Path
) -> None:
    file, log = tool.write("plan.yaml", marking("again")), tmp_path / "nightly.jsonl"
    assert call("apply", file, "--yes").code == 0

    assert call("apply", file, "--yes", "--log-file", log).code == 0

    events = [line["event"] for line in log_lines(log)]
    assert events == ["plan.expanded", "run.started", "run.finished"]


def test_a_call_with_nothing_left_to_do_ends_with_0_and_one_line_in_its_log(
    call: Caller, tool: Tool, tmp_path: Path
) -> None:
    patch = {"labels": {"nothing-left": "red"}}
    blocks = [{"kinds": ["jobs.batch"], "selector": "app=etl,!nothing-left"}]
    file = tool.write("plan.yaml", {**marking("nightly"), "targets": blocks, "patch": patch})
    log = tmp_path / "nightly.jsonl"
    assert call("apply", file, "--yes").code == 0

    again = call("apply", file, "--yes", "--log-file", log)

    assert again.code == 0, again.err
    (line,) = log_lines(log)
    assert (line["event"], line["state"]) == ("run.finished", "finished")
