"""Two real control planes as two clusters, whose Jobs are changed over workers."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fleetpatch.errors import Exit
from tests.control_plane import ControlPlane
from tests.e2e.sandboxes import joined_kubeconfig
from tests.e2e.tool import Tool, end, plan
from tests.e2e.trial_fleets import APPEND, Fleet, mark
from tests.workers.machines import Machines


def violations_after_a_kill(
    planes: Sequence[ControlPlane], folder: Path, targets: int
) -> Iterator[str]:
    """Change `targets` objects on each of two planes, and kill a worker mid-run.

    Yields each object that is not as it must be, counted by etcd, and other things that are wrong.
    """
    fleets = [Fleet(plane, APPEND, targets) for plane in planes]
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(folder, planes)))
    tool = Tool(folder, kubeconfig)
    with Machines.start(folder, 2, {"KUBECONFIG": str(kubeconfig)}) as machines:
        for fleet in fleets:
            fleet.runs += 1
        file = tool.write("plan.yaml", _plan(fleets))
        where = ("--workers", machines.address, "--worker-timeout", "5s")
        process = tool.start("apply", file, "--yes", "-o", "json", *where)
        while process.poll() is None and _applied(tool) < targets / 5:
            time.sleep(0.05)
        machines.kill(0)
        ended = end(process, 600)
        if ended.code != Exit.OK:
            yield f"exit {ended.code}: {ended.err} {ended.out}"
            return
        if ended.json["outcomes"]["applied"] != 2 * targets:
            yield f"the outcomes are {ended.json['outcomes']}"
        if not any(line["event"] == "worker.lost" for line in _log(tool)):
            yield "no worker was lost: the run ended before the kill"
        for fleet in fleets:
            yield from fleet.violations()


def _plan(fleets: list[Fleet]) -> dict[str, Any]:
    kind = f"{APPEND.kind.plural}.{APPEND.kind.group}"
    spaces = [fleet.namespace for fleet in fleets]
    block = {"kinds": [kind], "namespaces": spaces, "selector": "app=etl"}
    clusters = [{"name": name, "context": name} for name in ("plane-0", "plane-1")]
    # So that the run lasts until the kill.
    pace = {"concurrency": 4}
    return plan("planes", block, patch=APPEND.patch(mark(1)), fleet=clusters, pace=pace)


def _kubeconfig(folder: Path, planes: Sequence[ControlPlane]) -> dict[str, Any]:
    """Return the kubeconfigs of all planes as one, with the contexts `plane-0` and `plane-1`."""
    files = {
        f"plane-{number}": plane.kubeconfig(folder / f"plane-{number}", user="alice")
        for number, plane in enumerate(planes)
    }
    return joined_kubeconfig(files)


def _log(tool: Tool) -> list[Any]:
    logs = list(tool.state.glob("runs/*.jsonl"))
    return tool.log(logs[0]) if logs else []


def _applied(tool: Tool) -> int:
    return sum(line["event"] == "target.applied" for line in _log(tool))
