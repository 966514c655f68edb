"""Dependents of many jobs: what it costs to find them, and whether all and no others are found.

`python -m bench.dependents [JOBS [PODS]]` serves a sandbox in a process of its own, plans with and
without `dependents: [pods]`, and prints seconds, CPU and the peak of the memory of each plan. The
pods that the plan has found are compared with the ownerReferences that the server shows.
"""

import json
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from bench.memory import MIB
from bench.plans import fleetpatch
from bench.processes import Measured, measure, sandbox

_SHARE = 5
"""One in five jobs of the sandbox is a batch Job."""


def main() -> None:
    """Print a line for each plan, and how many pods were found."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    pods = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder:
        words = ("--jobs", str(jobs * _SHARE), "--pods", str(pods))
        with sandbox(*words, "--kubeconfig", Path(folder) / "kubeconfig") as ready:
            _measure(Path(folder), ready["server"])


def _measure(folder: Path, server: str) -> None:
    for dependents in ([], ["pods"]):
        run = folder / f"run-{len(dependents)}.run"
        found = _plan(folder, run, dependents)
        figures = f"{found.seconds:.1f} s, {found.cpu:.1f} s of CPU, {found.rss / MIB:.0f} MiB"
        sys.stdout.write(f"dependents: {dependents or 'none'}: {figures}\n")
    listed = _found(folder, run)
    owned = {
        pod["metadata"]["uid"]
        for pod in _list(server, "/api/v1/pods")
        if any(one["kind"] == "Job" and one["apiVersion"] == "batch/v1" for one in _owners(pod))
    }
    verdict = "exactly those" if listed == owned else "NOT those"
    sys.stdout.write(f"{len(listed)} pods found, {verdict} that the {len(owned)} owners show\n")


def _plan(folder: Path, run: Path, dependents: list[str]) -> Measured:
    block: dict[str, Any] = {"kinds": ["jobs.batch"], "selector": "app"}
    document = {
        "apiVersion": "fleetpatch/v1",
        "kind": "Plan",
        "metadata": {"name": "bench"},
        "targets": [block | ({"dependents": dependents} if dependents else {})],
        "patch": {"labels": {"colour": "red"}},
    }
    plan = folder / "plan.yaml"
    plan.write_text(json.dumps(document))
    environment = {
        "KUBECONFIG": f"{folder}/kubeconfig",
        "FLEETPATCH_STATE_DIR": f"{folder}/state",
    }
    return measure(fleetpatch("plan", plan, "--run-file", run), environment)


def _found(folder: Path, run: Path) -> set[str]:
    command = fleetpatch("targets", run, "--kind", "pods", "-o", "jsonl")
    listed = measure(command, {"FLEETPATCH_STATE_DIR": f"{folder}/state"})
    return {json.loads(line)["uid"] for line in listed.output.splitlines()}


def _list(server: str, path: str) -> list[Any]:
    with urllib.request.urlopen(f"{server}{path}") as answer:
        items: list[Any] = json.load(answer)["items"]
        return items


def _owners(pod: Any) -> list[Any]:
    owners: list[Any] = pod["metadata"].get("ownerReferences", [])
    return owners


if __name__ == "__main__":
    main()
