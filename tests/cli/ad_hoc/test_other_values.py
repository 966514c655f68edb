"""`label` and `annotate` keep other values unless `--overwrite`, as kubectl does.

Covered: labels, annotations, removals, and `onExisting` of a plan with its preview.
Left out: what a dry run says of them (test_dry_runs).
"""

from tests.cli.ad_hoc.batch_jobs import batch, values
from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, plan


def test_another_value_is_kept_and_the_exit_code_and_the_message_say_so(
    call: Caller, jobs: SandboxServer
) -> None:
    before = values(jobs, "owner")
    owned = [name for name, owner in before.items() if owner]
    assert 0 < len(owned) < len(before)

    ended = call("label", "jobs.batch", "owner=zoe", "-A", "-l", "app", "-y", "-o", "json")

    assert ended.code == 3
    assert ended.json["reasons"]["skipped"] == {"exists": len(owned)}
    assert "use --overwrite to replace it" in ended.err
    assert values(jobs, "owner") == {name: before[name] or "zoe" for name in before}
    detail = call("targets", ended.json["run"], "--reason", "exists").out
    assert f"metadata.labels.owner is already {before[owned[0]]!r}" in detail


def test_with_overwrite_another_value_is_replaced(call: Caller, jobs: SandboxServer) -> None:
    ended = call("label", "jobs.batch", "owner=zoe", "-A", "-l", "app", "--overwrite", "-y")

    assert (ended.code, "--overwrite" in ended.err) == (0, False)
    assert set(values(jobs, "owner").values()) == {"zoe"}


def test_the_same_value_is_no_other_value(call: Caller, jobs: SandboxServer) -> None:
    words = ("jobs.batch", "team=platform", "-n", "platform", "-l", "team=platform", "-y")

    ended = call("label", *words, "-o", "json")

    assert (ended.code, ended.json["reasons"]) == (
        0,
        {"unchanged": {"already-set": len(batch(jobs, team="platform"))}},
    )


def test_a_removal_needs_no_overwrite(call: Caller, jobs: SandboxServer) -> None:
    ended = call("label", "jobs.batch", "owner-", "-A", "-l", "app", "-y")

    assert ended.code == 0, ended.err
    assert set(values(jobs, "owner").values()) == {None}


def test_an_object_is_changed_as_a_whole_or_not_at_all(call: Caller, jobs: SandboxServer) -> None:
    call("label", "jobs.batch", "new=1", "owner=zoe", "-A", "-l", "owner=chen", "-y")

    assert all("new" not in one["labels"] for one in batch(jobs, owner="chen"))


def test_an_annotation_with_another_value_is_kept_but_for_the_change_cause(call: Caller) -> None:
    words = ("jobs.batch", "-n", "platform", "-l", "app", "-y")
    assert call("annotate", *words, "why=a", "kubernetes.io/change-cause=a").code == 0

    assert call("annotate", *words, "why=b").code == 3
    assert call("annotate", *words, "kubernetes.io/change-cause=b").code == 0


def test_in_a_plan_the_default_overwrites_and_skip_is_as_planned(
    call: Caller, tool: Tool, jobs: SandboxServer
) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "owner"}
    patch = {"labels": {"owner": "zoe"}}
    skips = tool.write("skip.yaml", plan("s", block, patch=patch, guards={"onExisting": "skip"}))
    overwrites = tool.write("overwrite.yaml", plan("o", block, patch=patch))
    owned = len(batch(jobs)) - list(values(jobs, "owner").values()).count(None)

    kept = call("apply", skips, "--yes", "-o", "json")
    replaced = call("apply", overwrites, "--yes", "-o", "json")

    assert (kept.code, kept.json["reasons"]) == (0, {"skipped": {"exists": owned}})
    assert (replaced.code, replaced.json["reasons"]) == (0, {"applied": {"patched": owned}})


def test_a_preview_counts_the_objects_that_have_another_value(call: Caller, tool: Tool) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "owner"}
    patch = {"labels": {"owner": "zoe"}}
    file = tool.write("skip.yaml", plan("s", block, patch=patch, guards={"onExisting": "skip"}))

    assert "objects are skipped: they have another value already" in call("plan", file).out
