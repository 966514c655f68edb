"""The worked plans for kinds that the sample fleet does not contain, on objects of these tests.

Covered: each is carried out and undone as it is written, and what it must not touch. Left out: the
other plans (test_plans).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool

FOLDER = Path(__file__).parents[2] / "plans"
TEMPLATE: Any = {
    "spec": {"containers": [{"name": "a", "image": "a"}], "restartPolicy": "Never"},
}
CRON_JOBS, JOBS = "/apis/batch/v1/{}cronjobs", "/apis/batch/v1/{}jobs"
PODS, JOB_SETS = "/api/v1/{}pods", "/apis/jobset.x-k8s.io/v1alpha2/{}jobsets"
KUEUE = "kueue.x-k8s.io/queue-name"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    with sandbox(Tool(tmp_path), jobs=0, namespaces=6) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxServer) -> Tool:
    return Tool(tmp_path, server.kubeconfig)


class Objects:
    """The objects of one kind on a sandbox."""

    def __init__(self, server: SandboxServer, path: str, kind: str) -> None:
        self._client, self._path, self._kind = server.client, path, kind

    def create(self, name: str, owner: Any = None, **fields: Any) -> Any:
        references = []
        if owner:
            names = {key: owner["metadata"][key] for key in ("name", "uid")}
            references = [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], **names}]
        space = owner["metadata"]["namespace"] if owner else fields.pop("namespace", "team-etl-01")
        metadata = {"name": name, "labels": fields.pop("labels", {}), "ownerReferences": references}
        path = self._path.format(f"namespaces/{space}/")
        body = {"kind": self._kind, "metadata": metadata, **fields}
        answer = self._client.request("POST", path, body)
        assert answer.status == 201, answer.body
        return answer.body

    def with_label(self, key: str) -> dict[str, str]:
        """The names of the objects that have a label, with its value."""
        found = (item["metadata"] for item in self.all())
        return {one["name"]: one["labels"][key] for one in found if key in one.get("labels", {})}

    def all(self) -> list[Any]:
        items: list[Any] = self._client.request("GET", self._path.format("")).body["items"]
        return items


def chain(server: SandboxServer, name: str, **fields: Any) -> None:
    """Create a CronJob with two Jobs of two Pods each."""
    cron_jobs, jobs, pods = (
        Objects(server, path, kind)
        for path, kind in ((CRON_JOBS, "CronJob"), (JOBS, "Job"), (PODS, "Pod"))
    )
    spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": TEMPLATE}}}
    owner = cron_jobs.create(name, spec=spec, **fields)
    for number in range(2):
        job = jobs.create(f"{name}-{number}", owner, spec={"template": TEMPLATE})
        for at in range(2):
            pods.create(f"{name}-{number}-{at}", job, spec=TEMPLATE["spec"])


def test_a_label_reaches_cron_jobs_and_what_they_own_and_undo_removes_it(
    tool: Tool, server: SandboxServer
) -> None:
    chain(server, "sales", labels={"report": "nightly"})
    chain(server, "yearly", labels={"report": "yearly"})
    chain(server, "old", labels={"report": "nightly"}, namespace="team-legacy")
    kinds = [Objects(server, path, "") for path in (CRON_JOBS, JOBS, PODS)]
    own = ("sales", "sales-0", "sales-1", "sales-0-0", "sales-0-1", "sales-1-0", "sales-1-1")

    ended = tool.run("apply", FOLDER / "cronjob-cost-centre.yaml", "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == 7
    found = {name: value for one in kinds for name, value in one.with_label("cost-centre").items()}
    assert found == dict.fromkeys(own, "4711")
    undone = tool.run("undo", ended.json["run"], "--yes", "-o", "json")
    assert undone.code == 0, undone.err
    assert [one.with_label("cost-centre") for one in kinds] == [{}, {}, {}]


def test_job_sets_are_suspended_but_for_those_of_a_queue_and_undo_resumes_them(
    tool: Tool, server: SandboxServer
) -> None:
    job_sets = Objects(server, JOB_SETS, "JobSet")
    spec = {"replicatedJobs": [{"name": "workers", "template": {"spec": {"template": TEMPLATE}}}]}
    job_sets.create("running", labels={"tier": "std"}, spec=spec)
    job_sets.create("resumed", labels={"tier": "std"}, spec={**spec, "suspend": False})
    job_sets.create("queued", labels={"tier": "std", KUEUE: "gpu"}, spec=spec)
    job_sets.create("gold", labels={"tier": "gold"}, spec=spec)

    def suspended() -> dict[str, Any]:
        return {one["metadata"]["name"]: one["spec"].get("suspend") for one in job_sets.all()}

    before = suspended()
    ended = tool.run("apply", FOLDER / "jobset-suspend.yaml", "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert suspended() == {**before, "running": True, "resumed": True}
    undone = tool.run("undo", ended.json["run"], "--yes", "-o", "json")
    assert undone.code == 0, undone.err
    assert suspended() == before
