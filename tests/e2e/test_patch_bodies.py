"""Patch bodies of the plan's own, on the wire: merge, JSON Patch and strategic merge.

Covered for each type: an unrelated change of another writer, drift (of a field that needed no
change, too), lost requests and lost answers, with and without the guard against conflicts; a JSON
Patch that appends is done once whatever happens; operations that do not fit, when planning and
under way; a value that the server drops or refuses; what a preview shows.
Left out: the patch types by themselves (tests/differential), undo (test_undo.py).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

PATCHES: dict[str, dict[str, Any]] = {
    "merge": {"merge": {"metadata": {"labels": {"cost": "new", "tier": None}}}},
    "json": {
        "json": [
            {"op": "add", "path": "/metadata/labels/cost", "value": "new"},
            {"op": "remove", "path": "/metadata/labels/tier"},
        ]
    },
    "strategic": {"strategic": {"metadata": {"labels": {"cost": "new", "tier": None}}}},
}
COMMAND = "/spec/tfReplicaSpecs/Worker/template/spec/containers/0/command"
APPEND = {"json": [{"op": "add", "path": f"{COMMAND}/-", "value": "--verbose"}]}
JOBS = {"kinds": ["jobs.batch"], "selector": "app, tier"}
TFJOBS = {"kinds": ["tfjobs"], "selector": "app"}
GUARDS = [{}, {"conflicts": "none"}]
WAYS: dict[str, dict[str, Any]] = {
    "lost": {"action": "reset", "times": 1},
    "lost answer": {"action": "reset", "when": "after", "times": 1},
    "hung": {"action": "hang", "when": "after", "times": 1},
    "gateway": {"status": 504, "when": "after", "times": 1},
    "unavailable": {"status": 503, "times": 1},
}


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=50) as served:
        yield served


def path_of(target: dict[str, Any]) -> str:
    kind, _, group = target["kind"].partition(".")
    version = "v1"
    space, name = target["namespace"], target["name"]
    return f"/apis/{group}/{version}/namespaces/{space}/{kind}/{name}"


def found(server: SandboxServer, target: dict[str, Any]) -> Any:
    return server.client.request("GET", path_of(target)).body


def write(server: SandboxServer, target: dict[str, Any], body: Any) -> None:
    """Another writer sends a merge patch."""
    content_type = "application/merge-patch+json"
    assert server.client.request("PATCH", path_of(target), body, content_type).status == 200


def planned(tool: Tool, block: dict[str, Any], patch: dict[str, Any], **more: Any) -> list[Any]:
    ended = tool.run("plan", tool.write("plan.yaml", plan("body", block, patch=patch, **more)))
    assert ended.code == 0, ended.err
    return tool.targets("body")


def applied(tool: Tool, *words: object) -> Any:
    ended = tool.run("apply", "body", "--yes", "-o", "json", "--request-timeout", "2s", *words)
    assert ended.code in {0, 3}, ended.err
    return ended.json


@pytest.mark.parametrize("guards", GUARDS)
@pytest.mark.parametrize("kind", PATCHES)
def test_another_writers_change_of_another_field_is_kept_beside_ours(
    tool: Tool, server: SandboxServer, kind: str, guards: dict[str, Any]
) -> None:
    target, *others = planned(tool, JOBS, PATCHES[kind], guards=guards)
    write(server, target, {"metadata": {"labels": {"theirs": "1"}}})

    answer = applied(tool)

    assert answer["reasons"] == {"applied": {"patched": 1 + len(others)}}
    labels = found(server, target)["metadata"]["labels"]
    assert (labels["cost"], labels["theirs"]) == ("new", "1")
    assert "tier" not in labels


@pytest.mark.parametrize("kind", PATCHES)
def test_a_field_that_another_writer_changed_is_not_overwritten(
    tool: Tool, server: SandboxServer, kind: str
) -> None:
    target, *_ = planned(tool, JOBS, PATCHES[kind])
    write(server, target, {"metadata": {"labels": {"tier": "theirs"}}})

    assert applied(tool)["reasons"]["skipped"] == {"drifted": 1}
    labels = found(server, target)["metadata"]["labels"]
    assert labels["tier"] == "theirs"
    assert "cost" not in labels


@pytest.mark.parametrize(
    "patch",
    [
        {"merge": {"metadata": {"labels": {"cost": "new", "kept": "same"}}}},
        {"strategic": {"metadata": {"labels": {"cost": "new", "kept": "same"}}}},
        {
            "json": [
                {"op": "add", "path": "/metadata/labels/kept", "value": "same"},
                {"op": "add", "path": "/metadata/labels/cost", "value": "new"},
            ]
        },
    ],
)
def test_a_change_of_a_field_that_needed_no_change_when_planned_is_drift_too(
    tool: Tool, server: SandboxServer, patch: dict[str, Any]
) -> None:
    assert tool.run("label", "jobs.batch", "kept=same", "-A", "-l", "app", "--yes").code == 0
    target, *_ = planned(tool, JOBS, patch)
    write(server, target, {"metadata": {"labels": {"kept": "theirs"}}})

    assert applied(tool)["reasons"]["skipped"] == {"drifted": 1}
    assert found(server, target)["metadata"]["labels"]["kept"] == "theirs"


@pytest.mark.parametrize("guards", GUARDS)
def test_a_patch_that_appends_is_done_once_whatever_gets_lost(
    tool: Tool, guards: dict[str, Any]
) -> None:
    # Of five jobs in a row one is a TFJob: each meets another mishap.
    numbers = range(50)
    rules = [
        {**way, "names": [f"*-tfjob-{number:06}" for number in numbers[start : start + 5]]}
        for start, way in zip(numbers[::5], WAYS.values(), strict=False)
    ]
    with sandbox(tool, jobs=50, chaos={"rules": rules}) as server:
        targets = planned(tool, TFJOBS, APPEND, guards=guards)
        before = [found(server, one)["spec"] for one in targets]

        answer = applied(tool)

        assert answer["outcomes"]["applied"] == len(targets)
        assert answer["reasons"]["applied"]["settled-by-reading"] == 3
        for target, spec in zip(targets, before, strict=True):
            command = _command(found(server, target)["spec"])
            assert command == [*_command(spec), "--verbose"]


def _command(spec: Any) -> list[str]:
    pod = spec["tfReplicaSpecs"]["Worker"]["template"]
    command: list[str] = pod["spec"]["containers"][0]["command"]
    return command


@pytest.mark.parametrize("kind", PATCHES)
def test_a_lost_answer_is_settled_by_reading_for_every_type(tool: Tool, kind: str) -> None:
    with sandbox(tool, jobs=50, chaos={"rules": [WAYS["lost answer"]]}) as server:
        targets = planned(tool, JOBS, PATCHES[kind])

        assert applied(tool)["reasons"] == {"applied": {"settled-by-reading": len(targets)}}
        assert set(server.patches().values()) == {1}


@pytest.mark.usefixtures("server")
def test_operations_that_do_not_fit_an_object_leave_it_out_of_the_plan(tool: Tool) -> None:
    assert tool.run("label", "jobs.batch", "old=x", "-A", "-l", "app=etl", "--yes").code == 0
    patch = {"json": [{"op": "remove", "path": "/metadata/labels/old"}]}
    ended = tool.run("plan", tool.write("plan.yaml", plan("body", JOBS, patch=patch)))

    assert "cannot be patched: the operations do not fit their content" in ended.out
    left_out = tool.targets("body", "--reason", "inapplicable")
    assert left_out
    assert all(
        "'old' cannot be removed, because the map does not have it" in one["detail"]
        for one in left_out
    )
    answer = applied(tool)
    assert answer["reasons"]["skipped"] == {"inapplicable": len(left_out)}
    assert answer["outcomes"]["applied"] == answer["targets"] - len(left_out)


def test_a_read_distinguishes_a_test_that_fails_now_from_a_conflict(
    tool: Tool, server: SandboxServer
) -> None:
    patch = {
        "json": [
            {"op": "test", "path": "/spec/parallelism", "value": 1},
            {"op": "add", "path": "/metadata/labels/cost", "value": "new"},
        ]
    }
    moved, tested, *_ = planned(tool, JOBS, patch)
    write(server, moved, {"metadata": {"labels": {"theirs": "1"}}})
    write(server, tested, {"spec": {"parallelism": 2}})

    answer = applied(tool)

    assert answer["reasons"]["failed"] == {"rejected": 1}
    (refused,) = tool.targets("body", "--outcome", "failed")
    assert (refused["uid"], refused["httpStatus"]) == (tested["uid"], 422)
    assert found(server, moved)["metadata"]["labels"]["cost"] == "new"


def test_a_test_of_text_that_servers_escape_passes(tool: Tool, server: SandboxServer) -> None:
    text = "python train.py && rm -rf /tmp/x > /dev/null"
    tested = {"op": "test", "path": "/metadata/annotations/command", "value": text}
    add = {"op": "add", "path": "/metadata/annotations/next", "value": text}
    added = {**tested, "path": "/metadata/annotations/next"}
    noted = tool.run("annotate", "jobs.batch", f"command={text}", "-A", "-l", "app", "--yes")
    assert noted.code == 0, noted.err
    targets = planned(tool, JOBS, {"json": [tested, add, added]})

    assert applied(tool)["reasons"] == {"applied": {"patched": len(targets)}}
    assert found(server, targets[0])["metadata"]["annotations"]["next"] == text


def test_a_value_that_the_server_refuses_is_final_at_the_first_answer(
    tool: Tool, server: SandboxServer
) -> None:
    patch = {"json": [{"op": "replace", "path": "/spec/completions", "value": 7}]}
    targets = planned(tool, JOBS, patch)

    assert applied(tool)["reasons"] == {"failed": {"rejected": len(targets)}}
    assert set(server.patches().values()) == {1}
    assert "spec.completions" in tool.targets("body")[0]["detail"]


@pytest.mark.parametrize("kind", ["merge", "strategic"])
def test_a_field_that_the_server_drops_is_not_effective(
    tool: Tool, server: SandboxServer, kind: str
) -> None:
    targets = planned(tool, JOBS, {kind: {"spec": {"paralellism": 2}}})

    assert applied(tool)["reasons"] == {"failed": {"not-effective": len(targets)}}
    assert "spec.paralellism is absent, wanted 2" in tool.targets("body")[0]["detail"]
    assert set(server.patches().values()) == {1}


def test_a_preview_shows_what_a_body_comes_to(tool: Tool, server: SandboxServer) -> None:
    patch = {"merge": {"spec": {"parallelism": 3, "activeDeadlineSeconds": 60}}}
    file = tool.write("plan.yaml", plan("body", JOBS, patch=patch))

    shown = tool.run("plan", file)
    sample = tool.run("plan", file, "-o", "json").json["samples"][0]

    assert (
        "    spec.activeDeadlineSeconds: (absent) -> 60\n    spec.parallelism: 1 -> 3" in shown.out
    )
    assert sample["before"] == {"spec.activeDeadlineSeconds": None, "spec.parallelism": 1}
    assert sample["after"] == {"spec.activeDeadlineSeconds": 60, "spec.parallelism": 3}
    assert server.sent() == 0
