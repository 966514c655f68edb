"""Verification over workers: they read the objects, and the coordinator keeps what was found.

Covered: `verify` in a plan with waves, and the verb. Left out: what is found, and what follows from
it (tests/e2e/test_verification.py, tests/e2e/test_verifying_plans.py).
"""

from typing import Any

from tests.workers.conftest import Clusters, Dask

MERGE = "application/merge-patch+json"


def test_workers_read_the_objects_of_each_wave_and_of_the_run(
    dask: Dask, clusters: Clusters
) -> None:
    more: dict[str, Any] = {"verify": {"after": "0s"}, "waves": {"sizes": [3, "100%"]}}

    ended = clusters.tool.run(
        "apply", clusters.plan("new", **more), "--yes", "-o", "json", "--workers", dask.address
    )

    assert ended.code == 0, ended.err
    assert ended.json["verification"]["results"]["holds"] == clusters.targets
    lines = [line for line in clusters.log() if line["event"] == "run.verified"]
    assert [(line["wave"], line["targets"]) for line in lines] == [(1, 3), (None, clusters.targets)]
    # What the workers read is counted, too.
    assert ended.json["requests"]["get"] >= clusters.targets + 3


def test_a_run_is_verified_over_workers_as_without_them(dask: Dask, clusters: Clusters) -> None:
    assert clusters.tool.run("apply", clusters.plan("new"), "--yes").code == 0
    changed = clusters.tool.targets("spread")[0]
    path = f"/apis/batch/v1/namespaces/{changed['namespace']}/jobs/{changed['name']}"
    body = {"metadata": {"labels": {"cost": changed["before"]["metadata.labels.cost"]}}}
    server = clusters.servers[changed["cluster"]]
    assert server.client.request("PATCH", path, body, MERGE).status == 200

    ended = clusters.tool.run("verify", "spread", "-o", "json", "--workers", dask.address)

    assert ended.code == 3, ended.err
    (found,) = ended.json["objects"]
    assert (found["name"], found["result"]) == (changed["name"], "reverted")
    assert sum(ended.json["verification"]["results"].values()) == clusters.targets
