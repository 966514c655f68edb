"""Server-side apply: writes of several managers get the same answers from both servers.

Covered: generated applies of labels, annotations, finalizers and specs by two managers, forced and
not, with right, stale and missing versions and uids, of wrong kinds and types; patches and
deletions by others in between; objects without owners; bodies in YAML and invalid bodies; the query
parameters; creation by applying; that the preview of an apply agrees with the real server. Compared
are the status, the reason, the causes with their owners, whether the version changed, the object,
and the owners of its fields.

Left out: whether the version of a custom object changed after a generated write (an apply that
removes the last label leaves a null in the store of a real server; the next write, even an empty
one, clears it and changes the version); times; texts of messages except conflicts; features that
`fleetpatch.sandbox.apiserver.managed_fields` does not implement.
"""

from random import Random
from typing import Any
from urllib.parse import parse_qs

import pytest

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import merge_rules
from fleetpatch.rules.patching.server_side_apply import applied
from tests.control_plane import JOB_KINDS, ControlPlane, JobKind
from tests.differential.applies import APPLY, write
from tests.differential.generated import MERGE, Step
from tests.differential.observations import Observation
from tests.differential.previews import differences, labels
from tests.differential.servers import KINDS, BothServers, Subject
from tests.server_versions import Expected
from tests.values import replace

pytestmark = pytest.mark.control_plane

CLEARED = Step("PATCH", {"metadata": {"managedFields": [{}]}}, MERGE)
RELEASED = Step("PATCH", {"metadata": {"finalizers": None}}, MERGE)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", KINDS)
def test_generated_writes_of_several_managers_are_answered_alike(
    both: BothServers, name: str, seed: int
) -> None:
    random = Random(f"{name} {seed}")
    kind = JOB_KINDS[name]
    subjects = both.object(kind, f"applied-{seed}")

    for number in range(40):
        step = CLEARED if number == 0 and seed % 2 else write(random, kind)
        if step.method == "DELETE":
            for subject in subjects:
                subject.send(RELEASED)
        sandbox, real = (subject.send(step) for subject in subjects)
        if name != "jobs.batch":
            real = _moved_as(sandbox, real)
        assert sandbox == real, f"step {number}: {step}"


def _moved_as(
    sandbox: tuple[Observation, Observation], real: tuple[Observation, Observation]
) -> tuple[Observation, Observation]:
    """The observations of the real server with `moved` of the sandbox's."""
    answer, after = sandbox
    return replace(real[0], moved=answer.moved), replace(real[1], moved=after.moved)


