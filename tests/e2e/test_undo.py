"""`fleetpatch undo` restores what a run changed, absences included, if it is unchanged since.

Covered, on a real API server: every patch type on kinds that take it, with its undo and the undo of
that. On the sandbox: a run that was cut off, values that were changed since, a run that
overwrote others' values, undone twice, a dry run, the output of `status`.
Left out: which values go back in every case (tests/rules/planning/test_undo.py).
"""

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.run import RunState
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import HANG, Tool, end, eventually, plan

COUNT = 20
SLOWLY = {"rate": "10/s", "burst": 1, "concurrency": 8}
FAST = ("--yes", "-o", "json", "--rate", "1000/s")
LOST = re.compile("-job-0000[03]")
CHANGING = ("resourceVersion", "managedFields", "generation")
ARGUMENTS = "/spec/tfReplicaSpecs/Worker/template/spec/containers/0/command"
PATCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "labels": (
        "jobs.batch",
        {
            "labels": {"cost": "new", "stale": None, "none": None},
            "renameLabels": {"owner": "team-owner"},
            "annotations": {"fleet.example.com/campaign": "q4"},
        },
    ),
    "merge": (
        "tfjobs.kubeflow.org",
        {
            "merge": {
                "metadata": {"labels": {"stale": None}, "annotations": {"note": "x"}},
                "spec": {
                    "runPolicy": {"schedulingPolicy": {"queue": "gold"}},
                    "tfReplicaSpecs": {"Worker": {"replicas": 3, "restartPolicy": "Never"}},
                },
            }
        },
    ),
    "json": (
        "tfjobs.kubeflow.org",
        {
            "json": [
                {"op": "test", "path": "/spec/tfReplicaSpecs/Worker/replicas", "value": 1},
                {"op": "add", "path": f"{ARGUMENTS}/-", "value": "--verbose"},
                {"op": "remove", "path": f"{ARGUMENTS}/0"},
                {"op": "replace", "path": "/spec/tfReplicaSpecs/Worker/replicas", "value": 2},
                {"op": "move", "from": "/metadata/labels/owner", "path": "/metadata/labels/boss"},
            ]
        },
    ),
    "strategic": (
        "jobs.batch",
        {
            "strategic": {
                "metadata": {"labels": {"stale": None}, "annotations": {"note": "x"}},
                "spec": {"parallelism": 3, "activeDeadlineSeconds": 600},
            }
        },
    ),
}


def labels(index: int) -> dict[str, str]:
    made = {"app": "etl", "owner": f"owner-{index}"}
    return made | ({"stale": "yes", "cost": "old"} if index % 2 else {})


def without_versions(item: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in item["metadata"].items() if key not in CHANGING}
    return {**item, "metadata": metadata}


@pytest.mark.control_plane
@pytest.mark.parametrize("name", PATCHES)
def test_on_a_real_server_undo_restores_every_object_and_its_undo_the_change(
    control_plane: ControlPlane, tool: Tool, name: str
) -> None:
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig, user="alice")
    kind, patch = PATCHES[name]
    space = control_plane.namespace()
    control_plane.create_jobs(COUNT, space, kind=JOB_KINDS[kind], labels=labels)
    block = {"kinds": [kind], "namespaces": [space], "selector": "app=etl"}

    def look() -> list[dict[str, Any]]:
        listed = control_plane.request("GET", JOB_KINDS[kind].path(space)).body["items"]
        return [without_versions(item) for item in listed]

    def carried_out(*words: object) -> str:
        ended = tool.run(*words, "--yes", "-o", "json")
        assert ended.code == 0, ended.err + ended.out
        assert ended.json["reasons"] == {"applied": {"patched": COUNT}}
        assert ended.json["requests"]["patch"] == COUNT
        run: str = ended.json["run"]
        return run

    before = look()
    run = carried_out("apply", tool.write("plan.yaml", plan("change", block, patch=patch)))
    after = look()
    undoing = carried_out("undo", run)

    assert all(one != other for one, other in zip(before, after, strict=True))
    assert look() == before
    carried_out("undo", undoing)
    assert look() == after


