"""The network between workers and coordinator is cut, the scheduler killed, a cluster slow.

Counted at the servers, beside another writer: each target is changed once. The large version, with
all faults in a random order, is bench/workers_faults.py.
Left out: workers and a coordinator that are killed or suspended (test_lost_workers.py).
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.tool import Tool, end, eventually, plan
from tests.workers.farm import Farm, OtherWriter
from tests.workers.link import Link
from tests.workers.machines import Machines
from tests.workers.ordeal import Fault, Ordeal, Surroundings, cut_the_link, kill_the_scheduler

CLUSTERS, TARGETS = 3, 40
PACE = {"rate": "20/s", "burst": 1}
"""So slow that a fault is injected before a run ends."""
WITHOUT_STATISTICS = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
}
"""Settings of Dask, whose statistics take a tenth of a CPU."""


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the workers and the coordinator read."""
    return tmp_path_factory.mktemp("workers") / "kubeconfig"


@pytest.fixture(scope="module")
def machines(kubeconfig: Path) -> Iterator[Machines]:
    """A scheduler and two workers; they take seconds to start, so the tests share them."""
    variables = {"KUBECONFIG": str(kubeconfig), **WITHOUT_STATISTICS}
    with Machines.start(kubeconfig.parent, 2, variables) as started:
        yield started


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([cut_the_link] * 2, id="when the link is cut"),
        pytest.param([kill_the_scheduler], id="when the scheduler is killed"),
    ],
)
def test_each_target_is_changed_once(
    faults: list[Fault], machines: Machines, kubeconfig: Path, tmp_path: Path
) -> None:
    generator = random.Random(len(faults))
    with (
        Farm.start(CLUSTERS, TARGETS) as farm,
        Link.start() as link,
        OtherWriter(farm, generator) as writer,
    ):
        kubeconfig.write_text(json.dumps(farm.kubeconfig()))
        around = Surroundings(farm, machines, generator, 0.5, link, worker_timeout=4)
        tool = Tool(tmp_path, kubeconfig, link.variables)

        result = Ordeal(around, tool, writer=writer, pace=PACE).run(faults)

    assert result.violations == []
    assert result.faults.total() == len(faults)


def test_a_cluster_that_does_not_answer_holds_up_no_other_cluster(
    machines: Machines, kubeconfig: Path, tmp_path: Path
) -> None:
    with Farm.start(3, TARGETS) as quick, Farm.start(1, TARGETS, prefix="slow-") as slow:
        kubeconfig.write_text(json.dumps(quick.kubeconfig(slow)))
        tool = Tool(tmp_path, kubeconfig)
        names = [*slow.clusters, *quick.clusters]
        document = plan(
            "slow",
            {"kinds": ["tfjobs.kubeflow.org"], "selector": "app=etl"},
            patch={"labels": {"slow": "yes"}},
            fleet=[{"name": name, "context": name} for name in names],
        )
        run_file = tool.run("plan", tool.write("plan.yaml", document), "-o", "json").json["runFile"]

        def applied() -> Counter[str]:
            lines = tool.log(run_file)
            return Counter(one["cluster"] for one in lines if one["event"] == "target.applied")

        with slow.suspended():
            words = ("apply", run_file, "--yes", "-o", "json", "--workers", machines.address)
            process = tool.fork(*words)
            quick_ones = Counter(dict.fromkeys(quick.clusters, TARGETS))
            eventually(lambda: applied() == quick_ones, "the others to end")
            assert process.poll() is None
        ended = end(process)

        assert ended.code == 0, ended.err
        assert applied() == quick_ones + Counter(dict.fromkeys(slow.clusters, TARGETS))
