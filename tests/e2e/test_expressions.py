"""Plans with expressions, on a sandbox: where, values of labels and bodies, tables, onError.

Covered: apply, a second apply that sends nothing, undo; previews; refusals; the recheck of `where`.
Left out: what single expressions yield (tests/cel), and the child process (tests/evaluation).
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.cli.calling import Caller, Ended
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

JOBS = 60


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=JOBS, namespaces=4) as served:
        yield served


def write(tool: Tool, patch: dict[str, Any], where: str = "", **more: Any) -> Any:
    block: dict[str, Any] = {"kinds": ["jobs.batch"], "selector": "app"}
    if where:
        block["where"] = where
    return tool.write("plan.yaml", plan("computed", block, patch=patch, **more))


def jobs(server: SandboxServer) -> dict[str, Any]:
    """Return all batch Jobs, by namespace and name."""
    items = server.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    return {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in items}


def content(server: SandboxServer) -> dict[str, Any]:
    """Return what undo restores: labels, annotations and specs."""
    return {
        name: (one["metadata"].get("labels"), one["metadata"].get("annotations"), one["spec"])
        for name, one in jobs(server).items()
    }


def ok(ended: Ended) -> Any:
    assert ended.code == 0, ended.err
    return ended.json


def test_labels_follow_from_a_table_and_the_namespace_and_are_undone(
    server: SandboxServer, tool: Tool, call: Caller
) -> None:
    before = content(server)
    spaces = sorted({name.partition("/")[0] for name in before})
    rows = "".join(f"{space},cc-{at}\n" for at, space in enumerate(spaces))
    tool.write("costs.csv", f"space,centre\n{rows}")
    file = write(
        tool,
        {
            "labels": {
                "cost-centre": {"cel": "tables.costs[variables.space].centre"},
                "in": {"cel": "namespaceObject.metadata.name"},
                "depth": {"cel": "object.metadata.?labels['no-such-label']"},
            },
            "annotations": {"note": {"cel": "cluster + ' ' + object.kind"}},
        },
        tables={"costs": {"file": "costs.csv", "key": "space"}},
        variables={"space": "object.metadata.namespace"},
    )

    applied = ok(call("apply", file, "--yes", "-o", "json"))

    found = jobs(server)
    assert applied["outcomes"]["applied"] == len(found) > 0
    for name, job in found.items():
        space = name.partition("/")[0]
        labels = job["metadata"]["labels"]
        assert labels["cost-centre"] == f"cc-{spaces.index(space)}"
        assert labels["in"] == space
        assert "depth" not in labels
        assert job["metadata"]["annotations"]["note"].endswith(" Job")
    sent = server.sent()
    ok(call("apply", file, "--yes", "-o", "json", "--new"))
    assert server.sent() == sent
    ok(call("undo", applied["run"], "--yes", "-o", "json"))
    assert content(server) == before


def test_only_objects_for_which_where_is_true_are_targets(
    server: SandboxServer, tool: Tool, call: Caller
) -> None:
    chosen = sorted(jobs(server))[:5]
    names = ", ".join(f'"{name.partition("/")[2]}"' for name in chosen)
    where = f"object.metadata.name in [{names}] && object.spec.parallelism == 1"
    file = write(tool, {"labels": {"a": "b"}}, where)

    planned = ok(call("plan", file, "-o", "json"))
    ok(call("apply", file, "--yes", "-o", "json"))

    labelled = sorted(n for n, job in jobs(server).items() if "a" in job["metadata"]["labels"])
    assert labelled == chosen
    assert planned["targets"] == len(chosen)


def test_a_body_is_computed_previewed_applied_and_undone(
    server: SandboxServer, tool: Tool, call: Caller
) -> None:
    before = content(server)
    body = {
        "spec": {
            "ttlSecondsAfterFinished": {"cel": "object.spec.parallelism * 60 + 1"},
            "suspend": {"cel": "object.spec.?suspend"},
        },
        "metadata": {"annotations": {"sizes": {"cel": "string(size(object.spec.template.spec))"}}},
    }
    file = write(tool, {"merge": body})

    planned = ok(call("plan", file, "-o", "json"))
    applied = ok(call("apply", file, "--yes", "-o", "json"))

    assert planned["samples"][0]["after"]["spec.ttlSecondsAfterFinished"] == 61
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in jobs(server).values()} == {61}
    assert applied["outcomes"]["applied"] == len(before)
    sent = server.sent()
    ok(call("apply", file, "--yes", "-o", "json", "--new"))
    assert server.sent() == sent
    ok(call("undo", applied["run"], "--yes", "-o", "json"))
    assert content(server) == before


def test_a_failing_expression_refuses_the_plan_with_counts_and_cause(
    server: SandboxServer, tool: Tool, call: Caller
) -> None:
    tool.write("costs.csv", "team,centre\nnobody,1\n")
    file = write(
        tool,
        {"labels": {"cc": {"cel": "tables.costs[object.metadata.namespace].centre"}}},
        tables={"costs": {"file": "costs.csv", "key": "team"}},
    )

    refused = call("apply", file, "--yes")

    count = len(jobs(server))
    assert refused.code == 2
    assert f"have no valid value for {count} of the objects: jobs.batch " in refused.err
    assert "patch.labels.cc: the table costs has no row '" in refused.err
    assert "guards.onError: skip" in refused.err
    assert server.sent() == 0


def test_a_refusal_in_json_has_all_missing_keys_with_counts(
    server: SandboxServer, tool: Tool, call: Caller
) -> None:
    tool.write("costs.csv", "team,centre\nnobody,1\n")
    file = write(
        tool,
        {"labels": {"cc": {"cel": "tables.costs[object.metadata.namespace].centre"}}},
        tables={"costs": {"file": "costs.csv", "key": "team"}},
    )

    refused = call("apply", file, "--yes", "-o", "json")

    counts = Counter(name.partition("/")[0] for name in jobs(server))
    missing = [{"table": "costs", "key": key, "count": counts[key]} for key in counts]
    assert refused.code == 2
    assert refused.json["objects"] == len(jobs(server))
    assert sorted(refused.json["missingKeys"], key=str) == sorted(missing, key=str)
    skipping = {**json.loads(file.read_text()), "guards": {"onError": "skip"}}
    planned = ok(call("plan", tool.write("plan.yaml", skipping), "-o", "json"))
    assert planned["missingKeys"] == refused.json["missingKeys"]


def test_objects_for_which_an_expression_fails_may_be_skipped(
    server: SandboxServer, tool: Tool, call: Caller
) -> None:
    some = min(jobs(server)).partition("/")[0]
    tool.write("costs.csv", f"team,centre\n{some},1\n")
    file = write(
        tool,
        {"labels": {"cc": {"cel": "tables.costs[object.metadata.namespace].centre"}}},
        tables={"costs": {"file": "costs.csv", "key": "team"}},
        guards={"onError": "skip"},
    )

    applied = ok(call("apply", file, "--yes", "-o", "json"))

    has = {name for name, job in jobs(server).items() if "cc" in job["metadata"]["labels"]}
    assert has == {name for name in jobs(server) if name.startswith(f"{some}/")}
    assert applied["reasons"]["skipped"] == {"inapplicable": len(jobs(server)) - len(has)}


@pytest.mark.parametrize(
    ("cel", "what"),
    [
        ("object.spec.parallelism", "is the number 1, and must be text; write string(...)"),
        ("object.spec", "is a map, and must be text; write string(...)"),
        ("object.metadata.name + ' x'", "is not a valid label value"),
    ],
)
def test_a_value_passes_the_checks_of_a_literal(
    server: SandboxServer, tool: Tool, call: Caller, cel: str, what: str
) -> None:
    refused = call("plan", write(tool, {"labels": {"a": {"cel": cel}}}))

    assert refused.code == 2
    assert what in refused.err
    assert server.sent() == 0


def after_plan(server: SandboxServer, target: dict[str, Any], labels: dict[str, Any]) -> None:
    """Change labels of a planned object, as another writer does."""
    path = f"/apis/batch/v1/namespaces/{target['namespace']}/jobs/{target['name']}"
    body = {"metadata": {"labels": labels}}
    answer = server.client.request("PATCH", path, body, "application/merge-patch+json")
    assert answer.status == 200


def test_where_is_asked_again_about_an_object_that_was_changed(
    server: SandboxServer, tool: Tool, call: Caller
) -> None:
    spaces = sorted({name.partition("/")[0] for name in jobs(server)})
    tool.write("known.csv", "space,yes\n" + "".join(f"{one},1\n" for one in spaces))
    where = (
        "object.spec.parallelism == 1 && object.metadata.namespace in tables.known"
        " && !('leave' in object.metadata.labels) && object.metadata.labels['tier'] != ''"
    )
    file = write(
        tool,
        {"labels": {"a": {"cel": "'b'"}}},
        where,
        tables={"known": {"file": "known.csv", "key": "space"}},
    )
    run = ok(call("plan", file, "-o", "json"))["run"]
    first, second, third = tool.targets(run)[:3]
    after_plan(server, first, {"leave": "alone"})
    after_plan(server, second, {"other": "label"})
    after_plan(server, third, {"tier": None})
    # The table is not read again: the run file has it.
    tool.write("known.csv", "space,yes\nnobody,1\n")

    applied = ok(call("apply", run, "--yes", "-o", "json"))

    assert applied["reasons"]["skipped"] == {"no-longer-matches": 1, "inapplicable": 1}
    ended = {one["name"]: one for one in tool.targets(run)}
    assert ended[first["name"]]["reason"] == "no-longer-matches"
    assert ended[second["name"]]["reason"] == "patched"
    assert ended[third["name"]]["detail"] == "where: no such key: tier"


def test_an_undo_does_not_ask_where(server: SandboxServer, tool: Tool, call: Caller) -> None:
    before = content(server)
    file = write(tool, {"labels": {"a": "b"}}, "!('a' in object.metadata.labels)")
    run = ok(call("apply", file, "--yes", "-o", "json"))["run"]

    ok(call("undo", run, "--yes", "-o", "json"))

    assert content(server) == before


def test_a_drifted_object_keeps_its_value_or_gets_the_frozen_one(
    server: SandboxServer, tool: Tool, call: Caller
) -> None:
    file = write(
        tool,
        {"labels": {"was": {"cel": "object.metadata.labels['app']"}}},
        guards={"onDrift": "overwrite"},
    )
    run = ok(call("plan", file, "-o", "json"))["run"]
    target = tool.targets(run)[0]
    after_plan(server, target, {"was": "x", "app": "changed"})

    applied = ok(call("apply", run, "--yes", "-o", "json"))

    assert "skipped" not in applied["reasons"]
    labels = jobs(server)[f"{target['namespace']}/{target['name']}"]["metadata"]["labels"]
    assert labels["was"] == target["after"]["metadata.labels.was"] != "changed"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE computed SET fields = replace(fields, '61', '62')",
        "UPDATE tables SET content = replace(content, 'yes', 'no')",
    ],
)
def test_frozen_values_and_tables_that_were_changed_are_refused(
    server: SandboxServer, tool: Tool, call: Caller, change: str
) -> None:
    rows = "".join(f"{name.partition('/')[2]},yes\n" for name in jobs(server))
    tool.write("known.csv", f"name,x\n{rows}")
    file = write(
        tool,
        {"merge": {"spec": {"ttlSecondsAfterFinished": {"cel": "60 + object.spec.parallelism"}}}},
        "object.metadata.name in tables.known",
        tables={"known": {"file": "known.csv", "key": "name"}},
    )
    planned = ok(call("plan", file, "-o", "json"))
    with closing(sqlite3.connect(planned["runFile"])) as database, database:
        assert database.execute(change).rowcount > 0

    refused = call("apply", planned["run"], "--yes")

    assert refused.code == 1
    assert "its targets or facts were changed" in refused.err
    assert server.sent() == 0
