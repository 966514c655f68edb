"""Pods and CronJobs of the sandbox: owned by others, labelled, and with a spec that is fixed."""

from typing import Any

import pytest

from fleetpatch.sandbox.server import SandboxOptions
from tests.sandbox.objects import MERGE, STRATEGIC
from tests.sandbox.serving import Client, SandboxThread
from tests.sandbox.spellings import APPLY

PODS = "/api/v1/namespaces/default/pods"
CRON_JOBS = "/apis/batch/v1/namespaces/default/cronjobs"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "a"}], "restartPolicy": "Never"}}


@pytest.fixture
def client() -> Any:
    with SandboxThread(SandboxOptions(jobs=0, namespaces=1)) as running:
        yield running.client


def create(client: Client, path: str, owner: Any = None, **fields: Any) -> Any:
    references = []
    if owner:
        names = {key: owner["metadata"][key] for key in ("name", "uid")}
        references = [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], **names}]
    metadata = {"name": "one", "ownerReferences": references}
    answer = client.request("POST", path, {"metadata": metadata, **fields})
    assert answer.status == 201, answer.body
    return answer.body


def test_a_cron_job_owns_a_job_which_owns_a_pod(client: Client) -> None:
    spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": TEMPLATE}}}
    cron_job = create(client, CRON_JOBS, kind="CronJob", spec=spec)
    job = create(client, JOBS, cron_job, kind="Job", spec={"template": TEMPLATE})
    pod = create(client, PODS, job, kind="Pod", spec=TEMPLATE["spec"])

    assert pod["apiVersion"] == "v1"
    (found,) = client.request("GET", PODS).body["items"]
    assert found["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    (found,) = client.request("GET", JOBS).body["items"]
    assert found["metadata"]["ownerReferences"][0]["uid"] == cron_job["metadata"]["uid"]


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC, APPLY])
def test_a_pod_is_labelled_by_every_type_of_patch(client: Client, content_type: str) -> None:
    create(client, PODS, kind="Pod", spec=TEMPLATE["spec"])
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"team": "red"}}}

    query = "?fieldManager=us" if content_type == APPLY else ""
    answer = client.request("PATCH", f"{PODS}/one{query}", body, content_type)

    assert answer.status == 200, answer.body
    assert answer.body["metadata"]["labels"] == {"team": "red"}
    assert answer.body["metadata"]["generation"] == 1


def test_the_spec_of_a_pod_is_fixed_but_for_some_fields(client: Client) -> None:
    create(client, PODS, kind="Pod", spec=TEMPLATE["spec"])

    refused = client.request("PATCH", f"{PODS}/one", {"spec": {"hostname": "b"}}, MERGE)
    allowed = client.request("PATCH", f"{PODS}/one", {"spec": {"activeDeadlineSeconds": 9}}, MERGE)

    assert refused.status == 422
    assert "pod updates may not change fields" in refused.body["message"]
    assert allowed.status == 200, allowed.body


def test_each_job_of_the_sample_fleet_owns_the_pods_that_are_asked_for() -> None:
    with SandboxThread(SandboxOptions(jobs=20, namespaces=3, pods=3)) as running:
        pods = running.client.request("GET", "/api/v1/pods").body["items"]
        jobs = running.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    with SandboxThread(SandboxOptions(jobs=20, namespaces=3)) as running:
        same = running.client.request("GET", "/apis/batch/v1/jobs").body["items"]

    owners = [pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods]
    assert len(pods) == 60
    assert {owners.count(job["metadata"]["uid"]) for job in jobs} == {3}
    names = [job["metadata"]["name"] for job in jobs]
    assert names == [job["metadata"]["name"] for job in same]