def configuration(kind: JobKind, /, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


@pytest.mark.parametrize("name", KINDS)
def test_bodies_in_yaml_and_invalid_bodies(both: BothServers, name: str) -> None:
    kind = JOB_KINDS[name]
    subjects = both.object(kind, "written")
    head = f"apiVersion: {kind.api_version}\nkind: {kind.kind}\n"
    bodies = [
        "",
        "null",
        "5",
        "text",
        "[]",
        "{",
        "a: b: c",
        "\t",
        '{"apiVersion":"x","apiVersion":"y"}',
        "--- text\n--- more",
        f"{head}metadata: {{name: written, labels: {{a: 'yes'}}}}",
        f"{head}metadata: {{name: written, labels: {{a: yes}}}}",
        f"# a comment\n{head}metadata:\n  name: written\n  annotations:\n    a: |\n      b\n",
    ]

    for body in bodies:
        step = Step("PATCH", body.encode(), APPLY, "?fieldManager=us")
        sandbox, real = (subject.send(step) for subject in subjects)
        assert sandbox == real, body


@pytest.mark.parametrize("name", KINDS)
def test_the_parameters_of_an_apply(both: BothServers, name: str) -> None:
    kind = JOB_KINDS[name]
    subjects = both.object(kind, "asked")
    body = configuration(kind, name="asked", labels={"app": "other"})
    queries = [
        "",
        "?fieldManager=",
        f"?fieldManager={'m' * 128}&dryRun=All&force=1",
        f"?fieldManager={'m' * 129}",
        f"?fieldManager={'%C3%BC' * 65}",
        "?fieldManager=a%0Ab",
        "?fieldManager=a%0Ab&dryRun=Maybe",
        "?force=true&dryRun=Maybe",
        "?fieldManager=us&force=false",
        "?fieldManager=us&force=0",
        "?fieldManager=us&force=no",
    ]

    for query in queries:
        for content_type in (APPLY, MERGE):
            step = Step("PATCH", body, content_type, query)
            sandbox, real = (subject.send(step) for subject in subjects)
            assert sandbox == real, step


@pytest.mark.parametrize("name", KINDS)
def test_objects_that_an_apply_creates(both: BothServers, name: str) -> None:
    kind = JOB_KINDS[name]
    spec = {"spec": kind.spec}
    bodies: list[dict[str, Any]] = [
        configuration(kind, name="made", uid="an-old-uid") | spec,
        configuration(kind, name="made", uid="an-old-uid", resourceVersion="5") | spec,
        configuration(kind, name="other") | spec,
        configuration(kind) | spec,
        configuration(kind, name="made", namespace="other") | spec,
        configuration(kind, name="made", labels={"a b": "c"}) | spec,
        configuration(kind, name="made", labels={"a": 5}) | spec,
        configuration(kind, name="made", labels={"a": "b"}) | spec,
        configuration(kind, name="made", labels={"a": "c"}) | spec,
    ]
    unseen = configuration(kind, name="unseen", resourceVersion="5", labels={"a": "b"}) | spec

    for query in ("?fieldManager=us&dryRun=All", "?fieldManager=us"):
        for body in bodies:
            step = Step("PATCH", body, APPLY, query)
            sandbox, real = both.answers(step, kind.path(both.namespace, "made"))
            assert sandbox == real, step
    step = Step("PATCH", unseen, APPLY, "?fieldManager=us")
    for namespace in (both.namespace, "not-there"):
        sandbox, real = both.answers(step, kind.path(namespace, "unseen"))
        assert sandbox == real, namespace


@pytest.mark.parametrize("name", KINDS)
def test_an_apply_without_a_spec(both: BothServers, name: str) -> None:
    kind = JOB_KINDS[name]
    step = Step("PATCH", configuration(kind, name="empty"), APPLY, "?fieldManager=us")

    sandbox, real = both.answers(step, kind.path(both.namespace, "empty"))
    assert sandbox == real


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", KINDS)
def test_applies_are_previewed_as_the_real_server_carries_them_out(
    control_plane: ControlPlane, expected: Expected, name: str, seed: int
) -> None:
    """For a custom kind only the metadata is compared: its definition decides about the rest."""
    random = Random(f"preview {name} {seed}")
    kind, client = JOB_KINDS[name], control_plane.client()
    expected.require_table()
    namespace = control_plane.namespace()
    subject = Subject(client, kind.path(namespace, "previewed"))
    manifest = kind.manifest("previewed", {"app": "etl", "team": "ads"})
    assert client.request("POST", kind.path(namespace), manifest).status == 201
    subject.stale = "1"
    rules = merge_rules(
        Resource(kind.group, kind.version, kind.plural, kind.kind), expected.version
    )

    seen = 0
    for number in range(60):
        step = write(random, kind)
        if step.method == "DELETE":
            continue
        live = client.request("GET", subject.path).body
        subject.send(step)
        after = client.request("GET", subject.path).body
        moved = after["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]
        if step.content_type != APPLY or not moved:
            continue
        manager = parse_qs(step.query.removeprefix("?"))["fieldManager"][0]
        predicted = applied(live, step.body, manager, rules)
        if name != "jobs.batch":
            predicted = {"metadata": predicted["metadata"]}
        predicted["metadata"].pop("name")
        assert list(differences(after, predicted, rules)) == [], f"step {number}: {step}"
        gone = labels(live).keys() - labels(predicted).keys()
        assert gone.isdisjoint(labels(after)), f"step {number}: {step}"
        seen += 1
    assert seen
