"""A run file that was changed after it was planned is not carried out.

Covered: the plan's text, with and without a check command in it; the facts beside the plan (whether
it is a dry run, whether it is an undo, servers, waves); the targets and their values; the values
that an undo puts back; every verb that opens a run. Left out: files that SQLite itself finds
damaged (tests/journal/test_journal_damage.py).
"""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller, Ended
from tests.cli.conftest import paint, pause
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool

GREEN = '[[["metadata","labels","colour"],"green"]]'


@pytest.fixture
def run_file(tool: Tool, call: Caller) -> Path:
    """A run that was planned and not yet carried out."""
    ended = call("plan", tool.write("plan.yaml", paint()), "-o", "json")
    assert ended.code == 0, ended.err
    return Path(ended.json["runFile"])


def change(run_file: Path, statement: str, *values: Any) -> None:
    with sqlite3.connect(run_file) as connection:
        changed = connection.execute(statement, values).rowcount
    connection.close()
    assert changed > 0


def fact(run_file: Path, key: str) -> Any:
    connection = sqlite3.connect(run_file)
    ((value,),) = connection.execute("SELECT value FROM meta WHERE key = ?", (key,))
    connection.close()
    return value


def replan(run_file: Path, **sections: Any) -> None:
    """Change sections of the plan in a run file, and leave its digest."""
    text = json.dumps(json.loads(fact(run_file, "plan")) | sections)
    change(run_file, "UPDATE meta SET value = ? WHERE key = 'plan'", text)


def make_unsealed(run_file: Path) -> None:
    """Make it a run file of a version that wrote no checksum."""
    change(run_file, "UPDATE meta SET value = '0.1.0' WHERE key = 'tool_version'")
    change(run_file, "DELETE FROM meta WHERE key = 'sealed'")


def refused(ended: Ended, message: str) -> None:
    assert (ended.code, ended.out) == (1, ""), ended
    assert re.fullmatch(r"fleetpatch: run file [^\n]+\n", ended.err), ended.err
    assert re.search(message, ended.err), ended.err
    assert "plan again" in ended.err


def test_a_changed_plan_is_not_carried_out_under_the_digest_of_the_reviewed_one(
    call: Caller, run_file: Path, server: SandboxServer
) -> None:
    reviewed, sent = fact(run_file, "plan_digest"), server.sent()
    replan(run_file, patch={"labels": {"colour": "green"}})

    ended = call("apply", run_file, "--digest", reviewed, "--yes")

    refused(ended, rf"its plan was changed.*sha256:[0-9a-f]{{64}}.*{reviewed}")
    assert server.sent() == sent


def test_a_check_command_that_was_put_into_a_run_file_is_not_run(
    tool: Tool, call: Caller, run_file: Path
) -> None:
    witness = tool.folder / "witness"
    check = {"command": ["touch", str(witness)]}
    replan(run_file, waves={"sizes": [1, 39], "check": check})
    # Waves as they would be in a file that was planned with them.
    put = "INSERT INTO meta VALUES ('waves', '[{\"1\": 1}, {\"1\": 40}]')"
    change(run_file, put)

    ended = call("apply", run_file, "--yes")

    refused(ended, "its plan was changed")
    assert not witness.exists()


@pytest.mark.parametrize("words", ["apply", "apply --yes", "resume", "resume --failed", "undo"])
def test_every_verb_refuses_a_changed_plan(
    call: Caller, run_file: Path, server: SandboxServer, words: str
) -> None:
    sent = server.sent()
    replan(run_file, patch={"labels": {"colour": "green"}})

    verb, *options = words.split()
    refused(call(verb, run_file, *options), "its plan was changed")
    assert server.sent() == sent


