"""Key patterns, and copies of annotations, as whole runs on a sandbox.

Covered: preview, apply, a second apply, undo, and other writers between plan and patch.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

JOBS = "/apis/batch/v1/jobs"
OLD = {f"old.example.com/{key}": key for key in ("a", "b", "c")}
BLOCK = {"kinds": ["jobs.batch"], "selector": "app"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    with sandbox(Tool(tmp_path), jobs=30, namespaces=3) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxServer) -> Tool:
    return Tool(tmp_path, server.kubeconfig)


def metadata(server: SandboxServer) -> dict[str, Any]:
    """Return labels and annotations of each Job by its name, as another client reads them."""
    items = server.client.request("GET", JOBS).body["items"]
    return {
        one["metadata"]["name"]: {
            key: one["metadata"].get(key, {}) for key in ("labels", "annotations")
        }
        for one in items
    }


def set_on(server: SandboxServer, name: str, **maps: dict[str, str]) -> None:
    for item in server.client.request("GET", JOBS).body["items"]:
        if item["metadata"]["name"] == name:
            path = f"/apis/batch/v1/namespaces/{item['metadata']['namespace']}/jobs/{name}"
            body, kind = {"metadata": maps}, "application/merge-patch+json"
            answer = server.client.request("PATCH", path, body, kind)
            assert answer.status == 200, answer.body


def test_each_object_loses_its_own_keys_and_an_undo_puts_them_back(
    tool: Tool, server: SandboxServer
) -> None:
    first, second, *_ = metadata(server)
    set_on(server, first, labels=OLD, annotations={"old.example.com/note": "x", "kept": "y"})
    set_on(server, second, labels={"old.example.com/b": "other"})
    before = metadata(server)
    patch = {"labels": {"old.example.com/*": None}, "annotations": {"old.example.com/*": None}}
    file = tool.write("plan.yaml", plan("old", BLOCK, patch=patch))

    preview = tool.run("plan", file)
    applied = tool.run("apply", file, "--yes", "-o", "json")

    assert preview.code == 0, preview.err
    assert "old.example.com/b" in preview.out
    assert applied.code == 0, applied.err
    assert applied.json["outcomes"]["applied"] == 2
    after = metadata(server)
    assert not [key for one in after.values() for key in one["labels"] if key.startswith("old.")]
    assert after[first]["annotations"].get("kept") == "y"
    assert "old.example.com/note" not in after[first]["annotations"]
    assert {name: one for name, one in after.items() if name not in (first, second)} == {
        name: one for name, one in before.items() if name not in (first, second)
    }
    sent = server.sent()
    assert tool.run("apply", file, "--yes").code == 0
    assert server.sent() == sent
    assert tool.run("undo", applied.json["runFile"], "--yes").code == 0
    assert metadata(server) == before


def test_a_key_that_another_writer_changes_before_the_patch_is_drift(
    tool: Tool, server: SandboxServer
) -> None:
    first, second, *_ = metadata(server)
    for name in (first, second):
        set_on(server, name, labels=OLD)
    file = tool.write(
        "plan.yaml", plan("old", BLOCK, patch={"labels": {"old.example.com/*": None}})
    )
    planned = tool.run("plan", file, "-o", "json").json
    set_on(server, first, labels={"old.example.com/a": "changed"})
    # A key that is new since the plan was not planned: it is left as it is.
    set_on(server, second, labels={"old.example.com/new": "1"})

    ended = tool.run("apply", planned["runFile"], "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["reasons"]["skipped"] == {"drifted": 1}
    after = metadata(server)
    assert after[first]["labels"]["old.example.com/a"] == "changed"
    assert {key for key in after[second]["labels"] if key.startswith("old.")} == {
        "old.example.com/new"
    }


def test_annotations_are_renamed_and_copied_and_an_undo_restores_them(
    tool: Tool, server: SandboxServer
) -> None:
    first, second, *_ = metadata(server)
    set_on(server, first, annotations={"ticket": "OPS-1", "note": "é, 100 %"})
    set_on(server, second, annotations={"note": "n", "notes": "taken"})
    before = metadata(server)
    patch = {"renameAnnotations": {"ticket": "x.io/ticket"}, "copyAnnotations": {"note": "notes"}}
    file = tool.write("plan.yaml", plan("move", BLOCK, patch=patch))

    applied = tool.run("apply", file, "--yes", "-o", "json")

    assert applied.code == 0, applied.err
    assert applied.json["reasons"]["skipped"] == {"clash": 1}
    notes = metadata(server)[first]["annotations"]
    assert notes.get("x.io/ticket") == "OPS-1"
    assert notes.get("notes") == notes.get("note") == "é, 100 %"
    assert "ticket" not in notes
    assert tool.run("undo", applied.json["runFile"], "--yes").code == 0
    assert metadata(server) == before


def test_annotate_removes_keys_by_a_pattern(tool: Tool, server: SandboxServer) -> None:
    first, *_ = metadata(server)
    set_on(server, first, annotations=OLD)

    ended = tool.run("annotate", "jobs.batch", "old.example.com/*-", "-A", "-l", "app", "--yes")

    assert ended.code == 0, ended.err
    assert not any(key.startswith("old.") for key in metadata(server)[first]["annotations"])
