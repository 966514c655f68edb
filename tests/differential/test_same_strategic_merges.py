"""Strategic merge: the prediction of fleetpatch agrees with a real API server.

Covered: generated patches of pod templates (lists with keys, sets, whole lists, nulls, directives,
wrong types, directives that contradict their patch) in a PodTemplate, a CronJob and a Deployment;
that the sandbox answers alike (on 1.20; for 1.36 see test_recorded_conversations); that the table
of the version agrees with the schema that the server publishes. For a prediction the server gets
two requests with `dryRun`: the patch, and a PUT of the result of `strategic_patched`, so that its
defaults and its validation apply to both answers. Left out: patches that merge a list and delete
from it without an order, which the server does in either order; servers without a table.
"""

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules
from fleetpatch.rules.patching.strategic_patch import strategic_patched
from tests.control_plane import ControlPlane
from tests.differential.generated import STRATEGIC, Step
from tests.differential.observations import observe
from tests.differential.servers import BothServers, Subject
from tests.differential.templates import pod_template, template_patch
from tests.server_versions import Expected

pytestmark = pytest.mark.control_plane

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "merge-table"
TABLES = ROOT / "fleetpatch" / "rules" / "patching" / "tables"
UNDECODABLE = 400
"""The status for a PUT that is not an object of its kind; a PATCH with this result gets a 422."""


class Kind(NamedTuple):
    """A kind with a pod template; `wrap` makes a document with a value in place of the template.

    Without an `api_version` the version of the server decides.
    """

    api_version: str
    kind: str
    plural: str
    place: tuple[str, ...]
    least: dict[str, Any]

    def path(self, namespace: str) -> str:
        root = (
            f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        )
        return f"{root}/namespaces/{namespace}/{self.plural}"

    def rules(self, server: str) -> MergeRules:
        group, _, version = self.api_version.rpartition("/")
        return merge_rules(Resource(group, version, self.plural, self.kind), server)

    def served_by(self, server: Expected) -> "Kind":
        return self._replace(api_version=self.api_version or server.cron_jobs)

    def manifest(self, name: str, random: Random, server: Expected) -> Any:
        template = pod_template(random)
        if self.kind == "CronJob":
            template["spec"]["restartPolicy"] = "Never"
        head = {"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": name}}
        return strategic_patched(
            {**head, **self.least}, self.wrap(template), self.rules(server.version)
        )

    def wrap(self, inner: Any) -> dict[str, Any]:
        for key in reversed(self.place):
            inner = {key: inner}
        return dict(inner)


KINDS = [
    Kind("v1", "PodTemplate", "podtemplates", ("template",), {}),
    Kind(
        "apps/v1",
        "Deployment",
        "deployments",
        ("spec", "template"),
        {"spec": {"selector": {"matchLabels": {"app": "etl"}}}},
    ),
    Kind(
        "",
        "CronJob",
        "cronjobs",
        ("spec", "jobTemplate", "spec", "template"),
        {"spec": {"schedule": "0 2 * * *"}},
    ),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_generated_patches_merge_as_predicted(
    control_plane: ControlPlane, expected: Expected, kind: Kind, seed: int
) -> None:
    expected.require_table()
    random = Random(f"{kind.kind} {seed}")
    kind = kind.served_by(expected)
    rules = kind.rules(expected.version)
    namespace = control_plane.namespace()
    created = control_plane.request(
        "POST", kind.path(namespace), kind.manifest("x", random, expected)
    )
    assert created.status == 201, created.body
    path = f"{kind.path(namespace)}/x"

    for number in range(60):
        patch = kind.wrap(template_patch(random))
        live = control_plane.request("GET", path).body
        merged = control_plane.request("PATCH", f"{path}?dryRun=All", patch, STRATEGIC)
        try:
            predicted = strategic_patched(live, patch, rules)
        except InapplicableError:
            assert merged.status in {400, 500}, f"patch {number}: {patch}"
            continue
        put = control_plane.request("PUT", f"{path}?dryRun=All", predicted)
        if put.status == UNDECODABLE:
            assert merged.status == 422, f"patch {number}: {patch}"
            continue
        seen, wanted = (observe(answer.status, answer.body, "") for answer in (merged, put))
        assert seen == wanted, f"patch {number}: {patch}"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_generated_patches_are_answered_alike(
    both: BothServers, expected: Expected, kind: Kind, seed: int
) -> None:
    if not expected.is_compared_live:
        pytest.skip(f"the answers of Kubernetes {expected.version} are recorded")
    random = Random(f"{kind.kind} {seed}")
    kind = kind.served_by(expected)
    name = f"{kind.kind.lower()}-{seed}"
    post = Step("POST", kind.manifest(name, random, expected))
    sandbox, real = both.answers(post, kind.path(both.namespace))
    assert sandbox == real
    subjects = [Subject(server, f"{kind.path(both.namespace)}/{name}") for server in both.servers]

    for number in range(20):
        step = Step("PATCH", kind.wrap(template_patch(random)), STRATEGIC)
        sent = [subject.send(step) for subject in subjects]
        assert sent[0] == sent[1], f"patch {number}: {step}"


def test_the_table_agrees_with_the_server(control_plane: ControlPlane, expected: Expected) -> None:
    expected.require_table()
    # As bytes: not every version calls the document JSON (tests/server_versions.py).
    _, _, document = control_plane.client().request_bytes("GET", "/openapi/v2")
    command = [sys.executable, str(SCRIPT), expected.version]
    made = subprocess.run(command, input=document, check=True, stdout=subprocess.PIPE).stdout

    text = (TABLES / f"kubernetes-{expected.version}.json").read_text()
    if expected.has_whole_table:
        assert made.decode() == text
    table, types = json.loads(text)["types"], json.loads(made)["types"]
    assert {name: types.get(name) for name in table} == table
