"""What people write about a run, who made it, and how an audit log leads back to it.

Covered: `--reason`, `metadata.description` and `metadata.annotations` in plan, status, log and
JSON; the User-Agent of each request. Left out: names of users (tests/campaign/test_whoami.py).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from fleetpatch._version import __version__
from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.spies import spying
from tests.e2e.tool import Tool

NOTES = {"ticket": "OPS-4711", "who asked": "the ML team"}
METADATA = {"description": "Move to the new cost centres.", "annotations": NOTES}


def described(name: str) -> dict[str, Any]:
    """A plan with notes that sets a label of its own."""
    document = marking(name)
    return document | {"metadata": document["metadata"] | METADATA}


def log_of(run_file: str) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in Path(run_file).with_suffix(".jsonl").read_text().splitlines()
    ]


def test_reason_description_and_annotations_are_kept_in_the_run_and_shown(
    call: Caller, tool: Tool
) -> None:
    file = tool.write("plan.yaml", described("noted"))

    planned = call("plan", file, "--reason", "asked for in the review", "-o", "json").json
    shown = call("status", planned["run"], "-o", "json").json

    for document in (planned, shown):
        assert document["reason"] == "asked for in the review"
        assert document["description"] == METADATA["description"]
        assert document["annotations"] == NOTES
    for text in (call("plan", file).out, call("status", planned["run"]).out):
        assert "Move to the new cost centres." in text
        assert "ticket: OPS-4711" in text
    assert "asked for in the review" in call("status", planned["run"]).out


def test_the_log_of_a_run_has_its_reason_and_its_annotations(call: Caller, tool: Tool) -> None:
    file = tool.write("plan.yaml", described("logged"))

    ended = call("apply", file, "--yes", "--reason", "nightly", "-o", "json").json

    lines = {line["event"]: line for line in log_of(ended["runFile"])}
    for event in ("plan.expanded", "run.started"):
        assert (lines[event]["reason"], lines[event]["annotations"]) == ("nightly", NOTES)


def test_a_later_call_may_say_another_reason(call: Caller, tool: Tool) -> None:
    assert call("plan", tool.write("plan.yaml", described("later")), "--reason", "a look").code == 0

    ended = call("apply", "later", "--yes", "--reason", "approved", "-o", "json").json

    assert ended["reason"] == "approved"


def test_without_a_reason_the_former_one_stays(call: Caller, tool: Tool) -> None:
    assert call("plan", tool.write("plan.yaml", marking("stays")), "--reason", "approved").code == 0

    assert call("apply", "stays", "--yes", "-o", "json").json["reason"] == "approved"


def test_an_undo_has_a_reason_of_its_own_and_the_notes_of_its_plan(
    call: Caller, tool: Tool
) -> None:
    assert call("apply", tool.write("plan.yaml", described("wrong")), "--yes").code == 0

    undone = call("undo", "wrong", "--yes", "--reason", "wrong centre", "-o", "json").json

    assert (undone["reason"], undone["annotations"]) == ("wrong centre", NOTES)


def test_a_label_command_takes_a_reason(call: Caller) -> None:
    words = ("label", "jobs.batch", "seen=yes", "-A", "-l", "app=etl", "--yes", "-o", "json")

    assert call(*words, "--reason", "a test").json["reason"] == "a test"


@pytest.mark.parametrize("value", [4711, None, ["a"]])
def test_an_annotation_that_is_no_text_is_named_with_its_place(
    call: Caller, tool: Tool, value: object
) -> None:
    document = marking("typed")
    document["metadata"]["annotations"] = {"ticket": value}

    ended = call("validate", tool.write("plan.yaml", document))

    assert ended.code == 2
    assert "metadata.annotations.ticket" in ended.err + ended.out


def test_each_request_names_version_and_run(
    call: Caller, tool: Tool, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tool.kubeconfig is not None
    with spying(server) as spy:
        config = tool.kubeconfig.read_text().replace(server.server, spy.server)
        spied = tool.folder / "spied.kubeconfig"
        spied.write_text(config)
        monkeypatch.setenv("KUBECONFIG", str(spied))
        file = tool.write("plan.yaml", described("audited"))
        run = call("apply", file, "--yes", "-o", "json").json["run"]
        assert spy.agents == {f"fleetpatch/{__version__} (run {run})"}

        undo = call("undo", run, "--yes", "-o", "json").json["run"]
        assert spy.agents == {f"fleetpatch/{__version__} (run {one})" for one in (run, undo)}
