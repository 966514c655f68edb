"""`resume` and `undo` as commands: what they refuse, what they print, and their exit codes.

Covered: finished and changed plans, run files that are damaged, foreign or of a newer version,
failed targets taken up again, misuse of the options, what `status` shows.
Left out: what happens to the objects (tests/e2e).
"""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.plan.digest import undo_digest
from tests.cli.calling import Caller, Ended
from tests.cli.conftest import paint
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, eventually, plan


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    """A sandbox of its own for each test, which refuses the first PATCH of some jobs."""
    refusing = [
        {"status": 422, "times": 1, "names": ["*-job-000000"]},
        {"status": 403, "times": 1, "names": ["*-job-000005"]},
    ]
    with sandbox(Tool(tmp_path), jobs=100, chaos={"rules": refusing}) as served:
        yield served


ALL = {"kinds": ["jobs.batch"], "selector": "app"}


@pytest.fixture
def run_file(tool: Tool, call: Caller) -> Path:
    """A run of twenty targets that has ended: one was rejected, another forbidden."""
    file = tool.write("plan.yaml", plan("paint", ALL, patch={"labels": {"colour": "red"}}))
    ended = call("apply", file, "--yes", "-o", "json")
    assert ended.code == 3, ended.err
    return Path(ended.json["runFile"])


def refused(ended: Ended, code: int, message: str) -> None:
    assert (ended.code, ended.out) == (code, "")
    assert re.fullmatch(r"fleetpatch: [^\n]+\n", ended.err), ended.err
    assert re.search(message, ended.err), ended.err


@pytest.mark.usefixtures("server")
def test_an_undo_whose_planning_was_interrupted_names_the_run_to_undo_again(
    call: Caller, run_file: Path
) -> None:
    run, undo = run_file.stem, "undo-paint-20260301T0000Z-000001"
    with RunFile.open(run_file) as journal:
        digest = undo_digest(run, journal.info.plan, "")
        facts = replace(journal.info, run=undo, undo_of=run, plan_digest=digest)
    RunFile.create(run_file.with_name(f"{undo}.run"), facts).close()

    again = f"its planning was interrupted; plan it again with `fleetpatch undo {run}`$"
    for words in (["apply", "--yes"], ["apply", "--dry-run=client"], ["resume"], ["undo", "--yes"]):
        refused(call(*words, undo), 1, again)


@pytest.mark.usefixtures("run_file")
def test_a_finished_run_is_left_as_it_is(call: Caller, server: SandboxServer) -> None:
    assert call("resume", "paint", "--failed").code == 0
    sent = server.sent()

    for _ in range(2):
        ended = call("resume", "paint", "-o", "json")
        assert (ended.code, ended.json["state"]) == (0, "finished")

    assert server.sent() == sent


@pytest.mark.usefixtures("run_file")
def test_failed_targets_are_reopened_all_or_those_of_a_reason(call: Caller) -> None:
    one = call("resume", "paint", "--failed", "--reason", "rejected", "-o", "json")
    assert one.code == 3
    assert one.err.startswith("Reopened 1 failed target.\n")
    assert one.json["outcomes"] == {
        "applied": 19,
        "unchanged": 0,
        "skipped": 0,
        "failed": 1,
        "pending": 0,
    }

    assert call("resume", "paint", "--failed", "-o", "json").json["outcomes"]["applied"] == 20
    none, finished = call("resume", "paint", "--failed").err.splitlines()
    assert none == "Reopened 0 failed targets: the run has none."
    assert re.fullmatch(r"Run paint-\S+ is finished; nothing was sent\.", finished)


def test_without_a_failure_of_that_reason_the_message_names_the_reason(
    call: Caller, run_file: Path
) -> None:
    ended = call("resume", "paint", "--failed", "--reason", "conflict", "--reason", "exhausted")

    none, finished = ended.err.splitlines()
    assert none.endswith("targets: the run has none with the reason conflict or exhausted.")
    assert finished.endswith(
        f"`fleetpatch resume {run_file.stem} --failed` retries the failed targets."
    )


