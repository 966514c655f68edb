"""Removals within lists and maps: where the unchanged object has all that is wanted, and more.

Covered: a PATCH that a gateway did not deliver, a conflict, drift within the field, an undo after a
later change, a verification, a 200 without effect; defaults of a custom kind, which look like a
removal that was put back. Left out: the rules (tests/rules/answers).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.gateways import Forward, gateway
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

KINDS = {"kinds": ["tfjobs"], "namespaces": ["rm"], "selector": "app=x"}
PATH = "/apis/kubeflow.org/v1/namespaces/rm/tfjobs"
ENTRY = {"name": "c", "image": "i"}
WITH_ENV: Any = {"l": [{**ENTRY, "env": ["A"]}]}
WITHOUT: Any = {"l": [ENTRY]}
REMOVALS: dict[str, Any] = {
    "merge": {"merge": {"spec": WITHOUT}},
    "json": {"json": [{"op": "remove", "path": "/spec/l/0/env"}]},
}


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=0) as served:
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rm"}}
        assert served.client.request("POST", "/api/v1/namespaces", space).status == 201
        yield served


def created(server: SandboxServer, spec: Any) -> None:
    head = {"name": "j", "namespace": "rm", "labels": {"app": "x"}}
    job = {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "metadata": head, "spec": spec}
    assert server.client.request("POST", PATH, job).status == 201


def write(server: SandboxServer, body: Any) -> None:
    answer = server.client.request("PATCH", f"{PATH}/j", body, "application/merge-patch+json")
    assert answer.status == 200


def spec(server: SandboxServer) -> Any:
    return server.client.request("GET", f"{PATH}/j").body["spec"]


def planned(tool: Tool, patch: Any) -> None:
    ended = tool.run("plan", tool.write("plan.yaml", plan("removal", KINDS, patch=patch)))
    assert ended.code == 0, ended.err


def reasons(tool: Tool, *words: str) -> Any:
    ended = tool.run(*words, "removal", "--yes", "-o", "json")
    assert ended.code in {0, 3}, ended.err
    return ended.json["reasons"]


@pytest.mark.parametrize("status", [504, 200])
@pytest.mark.parametrize("patch", REMOVALS)
def test_a_removal_that_a_gateway_swallows_is_not_taken_for_done(
    tool: Tool, server: SandboxServer, patch: str, status: int
) -> None:
    created(server, WITH_ENV)
    swallowed: list[str] = []

    def swallows(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method != "PATCH" or swallowed:
            return forward(method, path, body)
        swallowed.append(path)
        # With 200 it answers with the object as it is, as a webhook would leave it.
        return forward("GET", path.partition("?")[0], b"") if status == 200 else (status, b"")

    with gateway(server, swallows) as opened:
        opened.redirect(server.kubeconfig)
        planned(tool, REMOVALS[patch])
        ended = reasons(tool, "apply")

    if status == 200:
        # What a merge leaves out of a list may be a default.
        unchanged = {"merge": {"unchanged": {"already-set": 1}}}
        assert ended == unchanged.get(patch, {"failed": {"not-effective": 1}})
        assert spec(server) == WITH_ENV
    else:
        assert ended == {"applied": {"patched": 1}}
        assert spec(server) == WITHOUT


@pytest.mark.parametrize("patch", REMOVALS)
def test_after_a_conflict_a_removal_is_carried_out_and_a_reversion_is_found(
    tool: Tool, server: SandboxServer, patch: str
) -> None:
    created(server, WITH_ENV)
    planned(tool, REMOVALS[patch])
    write(server, {"metadata": {"annotations": {"seen": "1"}}})

    assert reasons(tool, "apply") == {"applied": {"patched": 1}}
    assert spec(server) == WITHOUT

    assert tool.run("verify", "removal").code == 0
    write(server, {"spec": WITH_ENV})
    assert tool.run("verify", "removal").code == 3


NEW = {"name": "c", "x": "new"}
REPLACEMENTS: dict[str, Any] = {
    "merge": lambda s: {"merge": {"spec": {"l": [NEW], "s": s}}},
    "json": lambda s: {
        "json": [
            {"op": "replace", "path": "/spec/l", "value": [NEW]},
            {"op": "add", "path": "/spec/s", "value": s},
        ]
    },
}


@pytest.mark.parametrize("patch", REPLACEMENTS)
def test_defaults_of_a_custom_kind_are_no_fault_of_a_change_that_is_made_again(
    tool: Tool, server: SandboxServer, patch: str
) -> None:
    before: Any = {"l": [{"name": "c", "x": "old", "n": 1}]}
    created(server, before)

    def defaults(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        return forward(method, path, body.replace(b'"x":"new"', b'"x":"new","n":1'))

    def run_file(s: int) -> str:
        made = plan("removal", KINDS, patch=REPLACEMENTS[patch](s))
        ended = tool.run("plan", tool.write("plan.yaml", made), "-o", "json")
        return str(ended.json["runFile"])

    def applied(run: str) -> Any:
        return tool.run("apply", run, "--yes", "-o", "json").json["reasons"]

    with gateway(server, defaults) as opened:
        opened.redirect(server.kubeconfig)
        first, second = run_file(1), run_file(1)
        assert applied(first) == {"applied": {"patched": 1}}
        assert applied(second) == {"applied": {"settled-by-reading": 1}}
        assert applied(run_file(1)) == {"unchanged": {"already-set": 1}}
        last = run_file(2)
        assert applied(last) == {"applied": {"patched": 1}}
        assert spec(server) == {"l": [{**NEW, "n": 1}], "s": 2}
        for run in (last, first):
            assert tool.run("undo", run, "--yes").code == 0

    assert spec(server) == before


def test_a_later_change_of_what_is_to_be_removed_is_drift(
    tool: Tool, server: SandboxServer
) -> None:
    created(server, WITH_ENV)
    planned(tool, REMOVALS["merge"])
    others = {"l": [{**ENTRY, "env": ["OTHER"], "args": ["OTHER"]}]}
    write(server, {"spec": others})

    assert reasons(tool, "apply") == {"skipped": {"drifted": 1}}
    assert spec(server) == others


def test_an_undo_keeps_what_another_writer_made_of_our_change(
    tool: Tool, server: SandboxServer
) -> None:
    created(server, WITHOUT)
    planned(tool, {"merge": {"spec": WITH_ENV}})
    assert reasons(tool, "apply") == {"applied": {"patched": 1}}
    others = {"l": [{**ENTRY, "env": ["OTHER"], "args": ["OTHER"]}]}
    write(server, {"spec": others})

    assert reasons(tool, "undo") == {"skipped": {"drifted": 1}}
    assert spec(server) == others


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize("kind", ["strategic", "apply"])
def test_a_200_that_shows_a_merged_list_as_it_was_is_not_effective(
    tool: Tool, server: SandboxServer, kind: str, touched: bool
) -> None:
    templates = "/api/v1/namespaces/rm/podtemplates"
    old, new = ({"spec": {"containers": [{**ENTRY, "image": each}]}} for each in ("old", "new"))
    head = {"name": "p", "namespace": "rm", "labels": {"app": "x"}}
    made = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": head, "template": old}
    assert server.client.request("POST", templates, made).status == 201

    def reverts(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method != "PATCH":
            return forward(method, path, body)
        if touched:
            seen = {"metadata": {"annotations": {"seen": "1"}}}
            merge = "application/merge-patch+json"
            server.client.request("PATCH", f"{templates}/p", seen, merge)
        return forward("GET", path.partition("?")[0], b"")

    with gateway(server, reverts) as opened:
        opened.redirect(server.kubeconfig)
        block = {**KINDS, "kinds": ["podtemplates"]}
        force = {"force": True} if kind == "apply" else {}
        patch = {kind: {"template": new}, **force}
        ended = tool.run("plan", tool.write("plan.yaml", plan("removal", block, patch=patch)))
        assert ended.code == 0, ended.err

        assert reasons(tool, "apply") == {"failed": {"not-effective": 1}}


@pytest.mark.parametrize("kind", ["strategic", "apply", "merge"])
def test_defaults_that_a_server_adds_are_no_fault_of_a_change(
    tool: Tool, server: SandboxServer, kind: str
) -> None:
    templates = "/api/v1/namespaces/rm/podtemplates"
    containers = [{"name": "d", "image": "d", "ports": [{"containerPort": 80}]}, ENTRY]
    head = {"name": "p", "namespace": "rm", "labels": {"app": "x"}}
    old = {"spec": {"containers": [ENTRY]}}
    made = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": head, "template": old}
    before = server.client.request("POST", templates, made).body["template"]
    block = {**KINDS, "kinds": ["podtemplates"]}
    force = {"force": True} if kind == "apply" else {}
    patch = {kind: {"template": {"spec": {"containers": containers}}}, **force}
    ended = tool.run("plan", tool.write("plan.yaml", plan("removal", block, patch=patch)))
    assert ended.code == 0, ended.err

    assert reasons(tool, "apply") == {"applied": {"patched": 1}}
    assert tool.run("verify", "removal").code == 0
    again = tool.run("apply", tool.folder / "plan.yaml", "--new", "--yes", "-o", "json")
    assert again.code == 0, again.out
    assert set(again.json["reasons"]) <= {"unchanged"}
    assert reasons(tool, "undo") == {"applied": {"patched": 1}}
    assert server.client.request("GET", f"{templates}/p").body["template"] == before
