"""PodTemplates, Deployments and CronJobs of the sandbox: defaults, generation, and what is refused.

Left out: their strategic merges (tests/differential/test_recorded_conversations.py).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from fleetpatch.sandbox.server import SandboxOptions
from tests.sandbox.objects import MERGE
from tests.sandbox.serving import Client, SandboxThread
from tests.sandbox.spellings import APPLY

DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments"
CRON_JOB = "/apis/batch/v1/namespaces/default/cronjobs"
POD_TEMPLATE = "/api/v1/namespaces/default/podtemplates"
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "a", "image": "a"}]},
}
SPEC: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with SandboxThread(SandboxOptions(jobs=0, namespaces=1)) as running:
        yield running.client


def create(client: Client, path: str, name: str, **content: Any) -> Any:
    answer = client.request("POST", path, {"metadata": {"name": name}, **content})
    assert answer.status == 201, answer.body
    return answer.body


def test_a_change_of_a_deployment_is_counted_and_its_selector_is_fixed(client: Client) -> None:
    made = create(client, DEPLOYMENT, "one", spec=SPEC)
    path = f"{DEPLOYMENT}/one"

    scaled = client.request("PATCH", path, {"spec": {"replicas": 3}}, MERGE)
    moved = {"matchLabels": {"app": "web", "tier": "x"}}
    refused = client.request("PATCH", path, {"spec": {"selector": moved}}, MERGE)

    assert (made["metadata"]["generation"], made["spec"]["replicas"]) == (1, 1)
    assert (scaled.body["metadata"]["generation"], scaled.body["spec"]["replicas"]) == (2, 3)
    causes = {cause["field"] for cause in refused.body["details"]["causes"]}
    assert causes == {"spec.selector", "spec.template.metadata.labels"}


def test_a_pod_template_has_no_status_and_counts_changes_of_its_template(client: Client) -> None:
    made = create(client, POD_TEMPLATE, "one", template=TEMPLATE, status={"phase": "x"})

    image = {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}}
    changed = client.request("PATCH", f"{POD_TEMPLATE}/one", image, MERGE).body

    assert "status" not in made
    assert changed["metadata"]["generation"] == 2
    assert changed["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize(
    ("path", "content", "field"),
    [
        (CRON_JOB, {"spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}}}, "spec.schedule"),
        (DEPLOYMENT, {"spec": {"template": TEMPLATE}}, "spec.selector"),
        (POD_TEMPLATE, {"template": {"spec": {}}}, "template.spec.containers"),
    ],
)
def test_what_a_kind_requires_is_named(
    client: Client, path: str, content: dict[str, Any], field: str
) -> None:
    answer = client.request("POST", path, {"metadata": {"name": "two"}, **content})

    assert answer.status == 422
    assert field in {cause["field"] for cause in answer.body["details"]["causes"]}


def test_an_apply_of_a_template_owns_its_fields(client: Client) -> None:
    body = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "applied"}}
    query = "?fieldManager=us"

    made = client.request(
        "PATCH", f"{POD_TEMPLATE}/applied{query}", {**body, "template": TEMPLATE}, APPLY
    )
    wrong = client.request("PATCH", f"{POD_TEMPLATE}/applied{query}", {**body, "spec": {}}, APPLY)

    (owner,) = made.body["metadata"]["managedFields"]
    assert "f:template" in owner["fieldsV1"]
    assert (wrong.status, "field not declared in schema" in wrong.body["message"]) == (500, True)
