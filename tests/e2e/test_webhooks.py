"""Admission webhooks on a real API server: one that is down for a while, one that stays down.

Covered: `failurePolicy: Fail` and no server at the webhook's address, by default settings and with
few attempts; that nothing is stored meanwhile. Left out: webhooks that answer
(tests/rules/answers/test_verdicts.py has their words).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import pytest

from tests.control_plane import ControlPlane
from tests.e2e.fleets import BATCH, snapshot
from tests.e2e.tool import Tool, eventually, plan

pytestmark = pytest.mark.control_plane

COUNT = 60
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
SECONDS = 6.0
"""How long the webhook is down."""


@pytest.fixture
def space(control_plane: ControlPlane, tool: Tool) -> str:
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig, user="alice")
    namespace = control_plane.namespace()
    control_plane.create_jobs(COUNT, namespace, BATCH, labels=lambda _index: {"hooked": namespace})
    return namespace


@contextmanager
def webhook_down(control_plane: ControlPlane, space: str) -> Iterator[str]:
    """Register a webhook without a server for updates of the jobs; return its path."""
    rule = {
        "apiGroups": ["batch"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["jobs"],
    }
    hook = {
        "name": "v.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": {"url": "https://127.0.0.1:1/validate"},
        "objectSelector": {"matchLabels": {"hooked": space}},
        "rules": [rule],
    }
    head = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
    }
    control_plane.request("POST", HOOKS, {**head, "metadata": {"name": space}, "webhooks": [hook]})
    try:
        # The server follows its own configuration, which takes a moment.
        eventually(lambda: is_refused(control_plane, space), "the webhook is asked")
        yield f"{HOOKS}/{space}"
    finally:
        control_plane.request("DELETE", f"{HOOKS}/{space}")


def is_refused(control_plane: ControlPlane, space: str) -> bool:
    """Return whether a change of a job is refused, by a dry run."""
    (_, _, name), *_ = snapshot(control_plane, [space])
    path = f"{BATCH.path(space, name)}?dryRun=All"
    patch = {"metadata": {"labels": {"asked": "yes"}}}
    answer = control_plane.request("PATCH", path, patch, "application/merge-patch+json")
    return answer.status != HTTPStatus.OK


def to_red(space: str, **more: object) -> dict[str, object]:
    block = {"kinds": ["jobs.batch"], "namespaces": [space], "selector": f"hooked={space}"}
    return plan("to-red", block, patch={"labels": {"team": "red"}}, **more)


def teams(control_plane: ControlPlane, space: str) -> set[str | None]:
    return {one["labels"].get("team") for one in snapshot(control_plane, [space]).values()}


def test_a_webhook_that_is_down_for_some_seconds_fails_no_target(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    file = tool.write("plan.yaml", to_red(space))
    with webhook_down(control_plane, space) as path:
        repair = threading.Timer(SECONDS, control_plane.request, ("DELETE", path))
        repair.start()
        ended = tool.run("apply", file, "--yes", "-o", "json")
        repair.join()

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == COUNT
    assert teams(control_plane, space) == {"red"}


def test_a_webhook_that_stays_down_is_the_reason_and_nothing_is_stored(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    retry = {"attempts": 2, "maxDelay": "100ms"}
    file = tool.write("plan.yaml", to_red(space, retry=retry))
    with webhook_down(control_plane, space):
        ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 3, ended.err
    assert set(ended.json["reasons"]["failed"]) == {"webhook-unreachable"}
    assert teams(control_plane, space) == {None}
