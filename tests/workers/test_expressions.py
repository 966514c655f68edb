"""Plans with expressions over workers: frozen values, and `where` that is asked again.

Covered: a computed body, a table of the run file on a worker. Left out: what expressions yield.
"""

from typing import Any

from tests.e2e.tool import plan
from tests.workers.conftest import Clusters, Dask


def test_workers_send_computed_bodies_and_ask_where_again(dask: Dask, clusters: Clusters) -> None:
    tool = clusters.tool
    fleet = [{"name": name, "context": name} for name in clusters.servers]
    block: dict[str, Any] = {
        "kinds": ["jobs.batch"],
        "selector": "app",
        "where": "!has(object.metadata.annotations) && object.metadata.labels.app in tables.known",
    }
    apps = sorted({"etl", "train", "serve", "ads", "speech", "vision", "ranking"})
    tool.write("known.csv", "app,x\n" + "".join(f"{app},1\n" for app in apps))
    document = plan(
        "spread",
        block,
        patch={"merge": {"metadata": {"labels": {"was": {"cel": "object.metadata.name"}}}}},
        fleet=fleet,
        tables={"known": {"file": "known.csv", "key": "app"}},
    )
    planned = tool.run("plan", tool.write("plan.yaml", document), "-o", "json")
    assert planned.code == 0, planned.err
    listed = tool.targets("spread")
    target = listed[0]
    server = clusters.servers[target["cluster"]]
    path = f"/apis/batch/v1/namespaces/{target['namespace']}/jobs/{target['name']}"
    body = {"metadata": {"annotations": {"hands": "off"}}}
    assert server.client.request("PATCH", path, body, "application/merge-patch+json").status == 200
    tool.write("known.csv", "app,x\nnobody,1\n")

    ended = tool.run("apply", "spread", "--yes", "-o", "json", "--workers", dask.address)

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == len(listed) - 1
    assert ended.json["reasons"]["skipped"] == {"no-longer-matches": 1}
    other = listed[1]
    metadata = clusters.servers[other["cluster"]].metadata(other)
    assert metadata["labels"]["was"] == other["name"]