def paint(**more: Any) -> dict[str, Any]:
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    return plan("paint", block, patch={"labels": {"cost": "new", "team": None}}, **more)


def labelled(server: SandboxServer, target: dict[str, Any], **changed: str | None) -> None:
    """Another writer sets labels."""
    path = f"/apis/batch/v1/namespaces/{target['namespace']}/jobs/{target['name']}"
    body = {"metadata": {"labels": changed}}
    assert server.client.request("PATCH", path, body, "application/merge-patch+json").status == 200


def labels_of(tool: Tool, server: SandboxServer, run: str) -> dict[str, dict[str, str]]:
    return {one["uid"]: server.metadata(one)["labels"] for one in tool.targets(run)}


def test_a_target_that_another_writer_changed_since_is_skipped_and_listed(tool: Tool) -> None:
    with sandbox(tool, jobs=50) as server:
        assert tool.run("apply", tool.write("plan.yaml", paint()), "--yes").code == 0
        first, second, *_ = tool.targets("paint")
        labelled(server, first, cost="theirs")
        labelled(server, second, other="theirs")

        ended = tool.run("undo", "paint", "--yes", "-o", "json")

        assert ended.code == 0, ended.err
        assert ended.json["reasons"] == {"applied": {"patched": 9}, "skipped": {"drifted": 1}}
        (left,) = tool.targets(ended.json["run"], "--reason", "drifted")
        assert left["uid"] == first["uid"]
        assert "is 'theirs'" in left["detail"]
        assert server.metadata(first)["labels"]["cost"] == "theirs"
        assert server.metadata(second)["labels"]["team"] == second["before"]["metadata.labels.team"]
        assert server.metadata(second)["labels"]["other"] == "theirs"


def test_a_second_undo_shows_the_first_and_leaves_what_others_have_set_since(tool: Tool) -> None:
    with sandbox(tool, jobs=50) as server:
        run = tool.run("apply", tool.write("plan.yaml", paint()), "--yes", "-o", "json").json["run"]
        first = tool.run("undo", run, "--yes", "-o", "json").json
        for target in tool.targets(run):
            labelled(server, target, cost="new")
        others, sent = labels_of(tool, server, run), server.sent()

        asked = tool.run("undo", run)
        again = tool.run("undo", run, "--yes", "-o", "json")

        assert (asked.code, again.code, server.sent()) == (0, 0, sent)
        assert f"{run} is undone already, by {first['run']}; nothing was sent." in asked.err
        assert again.json["run"] == first["run"]
        assert labels_of(tool, server, run) == others
        assert f"Undone:   by {first['run']}" in tool.run("status", run).out


def test_a_second_undo_leaves_also_what_the_first_found_drifted(tool: Tool) -> None:
    with sandbox(tool, jobs=50) as server:
        run = tool.run("apply", tool.write("plan.yaml", paint()), "--yes", "-o", "json").json["run"]
        drifted, *restored = tool.targets(run)
        labelled(server, drifted, cost="theirs")
        first = tool.run("undo", run, "--yes", "-o", "json").json
        for target in (drifted, *restored):
            labelled(server, target, cost="new")

        again = tool.run("undo", run, "--yes", "-o", "json").json

        assert first["reasons"]["skipped"] == {"drifted": 1}
        assert again["run"] == first["run"]
        others = (drifted, *restored)
        assert {server.metadata(one)["labels"]["cost"] for one in others} == {"new"}


def test_the_preview_of_an_undo_shows_what_has_drifted_and_what_is_back_already(
    tool: Tool,
) -> None:
    with sandbox(tool, jobs=50) as server:
        assert tool.run("apply", tool.write("plan.yaml", paint()), "--yes").code == 0
        drifted, back, gone, *_ = tool.targets("paint")
        labelled(server, drifted, cost="theirs")
        labelled(server, back, cost=None, team=back["before"]["metadata.labels.team"])
        path = f"/apis/batch/v1/namespaces/{gone['namespace']}/jobs/{gone['name']}"
        assert server.client.request("DELETE", path).status == 200
        sent = server.sent()

        asked = tool.run("undo", "paint")

        assert (asked.code, server.sent()) == (2, sent)
        assert "Back already: 1 object; nothing will be sent." in asked.err
        assert "1 object will keep a later value: a field has drifted" in asked.err
        assert "1 object cannot be put back: deleted" in asked.err
        assert "is about to patch 7 objects" in asked.err
        assert "Undone:" not in tool.run("status", "paint").out


