"""`fleetpatch plan`: what a reviewer sees before anything is sent, on two sandboxes.

Covered: waves, window, ceilings and the expected time from the plan and its targets; totals of
clusters; places where nothing matches, and guards.onEmpty; Markdown; the exit codes.
Left out: the words (tests/report).
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.sandboxes import joined_kubeconfig, sandbox
from tests.e2e.tool import Tool, plan

APP = {"kinds": ["jobs.batch"], "selector": "app"}
PAINT = {"labels": {"colour": "red"}}
FLEET = [{"name": "big", "context": "big"}, {"name": "small", "context": "small"}]


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """The command line, for the contexts `big` (60 batch Jobs) and `small` (2)."""
    folder = tmp_path_factory.mktemp("plans")
    for name in ("big", "small"):
        (folder / name).mkdir()
    with (
        sandbox(Tool(folder / "big"), jobs=300, namespaces=12) as big,
        sandbox(Tool(folder / "small"), jobs=10, namespaces=2) as small,
    ):
        config = joined_kubeconfig({"big": big.kubeconfig, "small": small.kubeconfig})
        file = folder / "kubeconfig"
        file.write_text(json.dumps(config | {"current-context": "big"}))
        yield Tool(folder, file)


def preview(tool: Tool, document: dict[str, Any], *words: str) -> Any:
    """Return the object that `plan -o json` prints."""
    ended = tool.run("plan", tool.write("plan.yaml", document), "-o", "json", *words)
    assert ended.code == 0, ended.err
    return ended.json


def text(tool: Tool, document: dict[str, Any], *words: str) -> str:
    ended = tool.run("plan", tool.write("plan.yaml", document), *words)
    assert ended.code == 0, ended.err
    return ended.out


def test_waves_are_counted_and_the_largest_cluster_of_each_takes_its_time(tool: Tool) -> None:
    waves = {"sizes": [2, "50%", "100%"], "pause": "5m"}
    document = plan("w", APP, patch=PAINT, fleet=FLEET, waves=waves, pace={"rate": "10/s"})

    shown = preview(tool, document)

    assert [wave["targets"] for wave in shown["waves"]] == [2, 31, 29]
    expected = shown["expected"]
    # 60 of the 62 objects are in one cluster, so the other one takes no further time.
    assert 5.8 <= expected["sendingSeconds"] <= 6.2
    assert (expected["pauseSeconds"], expected["rateIsAssumed"]) == (600.0, False)
    assert expected["seconds"] == pytest.approx(600.0 + expected["sendingSeconds"])
    assert "Waves    3: 2, 31, 29 objects; between them a pause of 5 min 0 s\n" in text(
        tool, document
    )


def test_a_closed_window_its_opening_and_the_ceilings_are_shown(tool: Tool) -> None:
    window = {"opens": "0 2 29 2 *", "lasts": "3h", "timezone": "Asia/Shanghai"}
    limits = {"maxFailures": "2%", "deadline": "2h"}
    document = plan("x", APP, patch=PAINT, fleet=FLEET, window=window, limits=limits)

    shown = preview(tool, document)

    assert (shown["window"]["open"], shown["window"]["timezone"]) == (False, "Asia/Shanghai")
    assert shown["window"]["opensAt"].endswith("-02-28T18:00:00Z")
    assert shown["limits"] == {"maxFailures": "2%", "deadlineSeconds": 7200.0}
    assert shown["pace"] == {"rate": None, "concurrency": 128, "adaptive": True}
    assert shown["expected"]["rateIsAssumed"]
    assert "Window   closed; it opens at" in text(tool, document)


def test_each_cluster_has_a_total_and_its_server(tool: Tool) -> None:
    shown = preview(tool, plan("t", APP, patch=PAINT, fleet=FLEET))
    lines = text(tool, plan("t", APP, patch=PAINT, fleet=FLEET)).splitlines()

    assert [(one["name"], one["pending"]) for one in shown["clusters"]] == [
        ("big", 60),
        ("small", 2),
    ]
    assert ["big", "in", "all", "60", "0", "0"] in [line.split() for line in lines]


def test_with_namespaces_every_namespace_is_shown(tool: Tool) -> None:
    document = plan("n", APP, patch=PAINT)
    spaces = {one["namespace"] for one in preview(tool, document)["counts"]}
    assert len(spaces) > 4

    few, all_of_them = text(tool, document), text(tool, document, "--namespaces")

    assert "and " in few
    assert not all(f" {space} " in few for space in spaces)
    assert all(f" {space} " in all_of_them for space in spaces)


def test_a_named_namespace_and_a_cluster_without_a_match_are_rows_with_zeros_and_warnings(
    tool: Tool,
) -> None:
    block = {"kinds": ["jobs.batch"], "namespaces": ["platform", "nowhere"], "selector": "app"}
    none_in_small = {"kinds": ["jobs.batch"], "fieldSelector": "metadata.name=no-such-job"}
    document = plan("e", block, patch=PAINT, fleet=FLEET)
    path = tool.write("plan.yaml", document)

    ended = tool.run("plan", path, "-o", "json")

    assert ended.code == 0
    assert {"cluster": "big", "namespace": "nowhere"} in ended.json["empty"]
    zero = {"pending": 0, "unchanged": 0, "skipped": 0}
    row = {"cluster": "big", "kind": "jobs.batch", "namespace": "nowhere", **zero}
    assert row in ended.json["counts"]
    assert "warning: nothing matches in namespace nowhere of cluster big\n" in ended.err
    name = preview(tool, plan("o", APP, patch=PAINT))["samples"][0]["name"]
    none_in_small["fieldSelector"] = f"metadata.name={name},metadata.namespace!=nowhere"
    alone = tool.run(
        "plan", tool.write("p.yaml", plan("c", none_in_small, patch=PAINT, fleet=FLEET))
    )
    assert "warning: nothing matches in cluster small\n" in alone.err
    assert ["small", "0", "0", "0"] in [line.split() for line in alone.out.splitlines()]


def test_a_guard_refuses_a_plan_with_a_place_where_nothing_matches(tool: Tool) -> None:
    block = {"kinds": ["jobs.batch"], "namespaces": ["platform", "nowhere"], "selector": "app"}
    document = plan("r", block, patch=PAINT, guards={"onEmpty": "refuse"})
    runs = len(list(tool.state.rglob("*.run")))

    ended = tool.run("plan", tool.write("plan.yaml", document))

    assert (ended.code, ended.out) == (2, "")
    assert "guards.onEmpty refuses the plan: nothing matches in namespace nowhere of" in ended.err
    assert len(list(tool.state.rglob("*.run"))) == runs


def test_a_guard_refuses_a_name_of_an_object_that_does_not_exist(tool: Tool) -> None:
    name = preview(tool, plan("o", APP, patch=PAINT))["samples"][0]["name"]
    block = {"kinds": ["jobs.batch"], "names": [name, "nope"]}
    document = plan("g", block, patch=PAINT, guards={"onEmpty": "refuse"})

    ended = tool.run("plan", tool.write("plan.yaml", document))

    assert ended.code == 2
    assert "jobs.batch nope was not found in cluster big" in ended.err


def test_a_plan_that_matches_nothing_at_all_stays_an_error(tool: Tool) -> None:
    document = plan("z", {"kinds": ["jobs.batch"], "selector": "app=nix"}, patch=PAINT)

    ended = tool.run("plan", tool.write("plan.yaml", document), "--exit-code")

    assert (ended.code, ended.out) == (2, "")


def test_the_exit_code_says_whether_there_is_something_to_patch(tool: Tool) -> None:
    changes = tool.write("changes.yaml", plan("y", APP, patch=PAINT))
    same = {"kinds": ["jobs.batch"], "selector": "app=etl"}
    nothing = tool.write("nothing.yaml", plan("s", same, patch={"labels": {"app": "etl"}}))

    assert tool.run("plan", changes).code == 0
    assert tool.run("plan", changes, "--exit-code").code == 8
    assert tool.run("plan", nothing, "--exit-code").code == 0


def test_markdown_names_the_run_that_carries_out_what_was_reviewed(tool: Tool) -> None:
    document = plan("m", APP, patch=PAINT, metadata={"name": "m", "description": "Paint them."})

    shown = text(tool, document, "-o", "markdown")

    assert shown.startswith("## m: 60 of 60 objects to patch\n\nPaint them.\n")
    assert "| cluster | kind | namespace | to patch |" in shown
    words = shown.rstrip().rpartition("`fleetpatch ")[2].rstrip("`").split()
    assert words[:1] + words[2:3] == ["apply", "--digest"]
    assert tool.run(*words, "--dry-run=client").code == 0
