"""Measures the peak memory of planning and applying, with 20,000 and with 200,000 targets.

The sandbox is a separate process; the figure is the largest resident set of the fleetpatch process,
as the kernel reports it. Three commands are measured: `plan`, then `apply` of the run that was
planned, and `apply` of the plan file, which does both in one process.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.plans import fleetpatch, write_plan
from bench.processes import measure, sandbox
from bench.ratios import HEADING, RatioGoal

SIZES = (20_000, 200_000)
LABEL = "bench.example.com/round"
MIB = 2**20


def peaks(folder: Path, environment: Mapping[str, str]) -> dict[str, int]:
    """Return the peak resident set, in bytes, of each command that plans or applies to all jobs."""
    kinds = "jobs.batch, jobs.batch.volcano.sh, tfjobs, mxjobs, pytorchjobs"
    run = folder / "planned.run"
    found = {}
    plans = [
        write_plan(folder / f"{n}.yaml", kinds=kinds, selector="app", label=f"{LABEL}=v{n}")
        for n in (1, 2)
    ]
    words: dict[str, list[str | Path]] = {
        "plan": ["plan", plans[0], "--run-file", run, "-o", "json"],
        "apply RUN": ["apply", run, "--yes", "-o", "json"],
        "apply PLAN": ["apply", plans[1], "--yes", "-o", "json"],
    }
    for name, command in words.items():
        measured = measure(fleetpatch(*command), environment)
        found[name] = measured.rss
        print(
            f"{name:<12} {measured.rss / MIB:6.0f} MiB {measured.seconds:8.1f} s"
            f" {measured.cpu:8.1f} s CPU   {json.dumps(measured.document().get('outcomes'))}",
            flush=True,
        )
    return found


def main() -> None:
    """Measure at both sizes and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=SIZES[0])
    parser.add_argument("--large", type=int, default=SIZES[1])
    options = parser.parse_args()
    measured = []
    for jobs in (options.small, options.large):
        print(f"{jobs:,} targets", flush=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with sandbox("--jobs", str(jobs), "--kubeconfig", folder / "kubeconfig") as ready:
                environment = {
                    "KUBECONFIG": ready["kubeconfig"],
                    "FLEETPATCH_STATE_DIR": str(folder / "state"),
                }
                measured.append(peaks(folder, environment))
    small, large = measured
    print("", HEADING, sep="\n")
    for name, peak in large.items():
        print(RatioGoal(f"{name}: MiB at the larger size", 150, at_most=True).line([peak / MIB]))
        growth = peak / small[name]
        print(RatioGoal(f"{name}: larger / smaller", 1.2, at_most=True).line([growth]))


if __name__ == "__main__":
    main()
