"""Measures runs over workers on servers that answer almost without cost.

Two clusters of Jobs, each an nginx (`bench/static_server.py`). A run is planned, and then carried
out by one process, by one worker and by two workers of a Dask cluster on this machine, in turn.
Rates are targets divided by the time from the first to the last outcome in the log, so they leave
out the start of processes. The coordinator's CPU time a target (claims, records, log, messages, and
the checks and summaries of the run file) is that of the whole command minus that of a run with few
targets. The start takes as much CPU as tens of thousands of targets, so it is measured in each
round, and its median is subtracted. With it, Amdahl's law projects how the rate would grow with
more workers, which was not measured.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from bench.plans import CONCURRENCY, fleetpatch
from bench.processes import Measured, measure
from bench.ratios import HEADING, RatioGoal
from bench.static_server import NoNginxError, static_server
from tests.workers.machines import Machines

CLUSTERS = 2
FEW = 100
"""Targets of each cluster in the run that shows what starting a command takes."""

LABEL = "bench.example.com/round=static"
_PLAN = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {{name: bench}}
fleet:
{fleet}
targets: [{{kinds: [jobs.batch], selector: app=bench}}]
patch: {{labels: {{bench.example.com/round: static}}}}
pace: {{concurrency: {concurrency}}}
"""


class Contender:
    """A way to carry out a run: `--workers ADDRESS`, or one process."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self.name, self._words = name, words
        self.rates: list[float] = []
        self._starts: list[float] = []
        self._spent: list[tuple[float, int]] = []

    @property
    def costs(self) -> list[float]:
        """CPU microseconds of the command, a target."""
        start, few = statistics.median(self._starts), FEW * CLUSTERS
        return [(cpu - start) * 1e6 / (targets - few) for cpu, targets in self._spent]

    def start(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Measure a run with few targets."""
        measured, _ = self.applied(folder, FEW * CLUSTERS, environment)
        self._starts.append(measured.cpu)
        print(f"{self.name}: the start takes {measured.cpu:.2f} s of CPU", flush=True)

    def run(self, folder: Path, targets: int, environment: Mapping[str, str]) -> None:
        """Measure a run with so many targets."""
        measured, log = self.applied(folder, targets, environment)
        lines = [json.loads(line) for line in log if '"target.applied"' in line]
        first, last = (datetime.fromisoformat(lines[at]["timestamp"]) for at in (0, -1))
        self.rates.append(targets / (last - first).total_seconds())
        self._spent.append((measured.cpu, targets))
        print(
            f"{self.name}: {self.rates[-1]:.0f} targets/s, {self.costs[-1]:.1f} us CPU a target",
            flush=True,
        )

    def applied(
        self, folder: Path, targets: int, environment: Mapping[str, str]
    ) -> tuple[Measured, list[str]]:
        """Plan a run and carry it out; return what that took, and the lines of the log."""
        plan = fleetpatch("plan", folder / f"{targets}.yaml", "-o", "json")
        planned = measure(plan, environment).document()
        words = fleetpatch("apply", planned["runFile"], "--yes", "-o", "json", *self._words)
        measured = measure(words, environment)
        return measured, Path(planned["runFile"]).with_suffix(".jsonl").read_text().splitlines()


@contextmanager
def served(folder: Path, jobs: int) -> Iterator[dict[str, str]]:
    """Serve the clusters, and write the plan of all their targets; yield their names and URLs."""
    with ExitStack() as stack:
        servers = {}
        for cluster in range(CLUSTERS):
            site = folder / f"{jobs}-{cluster}"
            site.mkdir()
            server = static_server(site, jobs=jobs, label=LABEL, cluster=cluster)
            servers[f"c{jobs}-{cluster}"] = stack.enter_context(server)
        fleet = "\n".join(f"  - {{name: {name}, context: {name}}}" for name in servers)
        text = _PLAN.format(fleet=fleet, concurrency=CONCURRENCY)
        (folder / f"{jobs * CLUSTERS}.yaml").write_text(text)
        yield servers


def write_kubeconfig(path: Path, servers: Mapping[str, str]) -> Path:
    """Write a kubeconfig with a context for each server."""
    names = servers.items()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}} for name, server in names],
        "contexts": [{"name": name, "context": {"cluster": name}} for name, _ in names],
    }
    path.write_text(json.dumps(document))
    return path


def report(contenders: Sequence[Contender]) -> None:
    """Print rates and costs, the goals, and the projection."""
    alone, one, two = contenders
    for contender in contenders:
        rate, cost = statistics.median(contender.rates), statistics.median(contender.costs)
        print(f"{contender.name:<12} {rate:8.0f} targets/s {cost:8.1f} us CPU of the command")
    print("", HEADING, sep="\n")
    overhead = [ours / base for ours, base in zip(one.rates, alone.rates, strict=True)]
    print(RatioGoal("rate: one worker / one process", 0.93).line(overhead))
    speedup = [both / ours for both, ours in zip(two.rates, one.rates, strict=True)]
    print(RatioGoal("rate: two workers / one worker", 1.0).line(speedup))
    costs = [*one.costs, *two.costs]
    print(RatioGoal("coordinator: us CPU a target", 25, at_most=True).line(costs))
    serial, rate = statistics.median(costs) / 1e6, statistics.median(one.rates)
    for workers in (10, 100):
        # Amdahl's law: the coordinator's share stays, the workers' is divided among them.
        projected = 1 / (serial + 1 / rate / workers)
        print(f"projected, not measured: {workers} workers {projected:10.0f} targets/s")
    print(f"at most, whatever their number: {1 / serial:17.0f} targets/s")


def main() -> None:
    """Serve, run all contenders in turn, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=20_000, help="of each of the two clusters")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        # nginx may run as another user, which must be able to read the folders that it serves.
        folder.chmod(0o755)
        try:
            servers = stack.enter_context(served(folder, FEW))
            servers |= stack.enter_context(served(folder, options.jobs))
        except NoNginxError as error:
            sys.exit(str(error))
        environment = {
            "KUBECONFIG": str(write_kubeconfig(folder / "kubeconfig", servers)),
            "FLEETPATCH_STATE_DIR": str(folder / "state"),
            # Otherwise each command would compile the modules again.
            "PYTHONDONTWRITEBYTECODE": "",
        }
        contenders = [Contender("one process", ())]
        for workers in (1, 2):
            machines = stack.enter_context(Machines.start(folder, workers, environment))
            words = ("--workers", machines.address)
            contenders.append(Contender(f"{workers} worker{'s' * (workers > 1)}", words))
        for contender in contenders:
            # Writes the bytecode of all modules, which does not belong to the start.
            contender.applied(folder, FEW * CLUSTERS, environment)
        for _ in range(options.rounds):
            for contender in contenders:
                contender.start(folder, environment)
                contender.run(folder, options.jobs * CLUSTERS, environment)
        report(contenders)


if __name__ == "__main__":
    main()
