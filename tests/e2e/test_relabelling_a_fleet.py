"""The campaign that the project is for, on a real API server: thousands of jobs relabelled.

Covered: 2,500 batch Jobs and 500 custom resources of four kinds in 20 namespaces; globs with an
exclusion and a selector; labels set, removed and renamed with an annotation; the untouched by
their resourceVersion; the run file, the log and the JSON answers against what an independent
reader finds; applying again.
Left out: other writers (test_other_writers.py), a server in trouble (test_trouble.py).
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.control_plane import JOB_KINDS, ControlPlane
from tests.e2e.fleets import BATCH, Snapshot, namespaces, snapshot, versions
from tests.e2e.tool import Tool, plan

pytestmark = pytest.mark.control_plane

KINDS = tuple(JOB_KINDS.values())
CUSTOM = tuple(kind for kind in KINDS if kind != BATCH)
NOTE = "fleet.example.com/campaign"


def labels(index: int) -> dict[str, str]:
    made = {"app": ("etl", "train", "serve")[index % 3], "tier": "std" if index % 4 else "gold"}
    if index % 5:
        made["owner"] = f"owner-{index % 7}"
    if index % 2:
        made["stale"] = "yes"
    return made


def is_selected(space: str, had: dict[str, str]) -> bool:
    return "-legacy-" not in space and had["app"] in {"etl", "train"} and had["tier"] != "gold"


def relabelled(had: dict[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in had.items() if key not in {"owner", "stale"}}
    owner = {"team-owner": had["owner"]} if "owner" in had else {}
    return kept | owner | {"cost-centre": "4711"}


@dataclass(frozen=True)
class Fleet:
    """20 namespaces full of jobs; `beginning` is that of their names."""

    control_plane: ControlPlane
    spaces: list[str]

    @property
    def beginning(self) -> str:
        return self.spaces[0].removesuffix("team-00")

    def look(self) -> Snapshot:
        return snapshot(self.control_plane, self.spaces, KINDS)


@pytest.fixture
def fleet(control_plane: ControlPlane) -> Fleet:
    endings = [f"team-{number:02}" for number in range(17)]
    spaces = namespaces(control_plane, *endings, "legacy-a", "legacy-b", "legacy-c")
    for space in spaces:
        control_plane.create_jobs(125, space, labels=labels)
    for number, kind in enumerate(CUSTOM):
        for space in spaces[number::4]:
            control_plane.create_jobs(25, space, kind, labels=labels)
    return Fleet(control_plane, spaces)


def relabel(fleet: Fleet) -> dict[str, Any]:
    return plan(
        "relabel",
        {
            "kinds": ["jobs.batch", "jobs.batch.volcano.sh", "tfjobs", "mxjobs", "pytorchjobs"],
            "namespaces": [f"{fleet.beginning}*", "!*-legacy-*"],
            "selector": "app in (etl, train), tier != gold",
        },
        patch={
            "labels": {"cost-centre": "4711", "stale": None},
            "renameLabels": {"owner": "team-owner"},
            "annotations": {NOTE: "q4"},
        },
    )


def test_exactly_the_selected_objects_are_changed_once_and_all_of_it_is_on_record(
    fleet: Fleet, tool: Tool
) -> None:
    assert tool.kubeconfig is not None
    fleet.control_plane.kubeconfig(tool.kubeconfig, user="alice")
    file = tool.write("relabel.yaml", relabel(fleet))
    before = fleet.look()
    assert len(before) == 3000
    chosen = {key for key, seen in before.items() if is_selected(key[1], seen["labels"])}
    assert 750 < len(chosen) < 1750

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    answer = ended.json
    after = fleet.look()
    assert after.keys() == before.keys()
    for key, was in before.items():
        now = after[key]
        if key in chosen:
            assert now["labels"] == relabelled(was["labels"])
            assert now["annotations"] == {NOTE: "q4"}
            assert now["uid"] == was["uid"]
            assert now["resourceVersion"] != was["resourceVersion"]
        else:
            assert now == was
    assert answer["state"] == "finished"
    assert answer["targets"] == answer["outcomes"]["applied"] == len(chosen)
    assert answer["reasons"] == {"applied": {"patched": len(chosen)}}
    assert answer["requests"]["patch"] == len(chosen)
    assert answer["requests"]["get"] < 100, "discovery, and nothing read twice"
    assert answer["retries"] == 0
    says_the_same_on_record(tool, answer, before, chosen)
    sends_nothing_again(fleet, tool, len(chosen))


def says_the_same_on_record(
    tool: Tool, answer: Any, before: Snapshot, chosen: set[tuple[str, str, str]]
) -> None:
    # The status adds how a session gets on.
    seen = tool.run("status", answer["run"], "-o", "json").json
    assert {key: seen[key] for key in answer} == answer
    targets = tool.targets(answer["runFile"])
    assert {(one["kind"], one["namespace"], one["name"]) for one in targets} == chosen
    for one in targets:
        was = before[one["kind"], one["namespace"], one["name"]]
        assert (one["uid"], one["outcome"], one["attempts"]) == (was["uid"], "applied", 1)
        assert one["before"]["metadata.labels.owner"] == was["labels"].get("owner")
    events = tool.log(answer["runFile"])
    told_of = Counter(event["event"] for event in events)
    # How often the pace changes is the machine's affair.
    del told_of["pace.changed"]
    assert told_of == {
        "plan.expanded": 1,
        "run.started": 1,
        "target.applied": len(chosen),
        "run.finished": 1,
    }
    logged = {event["uid"] for event in events if event["event"] == "target.applied"}
    assert logged == {one["uid"] for one in targets}
    assert {event["run"] for event in events} == {answer["run"]}


def sends_nothing_again(fleet: Fleet, tool: Tool, count: int) -> None:
    file = tool.folder / "relabel.yaml"
    settled = versions(fleet.look())

    again = tool.run("apply", file, "--yes", "-o", "json")

    assert again.code == 0, again.err
    assert again.json["requests"]["patch"] == 0
    assert again.json["reasons"] == {"unchanged": {"already-set": count}}
    assert versions(fleet.look()) == settled
