"""`--dry-run` with each of its values, of `label`, `apply` and a run.

Covered: what is sent and stored, what is printed, exit codes, and that it takes no argument.
Left out: kinds that a server would really patch (tests/e2e/cci).
"""

import pytest

from tests.cli.ad_hoc.batch_jobs import batch, values
from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, plan

X = {"labels": {"x": "1"}}


@pytest.mark.parametrize("option", ["--dry-run", "--dry-run=server"])
def test_a_rehearsal_asks_nothing_stores_nothing_and_says_what_would_be_patched(
    call: Caller, jobs: SandboxServer, option: str
) -> None:
    before = batch(jobs)

    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "app", option)

    assert (ended.code, "Continue?" in ended.err) == (0, False)
    assert f"{len(before)} objects would be patched" in ended.out
    assert batch(jobs) == before
    assert jobs.sent() == len(before)


def test_a_rehearsal_of_the_client_sends_no_patch_and_shows_the_plan(
    call: Caller, tool: Tool, jobs: SandboxServer
) -> None:
    file = tool.write(
        "paint.yaml", plan("p", {"kinds": ["jobs.batch"], "selector": "app"}, patch=X)
    )
    found = len(batch(jobs))

    for words in (("label", "jobs.batch", "x=1", "-A", "-l", "app"), ("apply", file)):
        ended = call(*words, "--dry-run=client")
        assert ended.code == 0, ended.err
        assert f"{found} objects would be patched (dry run: no patch was sent)." in ended.out
    assert jobs.sent() == 0


def test_a_rehearsal_of_the_client_ends_as_the_command_would(call: Caller) -> None:
    words = ("-A", "-l", "app", "--dry-run=client")

    kept = call("label", "jobs.batch", "team=red", *words)
    replaced = call("label", "jobs.batch", "team=red", *words, "--overwrite")

    assert (kept.code, replaced.code) == (3, 0)
    assert "use --overwrite to replace it" in kept.err


def test_apply_rehearses_without_a_question(call: Caller, tool: Tool, jobs: SandboxServer) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    ended = call("apply", tool.write("paint.yaml", plan("p", block, patch=X)), "--dry-run")

    assert ended.code == 0, ended.err
    assert f"{len(batch(jobs))} objects would be patched" in ended.out


def test_a_run_can_be_rehearsed_by_the_client(
    call: Caller, tool: Tool, jobs: SandboxServer
) -> None:
    file = tool.write(
        "paint.yaml", plan("p", {"kinds": ["jobs.batch"], "selector": "app"}, patch=X)
    )
    run = call("plan", file, "-o", "json").json["run"]

    words = ("apply", run, "--dry-run=client", "-o", "json")
    digest = call(*words).json["runDigest"]

    assert call(*words, "--digest", digest).json["run"] == run
    assert call(*words, "--digest", "0" * 64).code == 2
    assert jobs.sent() == 0


def test_without_a_rehearsal_the_run_is_carried_out(call: Caller, jobs: SandboxServer) -> None:
    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "app", "-y", "--dry-run=none")

    assert ended.code == 0
    assert set(values(jobs, "x").values()) == {"1"}


def test_dry_run_never_takes_the_next_argument(call: Caller, jobs: SandboxServer) -> None:
    name = batch(jobs, team="platform")[0]["name"]

    ended = call("label", "--dry-run", "jobs.batch", "--dry-run", name, "x=1", "-n", "platform")
    once = call("label", "jobs.batch", "--dry-run", name, "x=1", "-n", "platform", "-o", "json")
    grouped = call("label", "jobs.batch", "x=1", "-yn", "platform", "--dry-run", "-l", "app")

    assert "--dry-run is given 2 times" in ended.err
    assert (once.code, once.json["reasons"]) == (0, {"applied": {"dry-run": 1}})
    assert grouped.code == 0
    assert set(values(jobs, "x").values()) == {None}


def test_a_dry_run_that_is_the_value_of_another_option_is_a_value(call: Caller) -> None:
    ended = call("label", "jobs.batch", "x=1", "-A", "-l", "--dry-run", "-y")

    assert ended.code == 2
    assert "-l: " in ended.err