def test_status_names_a_changed_run_and_shows_the_others(
    tool: Tool, call: Caller, run_file: Path
) -> None:
    other = call("plan", tool.write("other.yaml", paint("other")), "-o", "json").json["run"]
    replan(run_file, patch={"labels": {"colour": "green"}})

    refused(call("status", run_file), "its plan was changed")
    listed = call("status")

    assert (listed.code, other in listed.out) == (0, True)
    assert f"{run_file}: its plan was changed" in listed.err


def test_a_plan_does_not_go_on_with_its_own_run_once_that_was_changed(
    call: Caller, run_file: Path, server: SandboxServer
) -> None:
    sent = server.sent()
    pause(run_file)
    replan(run_file, patch={"labels": {"colour": "green"}})

    refused(call("apply", "plan.yaml", "--yes"), "its plan was changed")
    assert server.sent() == sent


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE targets SET wanted = '{GREEN}'",
        f"UPDATE targets SET before = '{GREEN}' WHERE id = 2",
        "UPDATE targets SET uid = 'another' WHERE id = 3",
        "UPDATE targets SET namespace = 'kube-system' WHERE id = 3",
        "UPDATE targets SET resource_version = '' WHERE id = 3",
        "UPDATE resources SET plural = 'cronjobs'",
        "UPDATE clusters SET context = 'another'",
        "UPDATE clusters SET last = 7",
        "UPDATE meta SET value = 'label' WHERE key = 'plan_name'",
        "INSERT INTO meta VALUES ('waves', '[{\"1\": 40}]')",
    ],
)
def test_a_changed_target_or_fact_is_detected_by_the_seal(
    call: Caller, run_file: Path, server: SandboxServer, statement: str
) -> None:
    sent = server.sent()
    change(run_file, statement)

    refused(call("apply", run_file, "--yes"), "its targets or facts were changed")
    assert server.sent() == sent


def test_a_dry_run_does_not_become_a_real_run(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    dry = paint("dry", pace={"rate": "1/s", "burst": 1}, limits={"deadline": "1ms"})
    ended = call("apply", tool.write("plan.yaml", dry), "--dry-run", "--yes", "-o", "json")
    assert ended.code == 7, ended.err
    run_file = Path(ended.json["runFile"])
    sent = server.sent()
    change(run_file, "UPDATE meta SET value = 0 WHERE key = 'dry_run'")

    refused(call("resume", run_file), "its targets or facts were changed")
    assert server.sent() == sent


def test_a_run_does_not_become_an_undo_of_another_with_values_of_its_own(
    call: Caller, run_file: Path, server: SandboxServer
) -> None:
    sent = server.sent()
    change(run_file, "UPDATE meta SET value = 'paint-1' WHERE key = 'undo_of'")
    change(run_file, "UPDATE targets SET wanted = before")

    refused(call("apply", run_file, "--yes"), "its plan was changed")
    assert server.sent() == sent


def test_an_undo_puts_nothing_back_but_what_it_was_planned_with(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    file = tool.write("plan.yaml", paint("repaint"))
    assert call("apply", file, "--yes").code == 0
    asked = call("undo", "repaint")
    assert asked.code == 2
    (undo,) = tool.state.glob("runs/undo-repaint-*.run")
    reviewed, sent = fact(undo, "plan_digest"), server.sent()
    change(undo, "UPDATE targets SET wanted = ?", GREEN)

    refused(call("apply", undo, "--yes"), "its targets or facts were changed")

    # With a checksum that fits, the digest differs from the one that was reviewed.
    make_unsealed(undo)
    refused(call("apply", undo, "--digest", reviewed, "--yes"), "its plan was changed")
    assert server.sent() == sent
    assert call("undo", "repaint", "--yes").code == 0


def test_a_label_run_takes_its_values_from_the_plan_alone(
    call: Caller, run_file: Path, server: SandboxServer
) -> None:
    sent = server.sent()
    change(run_file, "UPDATE targets SET wanted = ?", GREEN)
    make_unsealed(run_file)

    refused(call("apply", run_file, "--yes"), "its targets hold values that do not follow")
    assert server.sent() == sent
