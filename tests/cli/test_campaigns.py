"""A plan's name means its campaign: all the runs of it that were started.

Covered: previews and what carries them out, plans that were changed while a run is unfinished,
several runs of one plan in `status`, `targets`, `resume` and `undo`.
Left out: how runs are found by name (tests/journal/test_campaigns.py).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller, Ended
from tests.cli.conftest import pause
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

ETL = {"kinds": ["jobs.batch"], "selector": "app=etl"}
BY_HAND: dict[str, Any] = {"waves": {"sizes": [1, "100%"], "promote": "manual"}}
"""After its first wave a run is paused until a person promotes it."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    """A sandbox of its own for each test: 40 batch Jobs, some of them of etl."""
    with sandbox(Tool(tmp_path), jobs=200) as served:
        yield served


def write(tool: Tool, colour: str = "red", **more: Any) -> Path:
    return tool.write("plan.yaml", plan("paint", ETL, patch={"labels": {"colour": colour}}, **more))


JOBS = "/apis/batch/v1/namespaces/default/jobs"


def create(server: SandboxServer, name: str) -> None:
    """Create a job of etl."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}
    metadata = {"name": name, "labels": {"app": "etl"}}
    job = {"metadata": metadata, "spec": {"template": {"spec": pod}}}
    assert server.client.request("POST", JOBS, job).status == 201


def colours(server: SandboxServer) -> dict[str, str | None]:
    """Return the label of each job of etl."""
    listed = server.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in listed}
    return {name: has.get("colour") for name, has in labels.items() if has.get("app") == "etl"}


def previewed(call: Caller, *words: object) -> str:
    ended = call("plan", "plan.yaml", *words, "-o", "json")
    assert ended.code == 0, ended.err
    run: str = ended.json["run"]
    return run


def applied(call: Caller, *words: object, code: int = 0) -> str:
    ended = call("apply", *words, "--yes", "-o", "json")
    assert ended.code == code, ended.err
    run: str = ended.json["run"]
    return run


def refused(ended: Ended, words: str) -> None:
    assert (ended.code, ended.out) == (2, ""), ended
    assert re.fullmatch(r"fleetpatch: [^\n]+\n", ended.err), ended.err
    assert re.search(words, ended.err), ended.err


def test_a_preview_is_carried_out_by_its_name_and_not_by_the_plan(tool: Tool, call: Caller) -> None:
    write(tool)
    run = previewed(call)

    assert applied(call, "plan.yaml") != run
    assert applied(call, run) == run


def test_apply_expands_the_plan_afresh_and_finds_what_was_created_since_the_preview(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool)
    run = previewed(call)
    create(server, "late")

    late = tool.targets(applied(call, "plan.yaml"))

    assert "late" in {one["name"] for one in late}
    assert len(tool.targets(run)) == len(late) - 1


def test_what_plan_was_allowed_is_not_carried_over_to_apply(tool: Tool, call: Caller) -> None:
    document = plan("all", {"kinds": ["jobs.batch"]}, patch={"labels": {"colour": "red"}})
    tool.write("plan.yaml", document)
    run = previewed(call, "--all")

    ended = call("apply", "plan.yaml", "--yes")

    assert ended.code == 2
    assert "pass --all if you mean all of them" in ended.err
    assert applied(call, run) == run


def test_a_colleagues_preview_does_not_take_the_place_of_the_run_under_way(
    tool: Tool, call: Caller
) -> None:
    write(tool, **BY_HAND)
    run = applied(call, "plan.yaml", code=5)
    previewed(call)

    ended = call("apply", "plan.yaml", "--yes", "-o", "json")

    assert (ended.code, ended.json["run"]) == (5, run)
    assert call("status", "paint", "-o", "json").json["run"] == run
    assert call("resume", "paint", "--promote", "-o", "json").json["run"] == run
    assert applied(call, "plan.yaml") != run


def test_a_changed_plan_is_refused_while_a_run_of_its_name_is_unfinished(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool, **BY_HAND)
    run = applied(call, "plan.yaml", code=5)
    write(tool, "green")
    sent = server.sent()

    refused(
        call("apply", "plan.yaml", "--yes"),
        rf"resume {run}`\), end it \(`fleetpatch cancel {run}`\), or use --new to start another",
    )
    assert server.sent() == sent
    assert applied(call, "plan.yaml", "--new") != run


