"""Plans that workers read: the coordinator writes the same run as without workers.

Covered: labels and bodies, an undo that reads first, a cluster that is down, the current context,
names that do not exist. Left out: workers that are lost while they list (test_reading.py).
"""

import json
from typing import Any

import pytest

from tests.workers.conftest import Clusters, Dask

_OWN = {"run", "runFile", "createdAt", "planningSeconds", "elapsedSeconds", "expected"}
"""What differs between two runs of one plan."""


def compared(preview: Any) -> Any:
    """Return a preview without what differs between two runs of one plan."""
    text = json.dumps({key: value for key, value in preview.items() if key not in _OWN})
    return json.loads(text.replace(str(preview["run"]), "RUN"))


@pytest.mark.parametrize("body", ["labels", "append", "applied"])
def test_a_plan_that_workers_read_is_the_plan_without_them(
    dask: Dask, clusters: Clusters, body: str
) -> None:
    # An apply to a custom kind merges by the schema that each server publishes.
    plans = {"labels": clusters.plan, "append": clusters.appending, "applied": clusters.applying}
    file = plans[body]("new")
    alone = clusters.tool.run("plan", file, "-o", "json")
    over = clusters.tool.run("plan", file, "-o", "json", "--workers", dask.address)

    assert over.code == 0, over.err
    assert compared(over.json) == compared(alone.json)
    assert over.json["targets"] == clusters.targets
    assert clusters.sent() == []


def test_an_undo_that_workers_read_leaves_out_what_has_drifted(
    dask: Dask, clusters: Clusters
) -> None:
    assert clusters.tool.run("apply", clusters.plan("new"), "--yes").code == 0
    changed = clusters.tool.targets("spread")[0]
    path = f"/apis/batch/v1/namespaces/{changed['namespace']}/jobs/{changed['name']}"
    server = clusters.servers[changed["cluster"]]
    body = {"metadata": {"labels": {"cost": "theirs"}}}
    answer = server.client.request("PATCH", path, body, "application/merge-patch+json")
    assert answer.status == 200

    ended = clusters.tool.run("undo", "spread", "--yes", "-o", "json", "--workers", dask.address)

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == clusters.targets - 1
    assert ended.json["outcomes"]["skipped"] == 1


def test_a_cluster_that_is_down_is_named_as_without_workers(dask: Dask, clusters: Clusters) -> None:
    file = clusters.plan("new")
    clusters.servers["b"].stop()
    over = clusters.tool.run("plan", file, "--workers", dask.address)

    assert over.code == 1
    assert "cluster b (" in over.notes
    assert "guards.onUnreachable: skip plans the others" in over.notes


def test_a_plan_without_a_fleet_is_for_the_current_context_of_the_workers(
    dask: Dask, clusters: Clusters
) -> None:
    config = json.loads(dask.kubeconfig.read_text()) | {"current-context": "c"}
    dask.kubeconfig.write_text(json.dumps(config))
    document = json.loads(clusters.plan("new").read_text())
    del document["fleet"]
    file = clusters.tool.write("plan.yaml", document)

    over = clusters.tool.run("plan", file, "-o", "json", "--workers", dask.address)

    assert over.code == 0, over.err
    assert [one["name"] for one in over.json["clusters"]] == ["c"]


def test_a_kind_that_is_not_served_has_its_place_in_the_plan(
    dask: Dask, clusters: Clusters
) -> None:
    document = json.loads(clusters.plan("new").read_text())
    document["targets"][0]["kinds"] = ["jobs.batch", "trains.example.com"]
    file = clusters.tool.write("plan.yaml", document)

    alone = clusters.tool.run("plan", file)
    over = clusters.tool.run("plan", file, "--workers", dask.address)

    assert (over.code, over.notes) == (2, alone.notes)
