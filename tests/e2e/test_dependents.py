"""Objects that the selected ones own: found at any depth, changed with them, and put back.

On a sandbox whose jobs own three pods each. Covered: which pods are found, CronJob, Job and Pod in
a chain, waves, guards and previews. Left out: `owner` in expressions (tests/e2e/test_guide.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

JOBS = "/apis/batch/v1/jobs"
PODS = "/api/v1/pods"
ETL = {"kinds": ["jobs.batch"], "selector": "app=etl", "dependents": ["pods"]}
TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "a"}], "restartPolicy": "Never"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    """A sandbox of 100 jobs, 20 of them batch Jobs, with three pods each."""
    with sandbox(Tool(tmp_path), jobs=100, namespaces=3, pods=3) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxServer) -> Tool:
    return Tool(tmp_path, server.kubeconfig)


def listed(server: SandboxServer, path: str, selector: str = "") -> dict[str, Any]:
    """Return the metadata of objects by uid, as another client reads them."""
    query = f"?labelSelector={selector}" if selector else ""
    items = server.client.request("GET", f"{path}{query}").body["items"]
    return {one["metadata"]["uid"]: one["metadata"] for one in items}


def pods_of(server: SandboxServer, owners: Any) -> set[str]:
    """Return the uids of the pods with one of these owners."""
    return {
        uid
        for uid, pod in listed(server, PODS).items()
        if any(one["uid"] in owners for one in pod.get("ownerReferences", ()))
    }


def paint(tool: Tool, block: Any = None, name: str = "paint", **more: Any) -> Path:
    patch = {"labels": {"colour": "red"}}
    return tool.write(f"{name}.yaml", plan(name, block or ETL, patch=patch, **more))


def create(server: SandboxServer, path: str, name: str, owner: Any = None, **fields: Any) -> Any:
    references = []
    if owner:
        names = {key: owner["metadata"][key] for key in ("name", "uid")}
        references = [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], **names}]
    labels = fields.pop("labels", {})
    metadata = {"name": name, "labels": labels, "ownerReferences": references}
    answer = server.client.request("POST", path, {"metadata": metadata, **fields})
    assert answer.status == 201, answer.body
    return answer.body


def test_the_pods_of_the_selected_jobs_are_changed_with_them_and_no_others(
    tool: Tool, server: SandboxServer
) -> None:
    jobs = set(listed(server, JOBS, "app=etl"))
    pods = pods_of(server, jobs)
    assert jobs
    assert len(pods) == 3 * len(jobs)
    file = paint(tool)

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == len(jobs) + len(pods)
    assert set(listed(server, JOBS, "colour=red")) == jobs
    assert set(listed(server, PODS, "colour=red")) == pods
    sent = server.sent()
    again = tool.run("apply", file, "--yes")
    assert again.code == 0, again.err
    assert server.sent() == sent
    assert tool.run("undo", ended.json["runFile"], "--yes").code == 0
    assert not listed(server, PODS, "colour=red")
    assert not listed(server, JOBS, "colour=red")


def test_owners_are_followed_at_any_depth(tool: Tool, server: SandboxServer) -> None:
    batch, core = "/apis/batch/v1", "/api/v1/namespaces/default/pods"
    cron = create(
        server,
        "/apis/batch/v1/namespaces/default/cronjobs",
        "nightly",
        kind="CronJob",
        labels={"app": "nightly"},
        spec={"schedule": "@daily", "jobTemplate": {"spec": {"template": TEMPLATE}}},
    )
    jobs = [
        create(
            server,
            f"{batch}/namespaces/default/jobs",
            f"nightly-{number}",
            cron,
            kind="Job",
            spec={"template": TEMPLATE},
        )
        for number in range(2)
    ]
    pods = {
        create(server, core, f"pod-{at}", job, kind="Pod", spec=TEMPLATE["spec"])["metadata"]["uid"]
        for at, job in enumerate(jobs)
    }
    block = {"kinds": ["cronjobs"], "selector": "app=nightly", "dependents": ["pods"]}

    ended = tool.run("apply", paint(tool, block), "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == 3
    assert set(listed(server, PODS, "colour=red")) == pods
    assert not listed(server, JOBS, "colour=red")


def test_a_pod_that_is_selected_itself_is_one_target(tool: Tool, server: SandboxServer) -> None:
    pod, *_ = listed(server, PODS, "job-name").values()
    own = {"kinds": ["pods"], "objects": [f"{pod['namespace']}/{pod['name']}"]}
    jobs = listed(server, JOBS, "app=etl")
    patch = {"labels": {"colour": "red"}}
    file = tool.write("plan.yaml", plan("two", ETL, own, patch=patch))

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    expected = pods_of(server, jobs) | {pod["uid"]}
    assert ended.json["byKind"]["pods"]["applied"] == len(expected)
    assert set(listed(server, PODS, "colour=red")) == expected


def test_a_circle_of_owners_ends(tool: Tool, server: SandboxServer) -> None:
    path = "/api/v1/namespaces/default/pods"
    job = create(
        server,
        "/apis/batch/v1/namespaces/default/jobs",
        "one",
        kind="Job",
        labels={"app": "circle"},
        spec={"template": TEMPLATE},
    )
    first = create(server, path, "first", job, kind="Pod", spec=TEMPLATE["spec"])
    second = create(server, path, "second", first, kind="Pod", spec=TEMPLATE["spec"])
    owners = [
        {"apiVersion": one["apiVersion"], "kind": one["kind"], "name": "x", "uid": uid}
        for one in (job, second)
        for uid in [one["metadata"]["uid"]]
    ]
    body = {"metadata": {"ownerReferences": owners}}
    merge = "application/merge-patch+json"
    assert server.client.request("PATCH", f"{path}/first", body, merge).status == 200

    ended = tool.run("apply", paint(tool, {**ETL, "selector": "app=circle"}), "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == 3


def test_a_wave_has_owners_with_what_they_own_and_the_owners_first(
    tool: Tool, server: SandboxServer
) -> None:
    jobs = listed(server, JOBS, "app=etl")
    # One at a time: requests in flight may arrive in another order.
    file = paint(tool, waves={"sizes": [1, "100%"]}, pace={"concurrency": 1})

    planned = tool.run("plan", file, "-o", "json")
    ended = tool.run("apply", planned.json["runFile"], "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert [wave["targets"] for wave in ended.json["waves"]] == [4, 4 * (len(jobs) - 1)]
    order = list(server.patches())
    kinds = ["pods" if "/pods/" in path else "jobs" for path in order]
    assert kinds[:4] == ["jobs", "pods", "pods", "pods"]
    owner = order[0].rpartition("/")[2]
    assert {path.rpartition("/")[2] for path in order[1:4]} == {f"{owner}-{at}" for at in range(3)}
    targets = tool.targets(ended.json["runFile"])
    assert [one["kind"] for one in targets[4:]] == sorted(one["kind"] for one in targets[4:])


def test_dependents_count_for_the_guard_of_the_number_of_targets(
    tool: Tool, server: SandboxServer
) -> None:
    jobs = len(listed(server, JOBS, "app=etl"))
    ended = tool.run("plan", paint(tool, guards={"maxTargets": 2 * jobs}))

    assert ended.code == 2
    assert "guards.maxTargets allows" in ended.err
    assert server.sent() == 0


def test_a_preview_shows_dependents_apart(tool: Tool, server: SandboxServer) -> None:
    jobs = len(listed(server, JOBS, "app=etl"))
    file = paint(tool)

    text = tool.run("plan", file)
    preview = tool.run("plan", file, "-o", "json").json

    assert text.code == 0, text.err
    assert f"{3 * jobs} of them are dependents" in text.out
    assert preview["targets"] == 4 * jobs
    assert preview["dependents"] == {"pending": 3 * jobs, "unchanged": 0, "skipped": 0}


def test_protected_keys_of_pods_are_refused(tool: Tool, server: SandboxServer) -> None:
    file = tool.write("plan.yaml", plan("bad", ETL, patch={"labels": {"job-name": "x"}}))

    ended = tool.run("plan", file)

    assert ended.code == 2
    assert "'job-name' belongs to the job's controller" in ended.err
    assert server.sent() == 0


@pytest.mark.parametrize(
    ("dependents", "what"),
    [
        (["pods", "pods"], "'pods' is listed twice"),
        ([], "is empty; add an entry"),
        (["Pods"], "is not a valid kind"),
        (["replicapods"], "'replicapods' is not served"),
    ],
)
def test_a_mistake_in_the_kinds_of_dependents_has_its_place(
    tool: Tool, server: SandboxServer, dependents: list[str], what: str
) -> None:
    ended = tool.run("plan", paint(tool, {**ETL, "dependents": dependents}))

    assert ended.code == 2
    assert "targets[0].dependents" in ended.err
    assert what in ended.err
    assert server.sent() == 0


def test_a_pod_gets_a_value_of_the_job_that_owns_it(tool: Tool, server: SandboxServer) -> None:
    jobs = listed(server, JOBS, "app=etl")
    block = {**ETL, "where": "object.metadata.labels.app == 'etl'"}
    patch = {"labels": {"of-team": {"cel": 'owner.metadata.labels["team"]'}}}
    file = tool.write("plan.yaml", plan("teams", block, patch=patch))
    before = listed(server, PODS)

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    pods = listed(server, PODS)
    for uid in pods_of(server, jobs):
        (owner,) = pods[uid]["ownerReferences"]
        assert pods[uid]["labels"]["of-team"] == jobs[owner["uid"]]["labels"]["team"]
    for job in listed(server, JOBS, "app=etl").values():
        assert job["labels"]["of-team"] == job["labels"]["team"]
    assert ended.json["outcomes"]["applied"] == 4 * len(jobs)
    sent = server.sent()
    assert tool.run("apply", file, "--yes").code == 0
    assert server.sent() == sent
    assert tool.run("undo", ended.json["runFile"], "--yes").code == 0
    assert {uid: one["labels"] for uid, one in listed(server, PODS).items()} == {
        uid: one["labels"] for uid, one in before.items()
    }
