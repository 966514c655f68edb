"""Measures what expressions add to the expansion of a plan: CPU time and memory.

The same 100,000 objects of a sandbox are planned with two literal labels, and with `where`, two
computed labels and a table of 1,000 rows, in turn. CPU time is that of `fleetpatch plan` and of the
process that it starts. A second pair reads whole objects. Exits with 1 if a goal is missed.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.memory import MIB
from bench.plans import fleetpatch
from bench.processes import Measured, measure, sandbox
from bench.ratios import HEADING, RatioGoal

SIZE = 100_000
ROUNDS = 3
CPU = 1.6
"""How many times the CPU time, where metadata suffices."""
MEMORY = 150
"""MiB, at most, of the larger one of the two processes."""

_ROWS = 1_000
_HEAD = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {name: bench}
targets:
  - kinds: [jobs.batch, jobs.batch.volcano.sh, tfjobs, mxjobs, pytorchjobs]
    selector: app
"""
_TABLES = """\
tables: {costs: {file: costs.csv, key: team}}
variables: {team: 'object.metadata.?labels["team"].orValue(object.metadata.namespace)'}
"""
_LITERAL = "patch: {labels: {bench.example.com/a: a1, bench.example.com/b: b1}}\n"
_COMPUTED = """\
patch:
  labels:
    bench.example.com/a: {cel: 'tables.costs[?variables.team].?centre.orValue("none")'}
    bench.example.com/b: {cel: '"x-" + object.metadata.?labels["team"].orValue("none")'}
"""
_WHERE = "    where: timestamp(object.metadata.creationTimestamp) < now + duration('1h')\n"
_WHERE_WHOLE = "    where: object.spec.?parallelism.orValue(1) < 100\n"

PLANS = {
    "literal": _HEAD + _LITERAL,
    "computed": _HEAD + _WHERE + _TABLES + _COMPUTED,
    "computed, whole objects": _HEAD + _WHERE_WHOLE + _TABLES + _COMPUTED,
}


def rounds(folder: Path, environment: Mapping[str, str], number: int) -> dict[str, list[Measured]]:
    """Plan each plan `number` times, in turn."""
    found: dict[str, list[Measured]] = {name: [] for name in PLANS}
    for at in range(number):
        for name, words in _commands(folder, at):
            measured = measure(words, environment)
            found[name].append(measured)
            outcomes = measured.document()["outcomes"]
            print(
                f"{name:<24} {measured.cpu:7.1f} s CPU {measured.seconds:7.1f} s"
                f" {measured.rss / MIB:6.0f} MiB   {outcomes}",
                flush=True,
            )
    return found


def _commands(folder: Path, round_: int) -> Iterator[tuple[str, list[str]]]:
    for at, (name, text) in enumerate(PLANS.items()):
        file = folder / f"plan-{at}.yaml"
        file.write_text(text)
        run = folder / f"{at}-{round_}.run"
        yield name, fleetpatch("plan", file, "--run-file", run, "-o", "json")


def main() -> None:
    """Measure, print the figures, compare them with the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=SIZE)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = "".join(f"team-{at},cc-{at}\n" for at in range(_ROWS))
        (folder / "costs.csv").write_text(f"team,centre\n{rows}platform,cc-p\n")
        words = ("--jobs", str(options.objects), "--kubeconfig", folder / "kubeconfig")
        with sandbox(*words) as ready:
            environment = {"KUBECONFIG": ready["kubeconfig"]}
            environment["FLEETPATCH_STATE_DIR"] = str(folder / "state")
            found = rounds(folder, environment, options.rounds)
    cpu = {name: statistics.median(one.cpu for one in each) for name, each in found.items()}
    peak = max(one.rss for one in found["computed"]) / MIB
    goals = (
        (RatioGoal("computed / literal: CPU", CPU, at_most=True), cpu["computed"] / cpu["literal"]),
        (RatioGoal("computed: MiB", MEMORY, at_most=True), peak),
    )
    print("", HEADING, sep="\n")
    for goal, figure in goals:
        print(goal.line([figure]))
    whole = cpu["computed, whole objects"] / cpu["literal"]
    print(f"whole objects / literal: {whole:.2f} times the CPU time")
    sys.exit(any(figure > goal.bound for goal, figure in goals))


if __name__ == "__main__":
    main()
