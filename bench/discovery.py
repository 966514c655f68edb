"""Measures the start of a run: requests for discovery, and the time of `fleetpatch plan`.

    python -m bench.discovery [--rounds 9]

Two sandboxes serve the same 50 jobs, one as Kubernetes 1.36 with aggregated discovery, one as 1.20
without it. The plan names kinds with their groups, or bare ones. All four are measured in each
round, in another order.
"""

import argparse
import json
import statistics
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.plans import fleetpatch, write_plan
from bench.processes import measure, sandbox

_KINDS = {"with groups": "jobs.batch, tfjobs.kubeflow.org", "bare": "tfjobs, pytorchjobs"}
_VERSIONS = ("1.20", "1.36")


@dataclass(frozen=True, slots=True)
class Start:
    """The figures of one `fleetpatch plan`."""

    requests: int
    seconds: float
    cpu: float


def discovered(server: str) -> int:
    """Return the requests so far that were neither lists nor for objects."""
    with urllib.request.urlopen(f"{server}/_sandbox/counters") as answer:
        return int(json.load(answer)["requests"].get("other", 0))


def start_of_plan(ready: Any, plan: Path, folder: Path) -> Start:
    """Measure one `fleetpatch plan` in a new state directory."""
    before = discovered(ready["server"])
    with tempfile.TemporaryDirectory(dir=folder) as state:
        command = fleetpatch("plan", plan, "--state-dir", state)
        measured = measure(command, {"KUBECONFIG": ready["kubeconfig"]})
    return Start(discovered(ready["server"]) - before, measured.seconds, measured.cpu)


def spread(values: list[float]) -> str:
    """Return minimum, median and maximum."""
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def main() -> None:
    """Run the benchmark, and print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    random = Random(0)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {}
        for version in _VERSIONS:
            words = ("--kubernetes", version, "--jobs", "50")
            serving = sandbox(*words, "--kubeconfig", folder / f"{version}.yaml")
            servers[version] = stack.enter_context(serving)
        plans = {
            name: write_plan(folder / f"{name}.yaml", kinds=kinds, selector="app", label="a=b")
            for name, kinds in _KINDS.items()
        }
        cases = [(version, name) for version in servers for name in plans]
        found: dict[tuple[str, str], list[Start]] = {case: [] for case in cases}
        for _ in range(rounds):
            random.shuffle(cases)
            for version, name in cases:
                start = start_of_plan(servers[version], plans[name], folder)
                found[version, name].append(start)
    for (version, name), starts in sorted(found.items()):
        seconds = spread([start.seconds for start in starts])
        cpu = spread([start.cpu for start in starts])
        print(f"{version}  {name:<12} {starts[0].requests} requests, {seconds} s, CPU {cpu} s")


if __name__ == "__main__":
    main()
