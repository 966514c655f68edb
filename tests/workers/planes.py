"""Two real control planes as two clusters, whose Jobs are changed over workers."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

from fleetpatch.errors import Exit
from tests.control_plane import ControlPlane, OwnControlPlane
from tests.e2e.sandboxes import joined_kubeconfig
from tests.e2e.tool import Tool, end, eventually, plan
from tests.e2e.trial_fleets import APPEND, Fleet, mark
from tests.workers.machines import Machines

NAME = "planes"
CLUSTERS = ("plane-0", "plane-1")


def violations_after_a_kill(
    planes: tuple[ControlPlane, OwnControlPlane], folder: Path, targets: int
) -> Iterator[str]:
    """Change `targets` objects on each of two planes, and kill a worker with requests in flight.

    The second plane is suspended until then, so neither the run nor that worker's part can end.
    Yields each object that is not as it must be, counted by etcd, and other things that are wrong.
    """
    fleets = [Fleet(plane, APPEND, targets) for plane in planes]
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(folder, planes)))
    tool = Tool(folder, kubeconfig)
    with Machines.start(folder, 2, {"KUBECONFIG": str(kubeconfig)}) as machines:
        for fleet in fleets:
            fleet.runs += 1
        planned = tool.run("plan", tool.write("plan.yaml", _plan(fleets, targets)))
        assert planned.code == Exit.OK, planned.err
        where = ("--workers", machines.address, "--worker-timeout", "5s")
        process = tool.start("apply", NAME, "--yes", "-o", "json", *where)
        try:
            _kill_a_worker_mid_run(tool, process, machines, planes[1], targets)
            ended = end(process, 600)
        finally:
            if process.poll() is None:
                process.kill()
                end(process)
        if ended.code != Exit.OK:
            yield f"exit {ended.code}: {ended.err} {ended.out}"
            return
        if ended.json["outcomes"]["applied"] != 2 * targets:
            yield f"the outcomes are {ended.json['outcomes']}"
        if not any(line["event"] == "worker.lost" and line["clusters"] for line in _log(tool)):
            yield "no worker lost a cluster"
        for fleet in fleets:
            yield from fleet.violations()


def _kill_a_worker_mid_run(
    tool: Tool, process: Popen[str], machines: Machines, plane: OwnControlPlane, targets: int
) -> None:
    """Kill the worker of the second plane, which is `plane`, with requests in flight there."""
    few = max(2, targets // 50)
    _wait(tool, process, f"{few} targets on each plane end", lambda seen: _applied(seen) >= few)
    with plane.suspended():
        assert tool.run("pace", NAME, "--rate", "1000/s").code == Exit.OK
        first, second = CLUSTERS
        _wait(
            tool,
            process,
            "the other plane ends",
            lambda seen: not seen["byCluster"][first]["pending"],
        )
        _wait(tool, process, "requests hang", lambda seen: seen["inFlight"] > 0)
        begun = [line for line in _log(tool) if line["event"] == "shard.started"]
        *_, worker = [line["worker"] for line in begun if line["cluster"] == second]
        machines.kill(int(worker.rpartition("-")[2]))


def _wait(
    tool: Tool, process: Popen[str], what: str, holds: Callable[[dict[str, Any]], bool]
) -> None:
    """Wait until something holds for the status of the run; fail if the run ends before."""

    def is_so() -> bool:
        assert process.poll() is None, f"the run ended before: {what}; {end(process)}"
        return holds(tool.run("status", NAME, "-o", "json").json)

    eventually(is_so, what)


def _applied(seen: dict[str, Any]) -> int:
    """Return how many targets were changed on the plane with the fewest of them."""
    applied: list[int] = [seen["byCluster"][name]["applied"] for name in CLUSTERS]
    return min(applied)


def _plan(fleets: list[Fleet], targets: int) -> dict[str, Any]:
    kind = f"{APPEND.kind.plural}.{APPEND.kind.group}"
    spaces = [fleet.namespace for fleet in fleets]
    block = {"kinds": [kind], "namespaces": spaces, "selector": "app=etl"}
    clusters = [{"name": name, "context": name} for name in CLUSTERS]
    # The run would take five minutes.
    pace = {"rate": f"{targets // 5}/m", "burst": 1, "concurrency": 4}
    return plan(NAME, block, patch=APPEND.patch(mark(1)), fleet=clusters, pace=pace)


def _kubeconfig(folder: Path, planes: Sequence[ControlPlane]) -> dict[str, Any]:
    """Return the kubeconfigs of all planes as one, with the contexts `plane-0` and `plane-1`."""
    files = {
        name: plane.kubeconfig(folder / name, user="alice")
        for name, plane in zip(CLUSTERS, planes, strict=True)
    }
    return joined_kubeconfig(files)


def _log(tool: Tool) -> list[Any]:
    logs = list(tool.state.glob("runs/*.jsonl"))
    return tool.log(logs[0]) if logs else []
