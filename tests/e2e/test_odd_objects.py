"""One object that cannot be read as a whole ends alone; all others are planned, patched and undone.

Covered: an object that is nested too deep when the run is planned, after it, and when it is undone,
by label, merge and JSON Patch plans; discovery that is nested too deep.
Left out: the decoding itself (tests/kube/http/test_deep_bodies.py).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.calling import Ended
from tests.e2e.stubs import KIND, Stub, configure, stub
from tests.e2e.tool import Tool, plan

DEEP = b"[" * 1200 + b"]" * 1200
NAMES = ("a", "b", "c")
BLOCK = {"kinds": [KIND], "selector": "app=x", "namespaces": ["ns"]}
PATCHES: dict[str, dict[str, Any]] = {
    "merge": {"merge": {"spec": {"n": 2}}},
    "json": {"json": [{"op": "replace", "path": "/spec/n", "value": 2}]},
    "apply": {"apply": {"spec": {"n": 2}}},
}


def deepen(body: bytes) -> bytes:
    """Nest a list deep wherever an object says "@"."""
    return body.replace(b'"@"', DEEP)


@pytest.fixture
def server(tool: Tool) -> Iterator[Stub]:
    with stub({name: {"spec": {"n": 1}} for name in NAMES}) as served:
        served.bend = deepen
        configure(tool, served)
        yield served


def sent(tool: Tool, verb: str, *words: object, code: int = 0) -> Ended:
    ended = tool.run(verb, *words, "-o", "json")
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    return ended


def make(tool: Tool, patch: dict[str, Any]) -> Any:
    return tool.write("plan.yaml", plan("odd", BLOCK, patch=patch, retry={"attempts": 2}))


def values(server: Stub) -> dict[str, Any]:
    return {name: one["spec"]["n"] for name, one in server.objects.items()}


@pytest.mark.parametrize("kind", PATCHES)
def test_an_object_that_is_too_deep_is_skipped_and_the_others_are_patched_and_undone(
    tool: Tool, server: Stub, kind: str
) -> None:
    server.objects["b"]["spec"]["marks"] = "@"

    applied = sent(tool, "apply", make(tool, PATCHES[kind]), "--yes").json

    assert applied["state"] == "finished"
    assert applied["reasons"]["skipped"] == {"unreadable": 1}
    assert values(server) == {"a": 2, "b": 1, "c": 2}
    [left_out] = tool.targets("odd", "--outcome", "skipped")
    assert left_out["name"] == "b"
    assert "more than 200 levels deep" in left_out["detail"]

    undone = sent(tool, "undo", "odd", "--yes").json
    assert undone["outcomes"]["applied"] == 2
    assert values(server) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("kind", ["merge", "json"])
def test_one_that_becomes_too_deep_after_the_plan_does_not_stop_the_run(
    tool: Tool, server: Stub, kind: str
) -> None:
    sent(tool, "plan", make(tool, PATCHES[kind]))
    server.objects["b"]["spec"]["marks"] = "@"
    server.objects["c"]["spec"]["n"] = {"marks": "@"}

    applied = sent(tool, "apply", "odd", "--yes").json
    server.bend = lambda body: body

    assert applied["state"] == "finished"
    assert applied["outcomes"]["pending"] == 0
    assert values(server)["a"] == values(server)["b"] == 2


def test_an_object_that_became_too_deep_before_the_undo_is_skipped(
    tool: Tool, server: Stub
) -> None:
    sent(tool, "apply", make(tool, {"merge": {"spec": {"n": {"k": 2}}}}), "--yes")
    changed = {**server.objects["b"], "spec": {"n": {"k": 2, "marks": "@"}}}
    server.write("b", changed)

    undone = sent(tool, "undo", "odd", "--yes").json

    assert undone["state"] == "finished"
    assert values(server) == {"a": 1, "b": {"k": 2, "marks": "@"}, "c": 1}


def test_labels_of_an_object_that_is_too_deep_are_changed_like_any(
    tool: Tool, server: Stub
) -> None:
    server.objects["b"]["spec"]["marks"] = "@"

    applied = sent(tool, "apply", make(tool, {"labels": {"team": "red"}}), "--yes").json

    assert applied["outcomes"]["applied"] == 3
    sent(tool, "undo", "odd", "--yes")
    assert all(one["metadata"]["labels"] == {"app": "x"} for one in server.objects.values())


@pytest.mark.parametrize(
    "odd", [b'{"groups":' + DEEP + b"}", b"[" * 9000, b'{"groups": 1e999}', b"\xff" * 50]
)
def test_discovery_that_makes_no_sense_is_one_clear_line(
    tool: Tool, server: Stub, odd: bytes
) -> None:
    server.bend = lambda _body: odd

    ended = tool.run("apply", make(tool, PATCHES["merge"]), "--yes")

    assert ended.code == 1, ended
    assert "is not a Kubernetes API; check the address" in ended.err
    assert ended.err.count("\n") == 1
