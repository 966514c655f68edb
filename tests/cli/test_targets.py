"""`fleetpatch targets`: what a run did to each object, for people, programs and kubectl.

Covered: the formats, values before and after, each filter alone, repeated and with others, the
limit, a campaign of several runs. Left out: the query (tests/journal), the table (tests/report).
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, plan

Listed: TypeAlias = list[dict[str, Any]]


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """The command line, for a sandbox of 120 jobs in four namespaces."""
    folder = tmp_path_factory.mktemp("targets")
    tool = Tool(folder, folder / "kubeconfig")
    with sandbox(tool, jobs=120, namespaces=4):
        yield tool


@pytest.fixture(scope="module")
def run(tool: Tool) -> str:
    """A run that has painted jobs of two kinds, but for those that have an owner of their own."""
    block = {"kinds": ["jobs.batch", "tfjobs"], "selector": "app"}
    guards = {"onExisting": "skip"}
    file = tool.write("p.yaml", plan("p", block, patch={"labels": {"owner": "zoe"}}, guards=guards))
    ended = tool.run("apply", file, "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    return str(ended.json["run"])


@pytest.fixture(scope="module")
def listed(tool: Tool, run: str) -> Listed:
    """All targets of that run."""
    listed: Listed = tool.run("targets", run, "-o", "json").json
    return listed


def names(listed: Listed, **values: str) -> set[str]:
    return {one["name"] for one in listed if values.items() <= one.items()}


def test_json_is_one_array_and_jsonl_has_an_object_a_line(
    tool: Tool, run: str, listed: Listed
) -> None:
    lines = tool.run("targets", run, "-o", "jsonl").out.splitlines()

    assert len(lines) == len(listed) > 20
    assert [json.loads(line) for line in lines] == listed
    assert {one["run"] for one in listed} == {run}


def test_each_target_has_its_values_before_and_after(listed: Listed) -> None:
    key = "metadata.labels.owner"
    after = {(one["outcome"], one["before"][key], one["after"][key]) for one in listed}

    assert ("applied", None, "zoe") in after
    assert {outcome for outcome, before, left in after if before == left} == {"skipped"}
    assert all(left == "zoe" for outcome, _, left in after if outcome == "applied")


def test_csv_has_a_header_and_the_same_values(tool: Tool, run: str, listed: Listed) -> None:
    rows = list(csv.DictReader(io.StringIO(tool.run("targets", run, "-o", "csv").out)))

    assert [row["name"] for row in rows] == [one["name"] for one in listed]
    assert [json.loads(row["after"]) for row in rows] == [one["after"] for one in listed]
    assert [row["httpStatus"] for row in rows] == [
        "" if one["httpStatus"] is None else str(one["httpStatus"]) for one in listed
    ]


def test_names_are_those_of_kubectl_and_label_reads_them(tool: Tool, run: str) -> None:
    ended = tool.run("targets", run, "--kind", "Job", "-n", "platform", "-o", "name")

    found = ended.out.splitlines()
    assert found
    assert all(name.startswith("job.batch/") for name in found)
    assert ended.err == ""
    again = tool.run("label", *found, "x=1", "-n", "platform", "-y", "-o", "json")
    assert (again.code, again.json["targets"]) == (0, len(found))


def test_names_of_several_namespaces_are_warned_of(tool: Tool, run: str) -> None:
    ended = tool.run("targets", run, "-o", "name")

    assert "warning: these objects are in several namespaces or clusters" in ended.err


@pytest.mark.parametrize("kind", ["Job", "jobs", "job", "jobs.batch", "JOBS.v1.batch"])
def test_a_kind_is_found_by_each_of_its_names(
    tool: Tool, run: str, listed: Listed, kind: str
) -> None:
    found = tool.run("targets", run, "--kind", kind, "-o", "json").json

    assert names(found) == names(listed, kind="jobs.batch")


def test_several_values_of_a_filter_are_alternatives_and_several_filters_all_hold(
    tool: Tool, run: str, listed: Listed
) -> None:
    def found(*words: str) -> set[str]:
        return names(tool.run("targets", run, "-o", "json", *words).json)

    spaces = [space for space, _ in Counter(one["namespace"] for one in listed).most_common(2)]
    in_spaces = names(listed, namespace=spaces[0]) | names(listed, namespace=spaces[1])
    assert found("--namespace", spaces[0], "--namespace", spaces[1]) == in_spaces
    assert found("--kind", "jobs", "--kind", "tfjobs") == names(listed)
    assert found("--outcome", "applied", "--outcome", "skipped") == names(listed)
    assert found("--reason", "exists", "--reason", "patched") == names(listed)
    assert found("--cluster", "sandbox", "--cluster", "sandbox") == names(listed)
    assert found("--kind", "jobs", "--namespace", spaces[0], "--reason", "exists") == names(
        listed, kind="jobs.batch", namespace=spaces[0], reason="exists"
    )


def test_a_namespace_may_be_a_glob(tool: Tool, run: str, listed: Listed) -> None:
    found = tool.run("targets", run, "-n", "team-*", "-o", "json").json

    assert names(found) == {one["name"] for one in listed if one["namespace"].startswith("team-")}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--kind", "pods"), "--kind pods: there are targets of jobs.batch, tfjobs.kubeflow.org"),
        (("--cluster", "prod"), "--cluster prod: there are targets of sandbox"),
    ],
)
def test_a_name_that_no_target_can_have_is_refused(
    tool: Tool, run: str, words: tuple[str, ...], problem: str
) -> None:
    ended = tool.run("targets", run, *words)

    assert (ended.code, ended.out, ended.err) == (2, "", f"fleetpatch: {problem}\n")


def test_a_limit_lists_the_first_and_says_that_there_are_more(
    tool: Tool, run: str, listed: Listed
) -> None:
    some = tool.run("targets", run, "--limit", "3", "-o", "json")
    exact = tool.run("targets", run, "--limit", str(len(listed)), "-o", "json")

    assert some.json == listed[:3]
    assert "There are more targets" in some.err
    assert (exact.json, exact.err) == (listed, "")


def test_no_target_is_an_empty_array_no_line_or_a_sentence(tool: Tool, run: str) -> None:
    def printed(*words: str) -> str:
        return tool.run("targets", run, "--reason", "gone", *words).out

    assert printed("-o", "json") == "[]\n"
    assert printed("-o", "jsonl") == printed("-o", "name") == ""
    assert len(printed("-o", "csv").splitlines()) == 1
    assert printed() == "The run has no such targets.\n"


def test_a_campaign_lists_each_object_once_with_its_latest_outcome_and_the_run(tool: Tool) -> None:
    patch = {"labels": {"colour": "red"}}
    file = tool.write(
        "c.yaml", plan("c", {"kinds": ["jobs.batch"], "selector": "app"}, patch=patch)
    )
    first = tool.run("apply", file, "--yes", "-o", "json").json["run"]
    changed = tool.run("targets", first, "-o", "json", "--limit", "1").json[0]
    words = ("colour=blue", "-n", changed["namespace"], "--overwrite", "-y")
    assert tool.run("label", "jobs.batch", changed["name"], *words).code == 0
    second = tool.run("apply", file, "--yes", "--new", "-o", "json").json["run"]

    listed = tool.run("targets", "c", "-o", "json").json

    assert len(listed) == len({one["uid"] for one in listed}) == 24
    assert {one["run"] for one in listed} == {second}
    assert names(listed, outcome="applied") == {changed["name"]}
    assert tool.run("targets", "c").out.splitlines()[0].split()[:2] == ["RUN", "CLUSTER"]
    assert names(tool.run("targets", "c", "--outcome", "unchanged", "-o", "json").json) == names(
        listed, outcome="unchanged"
    )


def test_the_latest_outcome_is_of_the_run_that_was_carried_out_last(tool: Tool) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    file = tool.write("d.yaml", plan("d", block, patch={"labels": {"shape": "round"}}))
    earlier = tool.run("plan", file, "-o", "json").json["run"]
    assert tool.run("apply", file, "--yes", "--new").code == 0
    assert tool.run("apply", earlier, "--yes").code == 0

    listed = tool.run("targets", "d", "-o", "json").json

    assert {one["run"] for one in listed} == {earlier}