def test_many_objects_of_a_namespace_are_listed_and_not_read_one_by_one(tool: Tool) -> None:
    with sandbox(tool, jobs=1000, namespaces=1) as server:
        run = tool.run("apply", tool.write("plan.yaml", paint()), "--yes", "-o", "json").json["run"]
        drifted, gone, *others = tool.targets(run)
        assert len(others) > 100
        labelled(server, drifted, cost="theirs")
        path = f"/apis/batch/v1/namespaces/{gone['namespace']}/jobs/{gone['name']}"
        assert server.client.request("DELETE", path).status == 200

        ended = tool.run("undo", run, "--yes", "-o", "json")

        assert ended.code == 0, ended.err
        assert ended.json["reasons"] == {
            "applied": {"patched": len(others)},
            "skipped": {"drifted": 1, "gone": 1},
        }
        # What the list does not show is read, and nothing else is.
        assert ended.json["requests"] == {"patch": len(others), "get": 1, "list": 1}


def test_an_undo_that_finds_only_drift_does_not_count_as_the_undo(tool: Tool) -> None:
    with sandbox(tool, jobs=50) as server:
        assert tool.run("apply", tool.write("plan.yaml", paint()), "--yes").code == 0
        for target in tool.targets("paint"):
            labelled(server, target, cost="theirs")

        assert tool.run("undo", "paint", "--yes").code == 0

        assert "Undone:" not in tool.run("status", "paint").out


def test_what_cannot_be_read_is_put_back_all_the_same(tool: Tool) -> None:
    unreadable = {"status": 403, "methods": ["GET"], "names": ["*-job-*"]}
    with sandbox(tool, jobs=50, chaos={"rules": [unreadable]}):
        assert tool.run("apply", tool.write("plan.yaml", paint()), "--yes").code == 0

        ended = tool.run("undo", "paint", "--yes", "-o", "json")

        assert ended.code == 0, ended.err
        assert ended.json["reasons"] == {"applied": {"patched": 10}}


def in_flight(tool: Tool) -> int:
    count: int = tool.run("status", "paint", "-o", "json").json["inFlight"]
    return count


def hung(server: SandboxServer) -> int:
    """Return the number of PATCHes whose answers hang."""
    return sum(bool(LOST.search(path)) for path in server.patches())


def test_a_run_that_was_cut_off_is_undone_as_far_as_it_went_what_was_in_doubt_included(
    tool: Tool,
) -> None:
    lost = {"action": "hang", "when": "after", "names": ["*-job-0000[03]*"], "times": 1}
    lost |= {"latency": {"mean": HANG}}
    with sandbox(tool, jobs=500, chaos={"rules": [lost]}) as server:
        process = tool.fork("apply", tool.write("plan.yaml", paint(pace=SLOWLY)), "--yes")
        # The run cannot end without the lost answer.
        eventually(lambda: hung(server) > 0, "a lost answer")
        assert tool.run("pace", "paint", "--rate", "1/h").code == 0
        # No other one is on its way, which could arrive after the end of the process.
        eventually(lambda: in_flight(tool) == hung(server), "only lost answers are awaited")
        process.send_signal(signal.SIGKILL)
        assert end(process).code == -signal.SIGKILL
        sent = server.patches()
        listed = tool.targets("paint")
        doubtful = [one for one in listed if one["inDoubt"]]
        assert doubtful

        run = listed and tool.run("status", "paint", "-o", "json").json["run"]
        ended = tool.run("undo", run, *FAST, "--request-timeout", "3s")

        assert ended.code == 0, ended.err
        assert ended.json["outcomes"]["applied"] == ended.json["targets"] == len(sent)
        undone = {one["uid"] for one in tool.targets(ended.json["run"])}
        outcomes = tool.run("status", run, "-o", "json").json["outcomes"]
        assert outcomes["applied"] == len(undone)
        for one in listed:
            found = server.metadata(one)["labels"]
            assert "cost" not in found
            assert found.get("team") == one["before"]["metadata.labels.team"]


