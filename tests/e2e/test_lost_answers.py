"""A PATCH whose answer is lost, while another writer writes to the same object.

Covered, on the sandbox: what another writer added to a map or to the entry of a list that the PATCH
wrote, drift that is overwritten, quantities, and an undo after it. Left out: what counts as whose
(tests/rules/answers/test_attribution.py), answers that show another object
(test_confused_gateways.py).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.gateways import Forward, gateway
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

BLOCK = {"kinds": ["podtemplates"], "namespaces": ["lost"], "selector": "app=x"}
PATH = "/api/v1/namespaces/lost/podtemplates"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=0) as served:
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lost"}}
        assert served.client.request("POST", "/api/v1/namespaces", space).status == 201
        head = {"name": "p", "namespace": "lost", "labels": {"app": "x"}}
        pod = {"spec": {"containers": [{"name": "c", "image": "old"}]}}
        made = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": head, "template": pod}
        assert served.client.request("POST", PATH, made).status == 201
        yield served


def pod(server: SandboxServer) -> Any:
    return server.client.request("GET", f"{PATH}/p").body["template"]["spec"]


def run(tool: Tool, *words: str) -> Any:
    ended = tool.run(*words, "lost", "--yes", "-o", "json")
    assert ended.code in {0, 3}, ended.err
    return ended.json["reasons"]


def applied_and_undone(
    tool: Tool, server: SandboxServer, patch: Any, then: tuple[Any, str], **more: Any
) -> tuple[Any, str, Any]:
    """Apply a patch whose answer is lost, and undo it; return the reasons of both, and the detail.

    Another writer writes before the object is read.
    """
    lost: list[str] = []

    def loses(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        # A real server spells quantities in its own way; the sandbox stores them as written.
        status, answer = forward(method, path, body.replace(b'"1000m"', b'"1"'))
        if method != "PATCH" or lost:
            return status, answer
        assert status == 200, answer
        lost.append(path)
        assert server.client.request("PATCH", f"{PATH}/p", *then).status == 200
        return 504, b""

    with gateway(server, loses) as opened:
        opened.redirect(server.kubeconfig)
        ended = tool.run("plan", tool.write("plan.yaml", plan("lost", BLOCK, patch=patch, **more)))
        assert ended.code == 0, ended.err
        applied = run(tool, "apply")
        assert len(opened.patches) == (2 if more else 1)
        return applied, tool.targets("lost")[0]["detail"], run(tool, "undo")


def spec(**fields: Any) -> Any:
    return {"template": {"spec": fields}}


@pytest.mark.parametrize("kind", ["merge", "strategic"])
def test_an_undo_keeps_what_another_writer_added_to_a_map(
    tool: Tool, server: SandboxServer, kind: str
) -> None:
    patch = {kind: {"template": {"metadata": {"labels": {"b": "2"}}}}}
    theirs = {"template": {"metadata": {"labels": {"d": "9"}}}}

    applied, detail, undone = applied_and_undone(tool, server, patch, (theirs, MERGE))

    assert applied == {"applied": {"settled-by-reading": 1}}
    assert " also has d, " in detail
    assert undone == {"skipped": {"drifted": 1}}
    there = server.client.request("GET", f"{PATH}/p").body["template"]["metadata"]["labels"]
    assert there == {"b": "2", "d": "9"}


def test_an_undo_keeps_what_another_writer_added_to_the_entry_of_a_list(
    tool: Tool, server: SandboxServer
) -> None:
    patch = {"strategic": spec(containers=[{"name": "c", "image": "new"}])}
    args = spec(containers=[{"name": "c", "args": ["theirs"]}])

    applied, detail, undone = applied_and_undone(tool, server, patch, (args, STRATEGIC))

    assert applied == {"applied": {"settled-by-reading": 1}}
    assert " also has args, " in detail
    assert undone == {"skipped": {"drifted": 1}}
    assert pod(server)["containers"][0]["args"] == ["theirs"]


def test_after_drift_was_overwritten_an_undo_restores_what_was_there_before_each_patch(
    tool: Tool, server: SandboxServer
) -> None:
    before = server.client.request("GET", f"{PATH}/p").body["template"]
    note = {"metadata": {"annotations": {"note": "ours"}}}
    patch = {"merge": {**note, "template": {"metadata": {"labels": {"b": "2"}}}}}
    theirs = {"metadata": {"annotations": {"note": "theirs"}}}

    applied, _, undone = applied_and_undone(
        tool, server, patch, (theirs, MERGE), guards={"onDrift": "overwrite"}
    )

    assert (applied, undone) == ({"applied": {"patched": 1}}, {"applied": {"patched": 1}})
    there = server.client.request("GET", f"{PATH}/p").body
    assert there["template"] == before
    assert there["metadata"]["annotations"] == {"note": "theirs"}


def test_a_change_that_another_writer_did_not_touch_is_undone(
    tool: Tool, server: SandboxServer
) -> None:
    before = pod(server)
    limits = {"limits": {"cpu": "1000m", "memory": "2Gi"}}
    new = {"name": "c", "image": "new", "ports": [{"containerPort": 80}], "resources": limits}
    patch = {"strategic": spec(containers=[new, {"name": "d", "image": "d"}])}
    seen = {"metadata": {"annotations": {"seen": "1"}}}

    ended = applied_and_undone(tool, server, patch, (seen, MERGE))

    assert ended == ({"applied": {"settled-by-reading": 1}}, "", {"applied": {"patched": 1}})
    assert pod(server) == before
