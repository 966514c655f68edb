"""Changes of other writers to the same objects, on a real API server: none is lost.

Covered: a second writer of other labels throughout a run; the same label changed between plan and
apply, and while the run goes; objects deleted, recreated and relabelled between plan and apply.
Left out: what is decided about one target in each case (tests/rules, tests/engine).
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.control_plane import ControlPlane
from tests.e2e.fleets import BATCH, delete, merge, side_by_side, snapshot
from tests.e2e.tool import Tool, plan

pytestmark = pytest.mark.control_plane

COUNT = 1000


@pytest.fixture
def space(control_plane: ControlPlane, tool: Tool) -> str:
    """A namespace with jobs of the team blue, and a kubeconfig of alice's."""
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig, user="alice")
    return control_plane.namespace()


def blue(_index: int) -> dict[str, str]:
    return {"team": "blue", "app": "etl"}


def to_red(space: str, **more: Any) -> dict[str, Any]:
    block = {"kinds": ["jobs.batch"], "namespaces": [space], "selector": "app=etl"}
    return plan("to-red", block, patch={"labels": {"team": "red"}}, **more)


def labels_of(control_plane: ControlPlane, space: str) -> dict[str, dict[str, str]]:
    seen = snapshot(control_plane, [space])
    return {name: metadata["labels"] for (_, _, name), metadata in seen.items()}


@contextmanager
def writing_elsewhere(control_plane: ControlPlane, space: str, names: list[str]) -> Iterator[None]:
    """Set the label `round` of all objects again and again while the block runs."""
    enough = threading.Event()
    rounds = 4

    def write(share: int) -> None:
        number = 0
        while not enough.is_set() or number == 0:
            number += 1
            for name in names[share::rounds]:
                merge(control_plane, BATCH.path(space, name), round=str(number))

    threads = [threading.Thread(target=write, args=(share,)) for share in range(rounds)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def test_both_changes_are_kept_when_a_second_writer_keeps_changing_other_labels(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    names = control_plane.create_jobs(COUNT // 2, space, labels=blue)
    file = tool.write("plan.yaml", to_red(space))

    with writing_elsewhere(control_plane, space, names):
        ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == COUNT // 2
    assert ended.json["retries"] > 0, "the two writers never met"
    labels = labels_of(control_plane, space)
    assert len(labels) == COUNT // 2
    assert all(one["team"] == "red" and int(one["round"]) >= 1 for one in labels.values())


def test_a_label_that_another_writer_changed_since_the_plan_is_kept(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    names = control_plane.create_jobs(COUNT, space, labels=blue)
    planned = tool.run("plan", tool.write("plan.yaml", to_red(space)), "-o", "json").json
    theirs = set(names[::5])
    side_by_side(lambda name: merge(control_plane, BATCH.path(space, name), team="green"), theirs)

    ended = tool.run("apply", planned["runFile"], "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["reasons"] == {"applied": {"patched": 800}, "skipped": {"drifted": 200}}
    for name, labels in labels_of(control_plane, space).items():
        assert labels["team"] == ("green" if name in theirs else "red")
    skipped = tool.targets(planned["run"], "--reason", "drifted")
    assert {one["name"] for one in skipped} == theirs
    assert all("'blue'" in one["detail"] and "'green'" in one["detail"] for one in skipped)


def test_a_label_that_another_writer_changes_during_the_run_is_kept(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    names = control_plane.create_jobs(COUNT, space, labels=blue)
    planned = tool.run("plan", tool.write("plan.yaml", to_red(space)), "-o", "json").json
    theirs = names[::5]

    with tool.fork("apply", planned["runFile"], "--yes", "-o", "json") as applying:
        # Backwards, so that the two meet on their ways.
        side_by_side(
            lambda name: merge(control_plane, BATCH.path(space, name), team="green"), theirs[::-1]
        )
        assert applying.wait(60) == 0

    labels = labels_of(control_plane, space)
    assert {name for name, one in labels.items() if one["team"] == "green"} == set(theirs)
    assert all(one["team"] in {"red", "green"} for one in labels.values())
    outcomes = Counter(one["outcome"] for one in tool.targets(planned["run"]))
    assert outcomes["applied"] + outcomes["skipped"] == COUNT
    assert outcomes["applied"] >= 800


def test_objects_deleted_recreated_or_no_longer_selected_since_the_plan_are_skipped(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    names = control_plane.create_jobs(40, space, labels=blue)
    planned = tool.run("plan", tool.write("plan.yaml", to_red(space)), "-o", "json").json
    gone, replaced, moved = names[:5], names[5:10], names[10:15]
    for name in (*gone, *replaced):
        delete(control_plane, BATCH.path(space, name))
    for name in replaced:
        made = BATCH.manifest(name, blue(0))
        assert control_plane.request("POST", BATCH.path(space), made).status == 201
    for name in moved:
        merge(control_plane, BATCH.path(space, name), app="serve")
    before = snapshot(control_plane, [space])

    ended = tool.run("apply", planned["runFile"], "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["reasons"] == {
        "applied": {"patched": 25},
        "skipped": {"gone": 5, "replaced": 5, "no-longer-matches": 5},
    }
    by_name = {one["name"]: one["reason"] for one in tool.targets(planned["run"])}
    for reason, concerned in (
        ("gone", gone),
        ("replaced", replaced),
        ("no-longer-matches", moved),
    ):
        assert {by_name[name] for name in concerned} == {reason}
    after = snapshot(control_plane, [space])
    assert after.keys() == before.keys(), "nothing is created again"
    for key, was in before.items():
        if key[2] in (*replaced, *moved):
            assert after[key] == was
