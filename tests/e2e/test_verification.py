"""`fleetpatch verify`: whether what a run changed is still there, and who put it back.

Covered, on the sandbox: each result with the manager and the time, an object that the selector does
not match any more, many of them, undos, campaigns, what is refused, a live run, a cluster that
does not answer, status, targets and log. On a real API server: a second writer that puts every
tenth object back.
Left out: `verify` in a plan (test_verifying_plans.py), which values hold in every case
(tests/rules/answers/test_verification.py), workers (tests/workers/test_verification.py).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.journal import flock
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.e2e.rivals import MERGE, Jobs
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

BLOCK = {"kinds": ["jobs.batch"], "namespaces": ["default"], "selector": "app=etl"}
COUNT = 6


def paint(**patch: Any) -> dict[str, Any]:
    return plan("paint", BLOCK, patch=patch or {"labels": {"team": "red"}})


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=0) as served:
        yield served


@pytest.fixture
def jobs(server: SandboxServer) -> Jobs:
    return Jobs(server, COUNT)


def applied(tool: Tool, document: dict[str, Any] | None = None) -> str:
    ended = tool.run("apply", tool.write("plan.yaml", document or paint()), "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    run: str = ended.json["run"]
    return run


def verified(tool: Tool, run: str, code: int = 0) -> Any:
    ended = tool.run("verify", run, "-o", "json")
    assert ended.code == code, ended.err + ended.out
    return ended.json


def results(found: Any) -> dict[str, int]:
    return {name: count for name, count in found["verification"]["results"].items() if count}


def test_nothing_is_to_be_said_while_all_objects_hold(tool: Tool, jobs: Jobs) -> None:
    run = applied(tool)

    ended = tool.run("verify", run)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Run {run} is verified: {COUNT} of {COUNT} changed objects hold.")
    found = verified(tool, run)
    assert results(found) == {"holds": COUNT}
    (owner,) = found["verification"]["managers"]
    assert (owner["manager"], owner["count"]) == ("fleetpatch", COUNT)
    assert owner["firstAt"] is not None
    assert jobs.names


def test_each_object_that_does_not_hold_is_named_with_its_writer_and_the_time(
    tool: Tool, jobs: Jobs
) -> None:
    run = applied(tool)
    back, other, removed, gone, again, _ = jobs.names
    jobs.label(back, team="blue")
    jobs.label(other, team="green", manager="helm")
    jobs.label(removed, team=None)
    jobs.delete(gone)
    jobs.delete(again)
    jobs.create(again)

    found = verified(tool, run, 3)

    assert results(found) == {"holds": 1, "reverted": 1, "changed": 2, "gone": 1, "replaced": 1}
    shown = {one["name"]: (one["result"], one["manager"]) for one in found["objects"]}
    assert shown == {
        back: ("reverted", "flux"),
        other: ("changed", "helm"),
        removed: ("changed", ""),
        gone: ("gone", ""),
        again: ("replaced", ""),
    }
    written = {one["manager"]: one["firstAt"] for one in found["verification"]["managers"]}
    assert found["objects"][0]["since"] == written["flux"]
    assert found["objects"][0]["detail"] == (
        "metadata.labels.team is 'blue', and the run left 'red'"
    )


def test_the_result_is_kept_and_shown_by_status_targets_and_log(tool: Tool, jobs: Jobs) -> None:
    run = applied(tool)
    first, second, *_ = jobs.names
    jobs.label(first, team="blue")
    jobs.label(second, team="green")

    shown = tool.run("verify", run).out
    status = tool.run("status", run).out
    as_json = tool.run("status", run, "-o", "json").json["verification"]

    assert "--verified reverted --verified changed  (lists them)" in shown
    assert "stop what puts the values back, and apply the plan again" in shown
    assert "Verified: 4 of 6 objects hold, 1 reverted by flux since 20" in status
    assert as_json["results"] == verified(tool, run, 3)["verification"]["results"]
    assert [one["name"] for one in tool.targets(run, "--verified", "reverted")] == [first]
    assert [one["name"] for one in tool.targets("paint", "--verified", "changed")] == [second]
    events = [line for line in tool.log(_run_file(tool, run)) if line["event"] == "run.verified"]
    assert [line["results"]["reverted"] for line in events] == [1, 1]
    assert events[0]["level"] == "warning"


def _run_file(tool: Tool, run: str) -> str:
    run_file: str = tool.run("status", run, "-o", "json").json["runFile"]
    return run_file


def test_it_may_be_repeated_and_the_latest_result_counts(tool: Tool, jobs: Jobs) -> None:
    run = applied(tool)
    jobs.label(jobs.names[0], team="blue")
    assert results(verified(tool, run, 3)) == {"holds": 5, "reverted": 1}

    jobs.label(jobs.names[0], team="red")

    assert results(verified(tool, run)) == {"holds": 6}
    assert tool.targets(run, "--verified", "reverted") == []


def test_only_reads_are_sent(tool: Tool, jobs: Jobs, server: SandboxServer) -> None:
    run = applied(tool)
    sent = server.sent()

    verified(tool, run)

    assert server.sent() == sent
    assert jobs.names


def test_an_object_that_the_selector_does_not_match_any_more_is_found_by_its_uid(
    tool: Tool, jobs: Jobs
) -> None:
    run = applied(tool, paint(labels={"app": "done", "team": None}))
    jobs.label(jobs.names[0], team="blue")

    found = verified(tool, run, 3)

    assert results(found) == {"holds": 5, "reverted": 1}


@pytest.mark.parametrize("app", ["etl", "done"])
def test_many_objects_are_listed_and_not_read_one_by_one(
    tool: Tool, server: SandboxServer, app: str
) -> None:
    jobs = Jobs(server, 130)
    run = applied(tool, paint(labels={"app": app, "team": "red"}))
    jobs.label(jobs.names[7], team="blue")
    before = tool.run("status", run, "-o", "json").json["requests"]

    found = verified(tool, run, 3)

    assert results(found) == {"holds": 129, "reverted": 1}
    after = tool.run("status", run, "-o", "json").json["requests"]
    # Also without the selector if it matches no longer.
    lists = 1 if app == "etl" else 2
    assert after == {**before, "list": before["list"] + lists}


@pytest.mark.parametrize(
    ("patch", "reverting"),
    [
        ({"renameLabels": {"team": "squad"}}, {"team": "blue", "squad": None}),
        ({"labels": {"tea*": None}}, {"team": "blue"}),
        ({"labels": {"team": {"cel": "object.metadata.name"}}}, {"team": "blue"}),
        ({"merge": {"metadata": {"labels": {"team": "red"}}}}, {"team": "blue"}),
        ({"apply": {"metadata": {"labels": {"squad": "red"}}}}, {"squad": None}),
        (
            {"json": [{"op": "remove", "path": "/metadata/labels/team"}]},
            {"team": "blue"},
        ),
        ({"strategic": {"metadata": {"labels": {"team": None}}}}, {"team": "blue"}),
    ],
)
def test_plans_of_each_kind_are_verified(
    tool: Tool, jobs: Jobs, patch: dict[str, Any], reverting: dict[str, str | None]
) -> None:
    run = applied(tool, paint(**patch))
    assert results(verified(tool, run)) == {"holds": COUNT}

    jobs.label(jobs.names[3], "flux", **reverting)

    assert results(verified(tool, run, 3)) == {"holds": COUNT - 1, "reverted": 1}


def test_dependents_are_verified_beside_what_owns_them(tool: Tool) -> None:
    with sandbox(tool, jobs=50, pods=1) as server:
        block = {"kinds": ["jobs.batch"], "selector": "app", "dependents": ["pods"]}
        run = applied(tool, plan("paint", block, patch={"labels": {"cost": "new"}}))
        pod = next(one for one in tool.targets(run) if one["kind"].startswith("pods"))
        path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}"
        body = {"metadata": {"labels": {"cost": None}}}
        assert server.client.request("PATCH", path, body, MERGE).status == 200

        found = verified(tool, run, 3)

    assert results(found) == {"holds": 19, "reverted": 1}
    assert [one["name"] for one in found["objects"]] == [pod["name"]]


def test_an_object_that_may_not_be_read_is_unread_and_the_exit_code_says_so(tool: Tool) -> None:
    forbidden = {"rules": [{"status": 403, "methods": ["GET"], "names": ["train-*"]}]}
    with sandbox(tool, jobs=50, chaos=forbidden):
        block = {"kinds": ["jobs.batch"], "selector": "app"}
        run = applied(tool, plan("paint", block, patch={"labels": {"cost": "new"}}))

        found = verified(tool, run, 7)

    assert results(found).keys() == {"holds", "unread"}
    assert {one["name"][:6] for one in found["objects"]} == {"train-"}
    assert all("403" in one["detail"] for one in found["objects"])


def test_an_undo_is_verified_like_any_run(tool: Tool, jobs: Jobs) -> None:
    run = applied(tool)
    undone = tool.run("undo", run, "--yes", "-o", "json").json["run"]
    assert results(verified(tool, undone)) == {"holds": COUNT}

    jobs.label(jobs.names[0], team="red")

    assert results(verified(tool, undone, 3)) == {"holds": COUNT - 1, "reverted": 1}
    assert "was undone by" in tool.run("verify", run).out


def test_of_a_campaign_each_object_counts_for_its_latest_run(tool: Tool, jobs: Jobs) -> None:
    first = applied(tool)
    jobs.label(jobs.names[0], team="blue")
    second = applied(tool, paint(labels={"team": "red"}))
    assert tool.targets(second, "--outcome", "applied")[0]["name"] == jobs.names[0]
    jobs.label(jobs.names[1], team="blue")

    ended = tool.run("verify", "paint", "-o", "json")

    assert ended.code == 3
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [one["run"] for one in found] == [second, first]
    assert [results(one) for one in found] == [{"holds": 1}, {"holds": 4, "reverted": 1}]
    status = tool.run("status", "paint").out
    assert "Verified: 1 of 1 object holds (" in status.partition(f"Run {second} is")[2]
    assert f"Run {first}: Verified: 4 of 5 objects hold, 1 reverted" in status


@pytest.mark.control_plane
def test_on_a_real_server_a_second_writer_that_puts_every_tenth_object_back_is_named(
    control_plane: ControlPlane, tool: Tool
) -> None:
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig)
    space = control_plane.namespace()
    names = control_plane.create_jobs(120, space, labels=lambda n: {"app": "etl", "team": f"t{n}"})
    block = {**BLOCK, "namespaces": [space]}
    run = applied(tool, plan("paint", block, patch={"labels": {"team": "red", "app": "done"}}))
    kind = JOB_KINDS["jobs.batch"]
    for number, name in list(enumerate(names))[::10]:
        path = f"{kind.path(space, name)}?fieldManager=gitops"
        body = {"metadata": {"labels": {"team": f"t{number}"}}}
        assert control_plane.request("PATCH", path, body, MERGE).status == 200

    found = verified(tool, run, 3)

    assert results(found) == {"holds": 108, "reverted": 12}
    assert {one["name"] for one in found["objects"]} == set(names[::10])
    owners = {one["manager"] for one in found["objects"]}
    assert owners == {"gitops"}
    assert all(one["since"] for one in found["objects"])
    counted = {one["manager"]: one["count"] for one in found["verification"]["managers"]}
    assert counted == {"fleetpatch": 108, "gitops": 12}


def test_a_run_that_changed_nothing_is_refused(tool: Tool, jobs: Jobs) -> None:
    file = tool.write("plan.yaml", paint())
    rehearsed = tool.run("apply", file, "--dry-run", "-o", "json").json["run"]
    previewed = tool.run("plan", file, "-o", "json").json["run"]

    dry, planned = tool.run("verify", rehearsed), tool.run("verify", previewed)

    assert (dry.code, planned.code) == (2, 2)
    assert "it was a dry run and changed nothing" in dry.err
    assert "no target of it was applied; there is nothing to verify" in planned.err
    assert jobs.names


def test_a_run_that_a_process_carries_out_is_verified_by_that_process_only(
    tool: Tool, jobs: Jobs
) -> None:
    run = applied(tool)
    run_file = _run_file(tool, run)

    with flock.hold(flock.beside(Path(run_file)), run_file):
        ended = tool.run("verify", run)

    assert ended.code == 6
    assert "is applying it; wait until it has ended" in ended.err
    assert jobs.names


def test_a_server_that_does_not_answer_is_an_error_and_the_former_result_stays(
    tool: Tool, jobs: Jobs, server: SandboxServer
) -> None:
    run = applied(tool)
    verified(tool, run)
    server.stop()

    ended = tool.run("verify", run, "--request-timeout", "1s")

    assert ended.code == 1
    assert "cannot be reached" in ended.err
    assert tool.run("status", run, "-o", "json").json["verification"]["results"]["holds"] == COUNT
    assert jobs.names
