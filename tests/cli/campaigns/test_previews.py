"""Previews of a plan, and what carries them out.

Covered: names, plans that were changed while a run is unfinished, and the digests that were
reviewed. Left out: how runs are found by name (tests/journal/test_campaigns.py).
"""

from tests.cli.calling import Caller
from tests.cli.campaigns.painting import (
    BY_HAND,
    JOBS,
    applied,
    colours,
    create,
    previewed,
    refused,
    write,
)
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, plan


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


def test_resume_by_the_plans_name_carries_out_no_preview(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool)
    preview = previewed(call)
    refused(call("resume", "paint", "--yes"), f"none to resume; .*`fleetpatch apply {preview}`")
    finished = applied(call, preview)
    write(tool, "blue")
    previewed(call)

    ended = call("resume", "paint", "--yes", "-o", "json")

    assert (ended.code, ended.json["run"]) == (0, finished)
    assert set(colours(server).values()) == {"red"}
