"""Kills, suspends and cuts off the workers of runs, and their coordinator and scheduler.

100 simulated clusters of 2,000 targets, served by one process, are changed over 4 workers of a Dask
cluster, beside another writer. At random instants, in a random order, a worker is killed (50 times)
or suspended for longer than the timeout and woken up (20), the coordinator is killed and the run
resumed (20), the link between workers and coordinator is cut (20), and the scheduler is killed and
started again (5). After each run the servers and their objects are asked whether each target was
changed exactly once, by a JSON Patch that appends or by a label, and no other object
(`tests/workers/ordeal.py`). Exits with 1 after a violation.
"""

import argparse
import json
import random
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.tool import Tool
from tests.workers import ordeal
from tests.workers.farm import Farm, OtherWriter
from tests.workers.link import Link
from tests.workers.machines import Machines
from tests.workers.ordeal import Fault, Ordeal, OrdealResult, Surroundings


def main() -> None:
    """Read the arguments, run, print the figures; exits with 1 on a violation."""
    options = _options()
    seed = options.seed if options.seed is not None else secrets.randbits(32)
    print(f"seed {seed}", flush=True)
    started = time.monotonic()
    result = try_out(options, random.Random(seed))
    print(f"{time.monotonic() - started:.0f} s")
    print(f"runs {result.runs}, sessions {result.sessions}, PATCHes {result.patches:,}")
    print(f"shards started {result.shards}, workers lost {result.lost}")
    for reason, count in result.reasons.items():
        print(f"  {reason:<24} {count:>10,}")
    print(*result.violations[:20], sep="\n")
    print(f"{'kind of fault':<24} {'faults':>10} {'runs':>10} {'violations':>10}")
    for kind, count in sorted(result.faults.items()):
        runs, violations = result.runs_with[kind], result.violations_with[kind]
        print(f"{kind.replace('_', ' '):<24} {count:>10} {runs:>10} {violations:>10}")
    total, wrong = result.faults.total(), len(result.violations)
    print(f"{'all':<24} {total:>10} {result.runs:>10} {wrong:>10}")
    sys.exit(bool(result.violations))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--targets", type=int, default=2000, help="of each cluster")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--suspensions", type=int, default=20)
    parser.add_argument("--coordinators", type=int, default=20)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--schedulers", type=int, default=5)
    parser.add_argument("--span", type=float, default=5, help="seconds between faults, at most")
    parser.add_argument("--seed", type=int, help="of all that is random; printed")
    return parser.parse_args()


def faults(options: argparse.Namespace, generator: random.Random) -> list[Fault]:
    """Return all faults in a random order."""
    found: list[Fault] = [
        *[ordeal.kill_a_worker] * options.kills,
        *[ordeal.suspend_a_worker] * options.suspensions,
        *[ordeal.kill_the_coordinator] * options.coordinators,
        *[ordeal.cut_the_link] * options.cuts,
        *[ordeal.kill_the_scheduler] * options.schedulers,
    ]
    generator.shuffle(found)
    return found


def try_out(options: argparse.Namespace, generator: random.Random) -> OrdealResult:
    """Inject all faults in as many runs as that takes; at least one run of each patch."""
    with (
        tempfile.TemporaryDirectory() as name,
        Farm.start(options.clusters, options.targets) as farm,
        Link.start() as link,
    ):
        folder = Path(name)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(farm.kubeconfig()))
        variables = {"KUBECONFIG": str(kubeconfig)}
        with (
            Machines.start(folder, options.workers, variables) as machines,
            OtherWriter(farm, generator) as writer,
        ):
            around = Surroundings(farm, machines, generator, options.span, link)
            tool = Tool(folder, kubeconfig, link.variables)
            trial = Ordeal(around, tool, writer=writer)
            return trial.run(faults(options, generator), runs=2, each=_show)


def _show(result: OrdealResult) -> None:
    done, wrong = result.faults.total(), len(result.violations)
    print(
        f"{time.strftime('%H:%M:%S')} after run {result.runs}: {done} faults, {wrong} violations",
        flush=True,
    )


if __name__ == "__main__":
    main()
