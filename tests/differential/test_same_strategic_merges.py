"""Strategic merge: what a real API server makes of a patch, and what fleetpatch foresees.

Covered: generated patches of pod templates (lists with keys, sets, whole lists, nulls, directives,
wrong types) in a PodTemplate, a CronJob and a Deployment, and that the table of lists agrees with
the schema that the server publishes. The server is asked twice, both times with `dryRun`: with the
patch, and with a PUT of what `strategic_patched` made of it, so that its defaults and its
validation are in both answers. Left out: `$setElementOrder` and `$retainKeys` that contradict the
patch they stand in, and versions of the API that are newer than the server.
"""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import pytest

from fleetpatch.rules.jsonpatch import InapplicableError
from fleetpatch.rules.merging import strategic_patched
from fleetpatch.rules.strategy import ROOT, WHOLE, Keyed, ListType, rule_of
from tests.control_plane import ControlPlane
from tests.differential.generating import STRATEGIC
from tests.differential.observing import observe
from tests.differential.templates import pod_template, template_patch

pytestmark = pytest.mark.control_plane

UNDECODABLE = 400
"""What is no object of its kind; a PATCH that makes such a one is answered with 422."""


class Kind(NamedTuple):
    """A kind with a pod template; `wrap` puts something at the template's place."""

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
        "batch/v1beta1",
        "CronJob",
        "cronjobs",
        ("spec", "jobTemplate", "spec", "template"),
        {"spec": {"schedule": "0 2 * * *"}},
    ),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_generated_patches_merge_as_foreseen(
    control_plane: ControlPlane, kind: Kind, seed: int
) -> None:
    random = Random(f"{kind.kind} {seed}")
    namespace = control_plane.namespace()
    template = pod_template(random)
    if kind.kind == "CronJob":
        template["spec"]["restartPolicy"] = "Never"
    manifest = strategic_patched(
        {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": "x"},
            **kind.least,
        },
        kind.wrap(template),
    )
    created = control_plane.request("POST", kind.path(namespace), manifest)
    assert created.status == 201, created.body
    path = f"{kind.path(namespace)}/x"

    for number in range(60):
        patch = kind.wrap(template_patch(random))
        live = control_plane.request("GET", path).body
        merged = control_plane.request("PATCH", f"{path}?dryRun=All", patch, STRATEGIC)
        try:
            foreseen = strategic_patched(live, patch)
        except InapplicableError:
            assert merged.status in {400, 500}, f"patch {number}: {patch}"
            continue
        put = control_plane.request("PUT", f"{path}?dryRun=All", foreseen)
        if put.status == UNDECODABLE:
            assert merged.status == 422, f"patch {number}: {patch}"
            continue
        seen, expected = (observe(answer.status, answer.body, "") for answer in (merged, put))
        assert seen == expected, f"patch {number}: {patch}"


def test_the_table_is_that_of_the_server(control_plane: ControlPlane) -> None:
    definitions = json.loads(control_plane.request("GET", "/openapi/v2").body)["definitions"]
    roots = ["batch.v1.Job", "batch.v1beta1.CronJob", "apps.v1.Deployment", "core.v1.PodTemplate"]
    found = {
        problem
        for root in roots
        for problem in _differences(definitions, f"io.k8s.api.{root}", ROOT, frozenset())
    }

    assert found == set()


def _differences(definitions: Any, name: str, ours: Any, above: frozenset[str]) -> Iterator[str]:
    """Each field of the server's type `name` whose rule is not that of the type `ours` of ours."""
    definition = definitions[name]
    is_whole = definition.get("x-kubernetes-map-type") == "atomic"
    if is_whole != (ours in WHOLE):
        yield f"{name} is {'whole' if is_whole else 'merged'} for the server"
    for field, schema in definition.get("properties", {}).items():
        rule = rule_of(ours, field) if isinstance(ours, str) else None
        yield from (f"{name}.{field}: {what}" for what in _mistakes(schema, rule))
        inner = _type_of(schema) or _type_of(schema.get("items", {}))
        if inner and inner not in above and rule is not ListType.ATOMIC:
            entry = rule.entry if isinstance(rule, Keyed) else rule
            yield from _differences(definitions, inner, entry or "", above | {name})


def _type_of(schema: Any) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _mistakes(schema: Any, rule: Any) -> Iterator[str]:
    if schema.get("type") != "array":
        if isinstance(rule, Keyed) or rule is ListType.SET:
            yield "is no list"
        return
    strategy = schema.get("x-kubernetes-patch-strategy", "").split(",")
    key = schema.get("x-kubernetes-patch-merge-key")
    keys = schema.get("x-kubernetes-list-map-keys")
    match rule:
        case Keyed():
            if rule.key != key or list(rule.keys) != (keys or [key]):
                yield f"merges by {key}, applies by {keys}"
        case ListType.SET:
            if "merge" not in strategy or key:
                yield "is no set"
        case ListType.ATOMIC:
            if "merge" in strategy:
                yield "is not atomic"
        case _:
            yield "is not in the table"