def test_an_earlier_run_is_not_put_back_while_a_later_one_cannot_be_read(tool: Tool) -> None:
    unreadable = {"status": 403, "methods": ["GET"], "names": ["*-job-*"]}
    with sandbox(tool, jobs=50, chaos={"rules": [unreadable]}) as server:
        file = tool.write("plan.yaml", paint())
        assert tool.run("apply", file, "--yes").code == 0
        newer = paint() | {"patch": {"labels": {"cost": "newer"}}}
        later = tool.run("plan", tool.write("plan.yaml", newer), "-o", "json").json
        # As if its process had been killed while a PATCH was in flight.
        with RunFile.open(Path(later["runFile"]), write=True) as run:
            run.set_state(RunState.RUNNING)
            assert run.claim("sandbox", limit=1)
        sent = server.sent()

        ended = tool.run("undo", "paint", "--yes", "--all-runs")

        assert (ended.code, "1 targets may have been changed" in ended.err) == (2, True)
        assert server.sent() == sent


def test_undo_restores_the_values_of_others_that_a_run_overwrote(tool: Tool) -> None:
    with sandbox(tool, jobs=50) as server:
        tool.write("plan.yaml", paint(guards={"onDrift": "overwrite"}))
        assert tool.run("plan", "plan.yaml").code == 0
        target = tool.targets("paint")[0]
        labelled(server, target, cost="theirs", team=None)
        run = tool.run("apply", "plan.yaml", "--yes", "-o", "json").json["run"]
        assert server.metadata(target)["labels"]["cost"] == "new"

        assert tool.run("undo", run, "--yes").code == 0

        found = server.metadata(target)["labels"]
        assert found["cost"] == "theirs"
        assert "team" not in found


def test_a_dry_run_and_a_run_without_effect_cannot_be_undone(tool: Tool) -> None:
    with sandbox(tool, jobs=50):
        file = tool.write("plan.yaml", paint())
        tried = tool.run("apply", file, "--yes", "--dry-run", "-o", "json").json["run"]
        planned = tool.run("plan", file, "-o", "json").json["run"]

        for run, message in ((tried, "was a dry run"), (planned, "no target of it was applied")):
            refused = tool.run("undo", run, "--yes")
            assert refused.code == 2
            assert refused.err.startswith(f"fleetpatch: {run}: ")
            assert message in refused.err
            assert len(refused.err.splitlines()) == 1


def test_status_shows_the_undo_on_both_sides(tool: Tool) -> None:
    with sandbox(tool, jobs=50):
        file = tool.write("plan.yaml", paint())
        run = tool.run("apply", file, "--yes", "-o", "json").json["run"]
        undoing = tool.run("undo", run, "--yes", "-o", "json").json["run"]

        assert f"Undone:   by {undoing}" in tool.run("status", run).out
        assert f"Undoes:   {run}" in tool.run("status", undoing).out


def test_a_run_that_was_undone_is_not_resumed_and_its_plan_makes_a_new_run(tool: Tool) -> None:
    with sandbox(tool, jobs=500) as server:
        plan = tool.write("plan.yaml", paint(pace={"rate": "1/s", "burst": 1}))
        process = tool.fork("apply", plan, "--yes")
        eventually(lambda: server.sent() >= 3, "some patches")
        process.send_signal(signal.SIGINT)
        assert end(process).code == 5
        cut = tool.run("status", "paint", "-o", "json").json["run"]
        undo = tool.run("undo", cut, *FAST).json["run"]

        for command in ("resume", "apply"):
            refused = tool.run(command, cut, "--yes")
            assert refused.code == 2
            assert f"was undone by {undo}" in refused.err
        again = tool.run("apply", plan, *FAST)

        assert again.code == 0, again.err
        assert f"Not resuming the unfinished run {cut}: it was undone by {undo}" in again.err
        assert again.json["run"] != cut
        wanted = tool.targets(again.json["run"])
        assert again.json["outcomes"]["applied"] == len(wanted) > 3
        for one in wanted:
            assert server.metadata(one)["labels"]["cost"]
