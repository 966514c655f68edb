"""Expressions of a plan that workers evaluate yield the run that one process plans.

On real worker processes. Covered: labels by a table and a namespace, bodies by whole objects,
errors that are skipped, keys without a row, a list of objects, dependents with the values of their
owner. Left out: what expressions yield (tests/cel), the messages (test_reading.py).
"""

from pathlib import Path
from typing import Any

import pytest

from fleetpatch.journal import queries, tables
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.outcome import Reason
from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, plan
from tests.workers.conftest import Clusters, Dask, put_in_place_of_a

ROWS = "app,centre\netl,4711\ntrain,0815\n"
COSTS = {"costs": {"file": "costs.csv", "key": "app"}}
BY_TABLE = "tables.costs[object.metadata.labels.app].centre"
LABELS = {
    "labels": {
        "centre": {"cel": BY_TABLE},
        # Not valid for some.
        "digits": {"cel": "object.metadata.name.matches('[13579]$') ? 'a b' : 'ab'"},
        "space": {"cel": "namespaceObject.metadata.name + '-' + cluster"},
    }
}
BODY = {"merge": {"spec": {"parallelism": {"cel": "object.spec.parallelism + 1"}}}}
JOBS: dict[str, Any] = {"kinds": ["jobs.batch"], "selector": "app"}
HALF = {"where": "object.metadata.labels.app in tables.costs && object.spec.parallelism < 100"}
SKIP = {"onError": "skip"}


def plan_file(clusters: Clusters, block: Any, patch: Any) -> Path:
    fleet = [{"name": name, "context": name} for name in clusters.servers]
    sections = {"fleet": fleet, "tables": COSTS, "guards": SKIP}
    clusters.tool.write("costs.csv", ROWS)
    return clusters.tool.write("plan.yaml", plan("spread", block, patch=patch, **sections))


def planned(tool: Tool, file: Path, *words: object) -> tuple[Any, ...]:
    """Plan a run; return all that it has of targets, tables and lookups."""
    ended = tool.run("plan", file, "-o", "json", *words)
    assert ended.code == 0, ended.err
    with RunFile.open(Path(ended.json["runFile"])) as run:
        found = [(one.target, one.standing, one.settlement) for one in queries.targets(run)]
        return found, tables.tables_of(run), tables.missing_keys_of(run)


@pytest.mark.parametrize("patch", [LABELS, BODY], ids=["labels", "body"])
@pytest.mark.parametrize("where", [{}, HALF], ids=["all", "where"])
def test_workers_evaluate_what_one_process_does(
    dask: Dask, clusters: Clusters, patch: Any, where: Any
) -> None:
    file = plan_file(clusters, JOBS | where, patch)

    alone, over = (
        planned(clusters.tool, file, *words) for words in ((), ("--workers", dask.address))
    )

    assert over == alone
    reasons = {settlement and settlement.reason for _, _, settlement in alone[0]}
    assert reasons == {None} | ({Reason.INAPPLICABLE} if patch is LABELS else set())


def test_a_list_of_objects_is_evaluated_by_the_workers_of_its_clusters(
    dask: Dask, clusters: Clusters
) -> None:
    listed = clusters.servers["a"].client.request("GET", "/apis/batch/v1/jobs").body["items"]
    names = [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in listed[:7]]
    clusters.tool.write("objects.txt", "\n".join([*names, "team-a/there-is-none"]))
    block = {"kinds": ["jobs.batch"], "objects": {"file": "objects.txt"}} | HALF
    file = plan_file(clusters, block, LABELS)

    alone, over = (
        planned(clusters.tool, file, *words) for words in ((), ("--workers", dask.address))
    )

    assert over == alone
    assert len(alone[0]) > 1


def test_dependents_have_the_values_of_their_owners(
    dask: Dask, tool: Tool, clusters: Clusters
) -> None:
    (tool.folder / "pods").mkdir()
    with sandbox(Tool(tool.folder / "pods"), jobs=20, namespaces=2, pods=2) as server:
        put_in_place_of_a(server, dask, tool)
        clusters.servers["a"] = server
        block = JOBS | {"dependents": ["pods"]} | HALF
        patch = {"labels": {"parallel": {"cel": "string(owner.spec.parallelism)"}}}
        file = plan_file(clusters, block, patch)

        alone, over = (
            planned(clusters.tool, file, *words) for words in ((), ("--workers", dask.address))
        )

    assert over == alone
    assert {target.resource.name for target, *_ in alone[0]} == {"jobs.batch", "pods"}
