"""A plan's name means its campaign: all the runs of it that were started.

Covered: several runs of one plan in `status` and `resume`, an undo that is under way, and the names
of runs of the command line. Left out: how runs are found by name
(tests/journal/test_campaigns.py).
"""

import re

import pytest

from tests.cli.calling import Caller
from tests.cli.campaigns.painting import BY_HAND, applied, refused, write
from tests.cli.conftest import pause
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool


def test_several_unfinished_runs_are_listed_by_resume(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool, **BY_HAND)
    one = applied(call, "plan.yaml", code=5)
    two = applied(call, "plan.yaml", "--new", code=5)
    sent = server.sent()

    refused(call("resume", "paint", "--promote"), f"2 of its runs are unfinished: {two}, {one}; ")
    assert server.sent() == sent


def test_the_status_of_a_campaign_shows_its_runs_together_with_totals(
    call: Caller, nights: list[str]
) -> None:
    document = call("status", "paint", "-o", "json").json
    lines = call("status", "paint").out.splitlines()

    assert (document["campaign"], document["run"]) == ("paint", nights[0])
    assert [one["run"] for one in document["runs"]] == nights
    sums = [
        sum(one["outcomes"][key] for one in document["runs"]) for key in ("applied", "unchanged")
    ]
    outcomes = document["totals"]["outcomes"]
    assert [outcomes["applied"], outcomes["unchanged"]] == sums
    assert lines[0] == "Plan paint has 3 runs:"
    assert [line.split()[0] for line in lines[2:5]] == nights
    assert lines[5].split()[:4] == ["in", "all", str(document["totals"]["targets"]), str(sums[0])]
    assert lines[7].startswith(f"Run {nights[0]} is finished")


def test_the_run_that_is_under_way_is_shown_first(tool: Tool, call: Caller) -> None:
    write(tool, **BY_HAND)
    waiting = applied(call, "plan.yaml", code=5)
    newer = applied(call, "plan.yaml", "--new", code=5)
    assert call("resume", newer, "--promote", "-o", "json").json["state"] == "finished"

    document = call("status", "paint", "-o", "json").json

    assert [one["run"] for one in document["runs"]] == [waiting, newer]
    assert (document["run"], document["state"]) == (waiting, "paused")


def test_an_undo_that_is_under_way_is_named(tool: Tool, call: Caller) -> None:
    write(tool)
    run = applied(call, "plan.yaml")
    asked = call("undo", run)
    undo = re.search(r"undo-paint-[\w-]+(?=`)", asked.err)
    assert undo is not None
    pause(tool.state / "runs" / f"{undo[0]}.run")

    shown = call("status", "paint")

    assert shown.out.startswith(f"Undo under way: {undo[0]}  (fleetpatch status {undo[0]}")
    assert call("resume", "paint", "-o", "json").json["run"] == undo[0]
    assert "undone" in call("runs", "--limit", "2").out


@pytest.mark.parametrize(
    ("verb", "changes", "campaign"),
    [
        ("label", ["cost-centre=4711"], "label-cost-centre"),
        ("label", ["example.com/Cost_Centre=1", "team-"], "label-cost-centre-team"),
        ("annotate", ["a=1", *(f"note-{n}=x" for n in range(20))], "annotate-a-note-0-note-1-"),
    ],
)
def test_runs_of_the_command_line_are_named_after_what_they_change(
    call: Caller, verb: str, changes: list[str], campaign: str
) -> None:
    words = ("jobs.batch", *changes, "-l", "app=etl", "-A", "--yes", "-o", "json")
    one = call(verb, *words).json

    assert one["run"].startswith(campaign)
    name = str(one["run"]).rsplit("-", 2)[0]
    assert len(name) <= 40
    for text in (name, one["plan"]["name"]):
        assert call("status", text, "-o", "json").json["run"] == one["run"]
    undo = call("undo", name, "--yes", "-o", "json").json
    assert undo["run"].startswith(f"undo-{name}-")


def test_other_arguments_are_another_plan_of_the_same_campaign(call: Caller) -> None:
    words = ("-l", "app=etl", "-A", "--yes", "-o", "json")
    plans = {
        call("label", "jobs.batch", f"team={team}", "--overwrite", *words).json["plan"]["name"]
        for team in ("red", "blue")
    }

    assert len(plans) == 2
    refused(call("undo", "label-team", "--yes"), "2 of its runs are not undone")
    assert call("undo", "label-team", "--yes", "--all-runs").code == 0


@pytest.mark.parametrize("content", [b"", b"damaged"])
@pytest.mark.parametrize("verb", ["apply", "resume", "cancel", "pause"])
def test_a_run_file_that_cannot_be_read_may_be_the_unfinished_run(
    tool: Tool, call: Caller, server: SandboxServer, verb: str, content: bytes
) -> None:
    write(tool, **BY_HAND)
    run = applied(call, "plan.yaml", code=5)
    file = tool.state / "runs" / f"{run}.run"
    file.write_bytes(content)
    sent = server.sent()

    ended = call(*([verb, "plan.yaml", "--yes"] if verb == "apply" else [verb, "paint"]))

    assert ended.code == 1, ended
    assert str(file) in ended.err
    assert "nothing was sent, since it may be" in ended.err
    assert server.sent() == sent
    assert applied(call, "plan.yaml", "--new", code=5) != run