def test_a_preview_of_a_former_text_does_not_refuse_the_changed_plan(
    tool: Tool, call: Caller
) -> None:
    write(tool)
    previewed(call)
    write(tool, "green")

    assert call("apply", "plan.yaml", "--yes").code == 0


def test_a_plans_name_carries_out_the_only_preview_and_refuses_several(
    tool: Tool, call: Caller
) -> None:
    write(tool)
    one = previewed(call)
    assert applied(call, "paint") == one
    two, three = previewed(call), previewed(call)

    refused(call("apply", "paint", "--yes"), f"2 of its runs are previews: {three}, {two}; name")


@pytest.fixture
def nights(tool: Tool, call: Caller, server: SandboxServer) -> list[str]:
    """Three runs of one plan, the newest first; each night there was a new job."""
    write(tool)
    runs: list[str] = []
    for night in ("one", "two", "three"):
        create(server, f"job-of-night-{night}")
        runs.insert(0, applied(call, "plan.yaml"))
    assert set(colours(server).values()) == {"red"}
    return runs


def test_three_nights_are_undone_by_one_command_newest_first(
    call: Caller, server: SandboxServer, nights: list[str]
) -> None:
    ended = call("undo", "paint", "--yes", "--all-runs", "-o", "json")

    assert ended.code == 0, ended.err
    undone = [json.loads(line) for line in ended.out.splitlines()]
    assert [re.sub("^undo-", "", one["run"])[:5] for one in undone] == ["paint"] * 3
    assert set(colours(server).values()) == {None}
    for run, undo in zip(nights, undone, strict=True):
        assert f"Undone:   by {undo['run']}" in call("status", run).out


def test_three_nights_are_not_undone_by_yes_alone(
    call: Caller, server: SandboxServer, nights: list[str]
) -> None:
    sent = server.sent()

    refused(
        call("undo", "paint", "--yes"),
        f"3 of its runs are not undone: {', '.join(nights)}; undo all of them with"
        " `fleetpatch undo paint --yes --all-runs`",
    )
    assert server.sent() == sent


def test_the_question_before_an_undo_of_several_runs_lists_them(
    call: Caller, server: SandboxServer, nights: list[str]
) -> None:
    sent = server.sent()

    ended = call("undo", "paint")

    assert ended.code == 2
    first, _, *listed, no_terminal = ended.err.splitlines()
    assert first.startswith("The undo of paint puts back 3 runs with ")
    assert [line.split()[0] for line in listed] == nights
    assert "there is no terminal to ask on" in no_terminal
    assert server.sent() == sent


def test_an_undo_since_a_moment_leaves_earlier_runs(
    tool: Tool, call: Caller, server: SandboxServer, nights: list[str]
) -> None:
    newest, *earlier = nights
    for run in earlier:
        old = re.sub(r"-\d{8}T\d{4}Z-", "-20260101T0000Z-", run)
        (tool.state / "runs" / f"{run}.run").rename(tool.state / "runs" / f"{old}.run")

    assert call("undo", "paint", "--yes", "--since", "1d").code == 0

    found = colours(server)
    assert found.pop("job-of-night-three") is None
    assert set(found.values()) == {"red"}
    refused(call("undo", newest, "--since", "1d"), "are for the name of a plan")


def test_what_is_undone_already_is_left_out_and_a_second_undo_sends_nothing(
    call: Caller, server: SandboxServer, nights: list[str]
) -> None:
    assert call("undo", nights[1], "--yes").code == 0
    assert call("undo", "paint", "--yes", "--all-runs").code == 0
    assert set(colours(server).values()) == {None}
    sent = server.sent()

    again = call("undo", "paint", "--yes", "-o", "json")

    assert (again.code, again.json["requests"]["patch"], server.sent()) == (0, 0, sent)


def test_a_campaign_with_a_run_that_cannot_be_read_is_not_undone_in_part(
    tool: Tool, call: Caller, server: SandboxServer, nights: list[str]
) -> None:
    newest, *_, oldest = nights
    damaged = tool.state / "runs" / f"{newest}.run"
    damaged.write_bytes(b"damaged")
    sent = server.sent()

    ended = call("undo", "paint", "--yes", "--all-runs")

    assert ended.code == 1
    assert str(damaged) in ended.err
    assert "nothing was sent" in ended.err
    assert server.sent() == sent
    assert call("undo", oldest, "--yes").code == 0