def test_a_filter_that_no_target_passes_is_answered_with_a_sentence(
    call: Caller, run_file: Path
) -> None:
    for words in (("--outcome", "skipped"), ("--reason", "gone"), ("--outcome", "in-doubt")):
        ended = call("targets", run_file, *words)
        assert (ended.code, ended.out) == (0, "The run has no such targets.\n")
        assert not call("targets", run_file, *words, "-o", "jsonl").out


def test_a_finished_run_is_reported_as_such(call: Caller, run_file: Path) -> None:
    for words in (("resume", "paint"), ("apply", run_file)):
        ended = call(*words)
        assert "is finished; nothing was sent; `fleetpatch resume" in ended.err


@pytest.mark.usefixtures("run_file")
def test_a_reason_without_failed_or_of_no_failure_is_refused(call: Caller) -> None:
    alone = call("resume", "paint", "--reason", "rejected")
    refused(alone, 2, "--reason rejected: is only for --failed; add --failed")
    for words in (("--failed", "--reason", "gone"), ("--reason", "gone")):
        refused(call("resume", "paint", *words), 2, "--reason gone: is not the reason of a failure")


def test_a_plan_that_was_changed_under_way_is_refused_with_both_digests(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    slowly = paint(pace={"rate": "1/h", "burst": 1})
    process = tool.fork("apply", tool.write("plan.yaml", slowly), "--yes")
    eventually(lambda: server.sent() > 0, "a patch")
    process.terminate()
    assert end(process).code == 5
    first = call("status", "paint", "-o", "json").json["plan"]["digest"]
    slowly["patch"] = {"labels": {"colour": "green"}}
    tool.write("plan.yaml", slowly)
    sent = server.sent()

    ended = call("apply", "plan.yaml", "--yes")

    refused(ended, 2, rf"the plan was changed .*{first}.*fleetpatch resume paint-")
    assert ended.err.endswith("or use --new to start another run beside it\n")
    assert len(set(re.findall(r"sha256:[0-9a-f]{64}", ended.err))) == 2
    assert server.sent() == sent


def test_files_that_are_not_run_files_are_reported_in_one_line(
    call: Caller, tool: Tool, run_file: Path
) -> None:
    damaged, newer = tool.folder / "damaged.run", tool.folder / "newer.run"
    foreign = tool.folder / "foreign.run"
    damaged.write_bytes(run_file.read_bytes()[:9000])
    newer.write_bytes(run_file.read_bytes())
    for path, statement in ((newer, "PRAGMA user_version = 99"), (foreign, "CREATE TABLE t (x)")):
        other = sqlite3.connect(path)
        other.execute(statement)
        other.commit()
        other.close()

    for verb in ("resume", "undo", "status", "targets"):
        refused(call(verb, damaged), 1, "is damaged")
        refused(call(verb, newer), 1, "has format 99, .*; upgrade fleetpatch")
        refused(call(verb, foreign), 1, "another program's SQLite database")
        refused(call(verb, tool.folder / "plan.yaml"), 2, "is not a run file")


@pytest.mark.usefixtures("run_file")
def test_undo_asks_and_without_a_terminal_keeps_the_plan(
    call: Caller, server: SandboxServer
) -> None:
    sent = server.sent()

    ended = call("undo", "paint")

    assert ended.code == 2
    assert "use --yes" in ended.err
    assert server.sent() == sent


def test_status_shows_both_runs_and_the_next_command(call: Caller, run_file: Path) -> None:
    undone = call("undo", "paint", "--yes", "-o", "json").json["run"]

    listed = call("status").out
    assert run_file.stem in listed
    assert undone in listed
    shown = call("status", run_file.stem).out
    assert "is finished: 20 targets, 2 failed." in shown
    assert f"Undone:   by {undone}" in shown
    assert f"fleetpatch targets {run_file.stem} --outcome failed" in shown
