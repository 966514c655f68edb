"""`undo` of a campaign: all the runs of a plan that were started.

Covered: their order, the question before it, `--since`, runs that are undone already, overlap, or
cannot be read, and an undo that was interrupted. Left out: undo of one run (tests/e2e).
"""

import json
import re

from tests.cli.calling import Caller
from tests.cli.campaigns.painting import applied, colours, previewed, refused, write
from tests.cli.conftest import pause
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool


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

    assert (again.code, server.sent()) == (0, sent)
    assert "is undone already, by undo-paint-" in again.err


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


def test_a_second_undo_of_runs_that_changed_the_same_objects_sends_nothing(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    for colour in ("red", "green", "blue"):
        write(tool, colour)
        applied(call, "plan.yaml")
    assert call("undo", "paint", "--yes", "--all-runs").code == 0
    sent = server.sent()

    again = call("undo", "paint", "--yes", "-o", "json")

    assert (again.code, server.sent()) == (0, sent)
    assert len(again.out.splitlines()) == 3
    assert "All 3 runs of paint are undone.\n" in again.err


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