def test_a_run_whose_undo_was_undone_is_undone_again(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool)
    applied(call, "plan.yaml")
    undo = call("undo", "paint", "--yes", "-o", "json").json["run"]
    assert call("undo", undo, "--yes").code == 0
    assert set(colours(server).values()) == {"red"}

    assert call("undo", "paint", "--yes").code == 0

    assert set(colours(server).values()) == {None}


def test_a_later_run_of_the_same_objects_is_put_back_before_the_earlier_one(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool)
    applied(call, "plan.yaml")
    write(tool, "green")
    applied(call, "plan.yaml")
    assert set(colours(server).values()) == {"green"}

    assert call("undo", "paint", "--yes", "--all-runs").code == 0

    assert set(colours(server).values()) == {None}


def test_a_second_undo_of_runs_that_changed_the_same_objects_finds_everything_back(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    for colour in ("red", "green", "blue"):
        write(tool, colour)
        applied(call, "plan.yaml")
    assert call("undo", "paint", "--yes", "--all-runs").code == 0
    sent = server.sent()

    again = call("undo", "paint", "--yes", "-o", "json")

    assert (again.code, server.sent()) == (0, sent)
    assert again.json["outcomes"]["unchanged"] == again.json["targets"]


def test_an_undo_that_was_interrupted_is_over_once_another_one_has_put_everything_back(
    tool: Tool, call: Caller
) -> None:
    write(tool)
    applied(call, "plan.yaml")
    interrupted = re.search(r"undo-paint-[\w-]+(?=`)", call("undo", "paint").err)
    assert interrupted is not None
    pause(tool.state / "runs" / f"{interrupted[0]}.run")
    assert call("status", "paint", "-o", "json").json["undosUnderWay"] == [interrupted[0]]

    assert call("undo", "paint", "--yes").code == 0

    assert call("status", "paint", "-o", "json").json["undosUnderWay"] == []
    refused(call("pause", "paint"), "no run of it is unfinished")
    assert call("forget", "paint").out.startswith("Removed 3 runs.")


def test_a_campaign_that_changed_nothing_has_nothing_to_undo(tool: Tool, call: Caller) -> None:
    write(tool)
    previewed(call)
    refused(call("undo", "paint", "--yes"), "no run of it has changed anything; nothing to undo")


def test_several_unfinished_runs_are_listed_by_resume(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool, **BY_HAND)
    one = applied(call, "plan.yaml", code=5)
    two = applied(call, "plan.yaml", "--new", code=5)
    sent = server.sent()

    refused(call("resume", "paint", "--promote"), f"2 of its runs are unfinished: {two}, {one}; ")
    assert server.sent() == sent


def test_a_reviewed_run_is_carried_out_by_its_digest_and_no_other(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool)
    reviewed = call("plan", "plan.yaml", "-o", "json").json
    create(server, "late")
    other = call("plan", "plan.yaml", "-o", "json").json

    assert f"\nDigest   {other['runDigest']}\n" in call("plan", "plan.yaml").out
    words = ("--digest", reviewed["runDigest"], "--yes")
    refused(call("apply", other["run"], *words), "it is not the one that was reviewed")
    assert server.sent() == 0
    assert call("apply", reviewed["run"], *words).code == 0


def test_the_digest_of_a_plan_does_not_stand_for_that_of_a_run(tool: Tool, call: Caller) -> None:
    write(tool)
    planned = call("plan", "plan.yaml", "-o", "json").json
    digest = planned["plan"]["digest"]

    refused(
        call("apply", planned["run"], "--digest", digest, "--yes"),
        "this is the digest of its plan, which says nothing about the targets",
    )
    assert call("apply", "plan.yaml", "--digest", digest, "--yes").code == 0


def test_two_previews_of_an_unchanged_fleet_have_one_digest(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool)
    create(server, "late")
    one, two = (call("plan", "plan.yaml", "-o", "json").json for _ in range(2))
    assert one["run"] != two["run"]
    assert one["runDigest"] == two["runDigest"]

    change = {"metadata": {"labels": {"colour": "blue"}}}
    path = f"{JOBS}/late"
    kind = "application/merge-patch+json"
    assert server.client.request("PATCH", path, change, kind).status == 200

    assert call("plan", "plan.yaml", "-o", "json").json["runDigest"] != one["runDigest"]


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
