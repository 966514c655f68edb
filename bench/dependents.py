"""Dependents of many jobs: what it costs to find them, and whether all and no others are found.

`python -m bench.dependents [JOBS [PODS]]` serves a sandbox in a process of its own, plans with and
without `dependents: [pods]`, and prints seconds, CPU and the peak of the memory of each plan. The
pods that the plan has found are compared with the ownerReferences that the server shows.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

_SHARE = 5
"""One in five jobs of the sandbox is a batch Job."""


def main() -> None:
    """Print a line for each plan, and how many pods were found."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    pods = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fleetpatch", "sandbox", "--jobs", str(jobs * _SHARE)]
        command += ["--pods", str(pods), "--kubeconfig", f"{folder}/kubeconfig"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
            try:
                ready = json.loads((served.stdout or sys.stdin).readline())
                _measure(Path(folder), ready["server"])
            finally:
                served.terminate()


def _measure(folder: Path, server: str) -> None:
    for dependents in ([], ["pods"]):
        run = folder / f"run-{len(dependents)}.run"
        seconds, cpu, peak = _plan(folder, run, dependents)
        title = f"dependents: {dependents or 'none'}"
        sys.stdout.write(f"{title}: {seconds:.1f} s, {cpu:.1f} s of CPU, {peak:.0f} MB\n")
    found = _found(folder, run)
    owned = {
        pod["metadata"]["uid"]
        for pod in _list(server, "/api/v1/pods")
        if any(one["kind"] == "Job" and one["apiVersion"] == "batch/v1" for one in _owners(pod))
    }
    verdict = "exactly those" if found == owned else "NOT those"
    sys.stdout.write(f"{len(found)} pods found, {verdict} that the {len(owned)} owners show\n")


def _plan(folder: Path, run: Path, dependents: list[str]) -> tuple[float, float, float]:
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
    command = [sys.executable, "-m", "fleetpatch", "plan", str(plan), "--run-file", str(run)]
    environment = {
        **os.environ,
        "KUBECONFIG": f"{folder}/kubeconfig",
        "FLEETPATCH_STATE_DIR": f"{folder}/state",
    }
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    # Of this child alone: `getrusage` has the largest of all children so far.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"plan ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return time.monotonic() - started, cpu, usage.ru_maxrss / 1024


def _found(folder: Path, run: Path) -> set[str]:
    command = [sys.executable, "-m", "fleetpatch", "targets", str(run), "--kind", "pods"]
    environment = {**os.environ, "FLEETPATCH_STATE_DIR": f"{folder}/state"}
    listed = subprocess.run(
        [*command, "-o", "jsonl"], env=environment, capture_output=True, check=True
    )
    return {json.loads(line)["uid"] for line in listed.stdout.splitlines()}


def _list(server: str, path: str) -> list[Any]:
    with urllib.request.urlopen(f"{server}{path}") as answer:
        items: list[Any] = json.load(answer)["items"]
        return items


def _owners(pod: Any) -> list[Any]:
    owners: list[Any] = pod["metadata"].get("ownerReferences", [])
    return owners


if __name__ == "__main__":
    main()
