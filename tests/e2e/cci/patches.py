"""Patches of each type for the five kinds, and what each kind takes of them.

This is written down here from CCI's pages, apart from the tables that the tool goes by.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e import logins
from tests.e2e.campaigns import Objects
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import plan

JOBS, VOLCANO_JOBS, TFJOBS = "jobs.batch", "jobs.batch.volcano.sh", "tfjobs.kubeflow.org"
TRAINING = (TFJOBS, "mxjobs.kubeflow.org", "pytorchjobs.kubeflow.org")
FIELDS = {
    JOBS: "parallelism",
    VOLCANO_JOBS: "replicas",
    **dict.fromkeys(TRAINING, "activeDeadlineSeconds"),
}
"""A field of each kind's spec that CCI lets change."""

ON_CCI = {
    JOBS: ("labels", "merge", "strategic"),
    VOLCANO_JOBS: ("labels", "annotations", "merge", "json", "strategic"),
    **dict.fromkeys(TRAINING, ("labels", "annotations", "merge")),
}
ON_KUBERNETES = {
    JOBS: ("labels", "annotations", "merge", "json", "strategic", "apply"),
    **dict.fromkeys((VOLCANO_JOBS, *TRAINING), ("labels", "annotations", "merge", "json", "apply")),
}
TYPES = ("merge", "json", "strategic", "apply")

Change: TypeAlias = Callable[[dict[str, Any]], None]


def cases(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(kind, way) for kind, ways in table.items() for way in ways]


def the_patch(kind: str, way: str) -> dict[str, Any]:
    """A patch of this type, with all that it can do to this kind."""
    field = FIELDS[kind]
    document = {"metadata": {"labels": {"cost": "new", "tier": None}}, "spec": {field: 7}}
    match way:
        case "labels":
            return {
                "labels": {"cost": "new", "tier": None},
                "renameLabels": {"owner": "boss"},
                "copyLabels": {"team": "squad"},
            }
        case "annotations":
            return {"annotations": {"example.com/why": "cost, 4711", "example.com/ticket": None}}
        case "json":
            operations = [
                {"op": "add", "path": "/metadata/labels/cost", "value": "new"},
                {"op": "remove", "path": "/metadata/labels/tier"},
                {"op": "add", "path": f"/spec/{field}", "value": 7},
            ]
            return {"json": operations}
        case "apply":
            # The creator of a batch Job owns its parallelism, even if it is the server's default.
            applied = {"metadata": {"labels": {"cost": "new"}}, "spec": {field: 7}}
            return {"apply": applied, "force": True}
        case _:
            return {way: document}


def the_change(kind: str, way: str) -> Change:
    """Return the change that the patch must make to an object."""

    def change(one: dict[str, Any]) -> None:
        metadata = one["metadata"]
        labels = metadata["labels"]
        if way == "annotations":
            annotations = metadata.setdefault("annotations", {})
            annotations.pop("example.com/ticket", None)
            annotations["example.com/why"] = "cost, 4711"
            return
        labels["cost"] = "new"
        if way != "apply":
            labels.pop("tier")
        if way != "labels":
            one["spec"][FIELDS[kind]] = 7
            return
        labels["squad"] = labels["team"]
        if "owner" in labels:
            labels["boss"] = labels.pop("owner")

    return change


def labels(index: int) -> dict[str, str]:
    """Return the fields of an object; the first has no owner."""
    owner = {"owner": f"owner-{index}"} if index else {}
    return {"app": "etl", "tier": "std", "team": f"team-{index}", **owner}


def of_kind(kind: str, change: Change) -> Callable[[Objects], None]:
    def all_of_them(found: Objects) -> None:
        for (each, _, _), one in found.items():
            if each == kind:
                change(one)

    return all_of_them


def know(cloud: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put what opens a server into the environment."""
    for key, value in cloud.credentials.items():
        monkeypatch.setenv(key, value)


def on(
    cloud: SandboxServer, patch: dict[str, Any], *kinds: str, way: str = "token env", **more: Any
) -> dict[str, Any]:
    """A plan for jobs on CCI."""
    block = {"kinds": list(kinds), "selector": "app"}
    fleet = [logins.cluster(cloud, way, Path.cwd())]
    return plan("on-cci", block, patch=patch, **{"fleet": fleet, **more})
