"""`label` and `annotate` with expressions, lists of objects and dependents.

Left out: names and kinds of objects (test_names_and_kinds), what plans do with them (tests/e2e).
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool

JOBS = "/apis/batch/v1/jobs"
PODS = "/api/v1/pods"


@pytest.fixture
def jobs(tool: Tool) -> Iterator[SandboxServer]:
    """A sandbox of 60 jobs in three namespaces, 12 of them batch Jobs, with two pods each."""
    own = Tool(tool.folder, tool.folder / "own.kubeconfig")
    with sandbox(own, jobs=60, namespaces=3, pods=2) as server:
        yield server


def listed(server: SandboxServer, path: str = JOBS) -> list[Any]:
    return [one["metadata"] for one in server.client.request("GET", path).body["items"]]


def test_a_value_follows_from_an_expression(call: Caller, jobs: SandboxServer) -> None:
    expression = 'team:=object.metadata.labels["app"] + "-" + object.metadata.namespace'

    ended = call("label", "jobs.batch", expression, "x=1", "-A", "-l", "app", "--overwrite", "-y")

    assert ended.code == 0, ended.err
    for one in listed(jobs):
        assert one["labels"]["team"] == f"{one['labels']['app']}-{one['namespace']}"
        assert one["labels"]["x"] == "1"


def test_an_annotation_may_follow_from_an_expression_with_equals_signs(
    call: Caller, jobs: SandboxServer
) -> None:
    expression = 'etl:=object.metadata.labels["app"] == "etl" ? "a=b" : "no"'

    ended = call("annotate", "jobs.batch", expression, "-A", "-l", "app", "-y")

    assert ended.code == 0, ended.err
    for one in listed(jobs):
        expected = "a=b" if one["labels"]["app"] == "etl" else "no"
        assert one["annotations"]["etl"] == expected


def test_only_objects_for_which_where_is_true_are_changed(
    call: Caller, jobs: SandboxServer
) -> None:
    where = 'object.metadata.labels["tier"] == "gold"'

    ended = call("label", "jobs.batch", "x=1", "-A", "--where", where, "--yes")

    assert ended.code == 0, ended.err
    for one in listed(jobs):
        assert ("x" in one["labels"]) is (one["labels"]["tier"] == "gold")


def test_the_objects_of_a_file_are_changed_and_missing_ones_are_named(
    call: Caller, tool: Tool, jobs: SandboxServer
) -> None:
    first, *_ = listed(jobs)
    tool.write("ticket.txt", f"{first['namespace']}/{first['name']}\nplatform/nothing\n")

    ended = call("label", "jobs.batch", "x=1", "--objects", "ticket.txt", "--yes")

    assert ended.code == 3
    assert "ticket.txt:2: platform/nothing was not found" in ended.err
    assert [one["name"] for one in listed(jobs) if "x" in one["labels"]] == [first["name"]]


def test_the_objects_of_a_file_are_shown(call: Caller, tool: Tool, jobs: SandboxServer) -> None:
    first, *_ = listed(jobs)
    tool.write("ticket.txt", f"{first['namespace']}/{first['name']}\nplatform/nothing\n")

    ended = call("label", "jobs.batch", "--list", "--objects", "ticket.txt", "-o", "name")

    assert ended.code == 3
    assert ended.out == f"job.batch/{first['name']}\n"
    assert "ticket.txt:2: platform/nothing was not found" in ended.err


def test_dependents_get_a_value_of_their_owner(call: Caller, jobs: SandboxServer) -> None:
    teams = {one["uid"]: one["labels"]["team"] for one in listed(jobs)}

    ended = call(
        *("label", "jobs.batch", 'of:=owner.metadata.labels["team"]', "-A", "-l", "app"),
        *("--dependents", "pods", "--yes", "-o", "json"),
    )

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == 3 * len(teams)
    for pod in listed(jobs, PODS):
        owner = pod["ownerReferences"][0]["uid"]
        assert pod["labels"].get("of") == teams.get(owner)


def test_a_rehearsal_shows_computed_values(call: Caller, jobs: SandboxServer) -> None:
    ended = call(
        *("label", "jobs.batch", "ns:=object.metadata.namespace", "-A", "-l", "app"),
        "--dry-run=client",
    )

    assert ended.code == 0, ended.err
    assert 'label ns: (absent) -> "platform"' in ended.out
    assert jobs.sent() == 0


LABEL = ("label", "jobs.batch")
MISTAKES = [
    ((*LABEL, "a=1", "-A", "--where", "object.metadata.nam =="), r"--where: "),
    ((*LABEL, "a=1", "-A", "--where", '"yes"'), r"--where: "),
    ((*LABEL, "a=1", "-A", "--where", "objekt.metadata.name == ''"), r"--where: .*objekt"),
    ((*LABEL, "a:=1 + 1", "-A", "-l", "app"), r"fleetpatch: a: "),
    ((*LABEL, "a:=", "-A", "-l", "app"), r"fleetpatch: a: "),
    (
        (*LABEL, "a:=tables.costs['x'].y", "-A", "-l", "app"),
        r"fleetpatch: a: there is no table costs",
    ),
    ((*LABEL, "a=1", "a:='2'", "-A", "-l", "app"), r"'a' is given twice"),
    ((*LABEL, "a=1", "--objects", "none.txt"), r"--objects: there is no file none\.txt"),
    ((*LABEL, "a=1", "-A", "--objects", "none.txt"), r"leave -A out"),
    ((*LABEL, "a=1", "-n", "x", "--objects", "none.txt"), r"leave -n out"),
    ((*LABEL, "x", "a=1", "--objects", "none.txt"), r"cannot be combined with --objects"),
    ((*LABEL, "a=1", "-A", "-l", "app", "--dependents", "nothings"), r"--dependents: .*not served"),
    ((*LABEL, "a=1", "-A", "-l", "app", "--dependents", "pods,pods"), r"'pods' is listed twice"),
    ((*LABEL, "--list", "-A", "-l", "app", "--where", "true"), r"leave --where out"),
    ((*LABEL, "--list", "-A", "-l", "app", "--dependents", "pods"), r"leave --dependents out"),
]


@pytest.mark.parametrize(("words", "what"), MISTAKES)
def test_a_mistake_names_its_argument_and_nothing_is_sent(
    call: Caller, jobs: SandboxServer, words: tuple[str, ...], what: str
) -> None:
    ended = call(*words, "--yes")

    assert ended.code == 2, ended.err
    assert re.search(what, ended.err), ended.err
    assert jobs.sent() == 0
