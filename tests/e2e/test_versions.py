"""Servers of different versions: what an apply replaces is shown, and restored by undo.

Covered: a node selector on servers of 1.20, 1.36, a version between, and one that does not say its
version; that the version is asked once, and only where the patch needs it; the server's own schema,
which is kept with the run; nulls that a current server drops. Left out: the other rules
(tests/rules/patching/test_merging_by_version), real servers (tests/differential).
"""

from typing import Any

import pytest

from tests.e2e.tool import Tool, plan
from tests.e2e.versions import SCHEMA, versioned
from tests.rules.patching.server_schemas import document

OTHERS = {"zone": "a", "disk": "ssd"}
POD = "spec.template.spec"
APPLY = {
    "apply": {"spec": {"template": {"spec": {"nodeSelector": {"pool": "gpu"}}}}},
    "force": True,
}
NULL = {"strategic": {"spec": {"template": {"metadata": {"annotations": {"note": None}}}}}}
JOBS = {"kinds": ["jobs.batch"], "selector": "app"}


def planned(tool: Tool, patch: dict[str, Any]) -> Any:
    ended = tool.run("plan", tool.write("plan.yaml", plan("pool", JOBS, patch=patch)), "-o", "json")
    assert ended.code == 0, ended.err
    return ended.json


def applied(tool: Tool, run: str) -> Any:
    ended = tool.run("apply", run, "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    return ended.json


@pytest.mark.parametrize(
    ("version", "current"),
    [
        ("v1.20.2", False),
        ("v1.36.2", True),
        ("v1.28.0", True),
        ("v1.28.0", False),
        (None, True),
        ("CCI", False),
    ],
)
def test_undo_restores_every_key_of_a_node_selector(
    tool: Tool, version: str | None, current: bool
) -> None:
    assert tool.kubeconfig is not None
    with versioned(tool.kubeconfig, version, {"nodeSelector": OTHERS}, current=current) as server:
        planned(tool, APPLY)
        assert applied(tool, "pool")["outcomes"]["applied"] == 1
        assert server.pod["nodeSelector"] == (
            {"pool": "gpu"} if current else {**OTHERS, "pool": "gpu"}
        )

        undone = tool.run("undo", "pool", "--yes", "-o", "json")

        assert undone.code == 0, undone.err
        assert server.pod["nodeSelector"] == OTHERS


def test_a_preview_shows_the_keys_that_a_current_server_removes(tool: Tool) -> None:
    assert tool.kubeconfig is not None
    with versioned(tool.kubeconfig, "v1.36.2", {"nodeSelector": OTHERS}, current=True):
        (sample,) = planned(tool, APPLY)["samples"]

    assert sample["before"] == {f"{POD}.nodeSelector": OTHERS}
    assert sample["after"] == {f"{POD}.nodeSelector": {"pool": "gpu"}}


@pytest.mark.parametrize(
    ("version", "undecided"),
    [
        ("v1.20.2", []),
        ("v1.36.2", []),
        ("v1.28.0", [f"{POD}.nodeSelector of jobs.batch"]),
        ("v1.37.0", [f"{POD}.nodeSelector of jobs.batch"]),
        ("CCI", [f"{POD}.nodeSelector of jobs.batch"]),
        (None, [f"{POD}.nodeSelector of jobs.batch"]),
    ],
)
def test_a_preview_says_where_the_version_leaves_it_to_the_server(
    tool: Tool, version: str | None, undecided: list[str]
) -> None:
    assert tool.kubeconfig is not None
    with versioned(tool.kubeconfig, version, {"nodeSelector": OTHERS}, current=True):
        assert planned(tool, APPLY)["undecided"] == undecided


@pytest.mark.parametrize("merges_as", ["1.36", "1.20"])
@pytest.mark.parametrize("version", ["v1.31.4", "v1.37.0", None])
def test_the_servers_own_schema_decides(tool: Tool, version: str | None, merges_as: str) -> None:
    assert tool.kubeconfig is not None
    current = merges_as == "1.36"
    spec = {"nodeSelector": OTHERS}
    with versioned(tool.kubeconfig, version, spec, current=current) as server:
        server.schema = document(merges_as)
        preview = planned(tool, APPLY)
        ended = applied(tool, "pool")
        undone = tool.run("undo", "pool", "--yes", "-o", "json")

        assert preview["undecided"] == []
        (sample,) = preview["samples"]
        assert sample["after"] == (
            {f"{POD}.nodeSelector": {"pool": "gpu"}}
            if current
            else {f"{POD}.nodeSelector.pool": "gpu"}
        )
        assert ended["outcomes"]["applied"] == undone.json["outcomes"]["applied"] == 1
        assert server.pod["nodeSelector"] == OTHERS
        # What was read once is kept with the run.
        assert server.asked[SCHEMA] == 1


def test_a_conflict_is_resolved_by_the_schema_that_was_read_for_the_plan(tool: Tool) -> None:
    assert tool.kubeconfig is not None
    with versioned(tool.kubeconfig, "v1.31.4", {"nodeSelector": OTHERS}, current=False) as server:
        server.schema = document("1.20")
        guards = {"onDrift": "overwrite"}
        file = tool.write("plan.yaml", plan("pool", JOBS, patch=APPLY, guards=guards))
        assert tool.run("plan", file).code == 0
        server.schema = document("1.36")
        server.write({"spec": {"template": {"spec": {"nodeSelector": {"pool": "theirs"}}}}})

        assert applied(tool, "pool")["outcomes"]["applied"] == 1
        undone = tool.run("undo", "pool", "--yes")

        assert undone.code == 0, undone.err
        assert server.pod["nodeSelector"] == {**OTHERS, "pool": "theirs"}
        assert server.asked[SCHEMA] == 1


@pytest.mark.parametrize("version", ["v1.20.2", "v1.23.0"])
def test_a_schema_is_not_requested_of_servers_that_do_not_publish_it(
    tool: Tool, version: str
) -> None:
    assert tool.kubeconfig is not None
    with versioned(tool.kubeconfig, version, {"nodeSelector": OTHERS}, current=True) as server:
        planned(tool, APPLY)

        assert server.asked[SCHEMA] == 0


@pytest.mark.parametrize("patch", [APPLY, NULL], ids=["apply", "strategic"])
def test_the_version_is_asked_once_in_a_run(tool: Tool, patch: dict[str, Any]) -> None:
    assert tool.kubeconfig is not None
    with versioned(tool.kubeconfig, "v1.36.2", {"nodeSelector": OTHERS}, current=True) as server:
        planned(tool, patch)
        applied(tool, "pool")

        assert server.asked["/version"] == 1


@pytest.mark.parametrize(
    "patch",
    [
        {"labels": {"team": "red"}},
        {"merge": {"metadata": {"labels": {"team": "red"}}}},
        {"json": [{"op": "add", "path": "/metadata/labels/team", "value": "red"}]},
    ],
    ids=["labels", "merge", "json"],
)
def test_the_version_is_not_asked_where_the_patch_does_not_need_it(
    tool: Tool, patch: dict[str, Any]
) -> None:
    assert tool.kubeconfig is not None
    with versioned(tool.kubeconfig, "v1.36.2", {}, current=True) as server:
        planned(tool, patch)

        assert server.asked["/version"] == 0


@pytest.mark.parametrize("version", ["v1.36.2", None])
@pytest.mark.parametrize(
    "patch",
    [
        NULL,
        {
            "strategic": {
                "spec": {"template": {"spec": {"volumes": [{"name": "a", "$patch": "delete"}]}}}
            }
        },
    ],
    ids=["null", "delete"],
)
def test_a_field_that_a_current_server_drops_is_unchanged(
    tool: Tool, version: str | None, patch: dict[str, Any]
) -> None:
    assert tool.kubeconfig is not None
    with versioned(tool.kubeconfig, version, {}, current=True):
        planned(tool, patch)
        answer = applied(tool, "pool")

    assert answer["reasons"] == {"unchanged": {"already-set": 1}}
