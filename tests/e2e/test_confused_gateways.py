"""A gateway that drops the query of a list, or returns the answer to another request.

Covered: lists with objects of other labels, names, namespaces and kinds, or of one uid; PATCHes and
reads that are answered with another object, or with a 404 about another one; a check between
waves whose list is not the one that was asked for. Left out: the rules
(tests/rules/answers/test_identity.py, test_scope.py).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.gateways import Confuses, Forward, Gateway, gateway
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

ETL = {"kinds": ["jobs.batch"], "selector": "app=etl"}
NAMED = ["team-etl-02/etl-job-000080", "team-etl-03/etl-job-000065"]
RED = {"labels": {"colour": "red"}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    folder: Path = tmp_path_factory.mktemp("served")
    with sandbox(Tool(folder), jobs=100) as running:
        yield running


@contextmanager
def behind(tool: Tool, served: SandboxServer, confuses: Confuses) -> Iterator[Gateway]:
    with gateway(served, confuses) as opened:
        assert tool.kubeconfig is not None
        tool.kubeconfig.write_text(served.kubeconfig.read_text())
        opened.redirect(tool.kubeconfig)
        yield opened


def without_query(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    return forward(method, path.partition("?")[0] if method == "GET" else path, body)


def without_namespace(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    parts = path.split("/")
    if method == "GET" and "namespaces" in parts[:-2]:
        at = parts.index("namespaces")
        path = "/".join(parts[:at] + parts[at + 2 :])
    return forward(method, path, body)


def other_kind(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    path = path.replace("/apis/batch/v1/jobs", "/apis/kubeflow.org/v1/tfjobs")
    return forward(method, path, body)


def one_uid(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    status, answer = forward(method, path, body)
    if method == "GET" and "/jobs?" in path:
        document = json.loads(answer)
        for item in document["items"] or ():
            item["metadata"]["uid"] = "u"
        answer = json.dumps(document).encode()
    return status, answer


@pytest.mark.parametrize(
    ("block", "confuses", "message"),
    [
        (ETL, one_uid, "which have the same uid (u); check the proxies and gateways"),
        (ETL, without_query, "its labels do not match the selector app=etl"),
        (
            {"kinds": ["jobs.batch"], "selector": "app", "fieldSelector": "metadata.name=none"},
            without_query,
            "it does not match the field selector metadata.name=none",
        ),
        (
            {**ETL, "namespaces": ["team-a"]},
            without_namespace,
            "only namespace team-a was requested",
        ),
    ],
)
def test_a_list_that_shows_other_objects_ends_the_planning_and_nothing_is_sent(
    tool: Tool, served: SandboxServer, block: dict[str, object], confuses: Confuses, message: str
) -> None:
    with behind(tool, served, confuses) as passed:
        ended = tool.run("apply", tool.write("plan.yaml", plan("p", block, patch=RED)), "--yes")

    assert ended.code == 1, ended
    assert message in ended.err
    assert "the list contains " in ended.err
    assert passed.patches == []
    assert not list(tool.state.glob("runs/*.run"))


def test_one_uid_in_two_lists_is_refused(tool: Tool, served: SandboxServer) -> None:
    # There is a request for each name.
    block = {"kinds": ["jobs.batch"], "objects": NAMED}
    with behind(tool, served, one_uid) as passed:
        ended = tool.run("apply", tool.write("plan.yaml", plan("p", block, patch=RED)), "--yes")

    assert (ended.code, passed.patches) == (1, [])
    assert f"the jobs.batch {' and '.join(NAMED)} have the same uid (u); check the" in ended.err


def test_a_list_of_another_kind_is_refused(tool: Tool, served: SandboxServer) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    merge = {"merge": {"metadata": {"labels": {"colour": "red"}}}}
    with behind(tool, served, other_kind) as passed:
        ended = tool.run("apply", tool.write("plan.yaml", plan("p", block, patch=merge)), "--yes")

    assert (ended.code, passed.patches) == (1, [])
    assert "it is kubeflow.org/v1 TFJob, not batch/v1 Job" in ended.err


def test_an_answer_about_another_object_does_not_count_as_applied(
    tool: Tool, served: SandboxServer
) -> None:
    def swallowed(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Refuse every PATCH, and answer with another object as it would have been."""
        if method != "PATCH":
            return forward(method, path, body)
        _, shown = forward("GET", path.partition("?")[0], b"")
        document = json.loads(shown)
        document["metadata"]["uid"] = "another"
        document["metadata"]["resourceVersion"] = "999999"
        document["metadata"]["labels"]["colour"] = "red"
        return 200, json.dumps(document).encode()

    document = plan("p", ETL, patch=RED, retry={"attempts": 2, "maxDelay": "10ms"})
    with behind(tool, served, swallowed) as passed:
        ended = tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")

    assert ended.json["outcomes"]["applied"] == 0
    assert ended.code == 3
    assert set(ended.json["reasons"]) == {"failed"}
    assert len(passed.patches) > 0


def test_a_target_whose_reads_show_another_object_stays_open(
    tool: Tool, served: SandboxServer
) -> None:
    def stray(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Answer whatever is about one object with another one."""
        status, shown = forward(method, path, body)
        document = json.loads(shown)
        if path.count("/") == 7:
            document["metadata"]["name"] = "another"
            document["metadata"].setdefault("labels", {})["colour"] = "blue"
        return status, json.dumps(document).encode()

    document = plan(
        "p", ETL, patch={"labels": {"colour": "blue"}}, retry={"attempts": 2, "maxDelay": "10ms"}
    )
    with behind(tool, served, stray):
        ended = tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (7, "targets-open"), ended.err
    assert ended.json["outcomes"]["applied"] == 0
    assert ended.json["outcomes"]["pending"] == ended.json["targets"]
    assert "another" in ended.json["cause"]


def test_a_404_about_another_object_does_not_make_ours_gone(
    tool: Tool, served: SandboxServer
) -> None:
    missed: set[str] = set()

    def once_missing(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        name = path.partition("?")[0]
        if method == "PATCH" and name not in missed:
            missed.add(name)
            return forward("GET", name.rpartition("/")[0] + "/no-such-job", b"")
        return forward(method, path, body)

    document = plan("p", ETL, patch={"labels": {"colour": "green"}}, retry={"maxDelay": "10ms"})
    with behind(tool, served, once_missing):
        ended = tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == ended.json["targets"]


def test_a_check_between_waves_does_not_hold_by_a_list_of_other_objects(
    tool: Tool, served: SandboxServer
) -> None:
    waves = {
        "sizes": [1, "100%"],
        "check": {
            "kinds": ["jobs.batch"],
            "selector": "app=none",
            "condition": "Complete",
            "timeout": "5s",
        },
    }

    def checked(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        return forward(method, path.replace("app%3Dnone", "app"), body)

    document = plan("p", ETL, patch={"labels": {"colour": "gold"}}, waves=waves)
    with behind(tool, served, checked) as passed:
        ended = tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")

    assert (ended.code, len(passed.patches)) == (4, 1), ended.err
    assert "do not match the selector app=none" in ended.json["cause"]
