"""Measures whether a target costs the same in a run of 100,000 and in one of 10,000,000 targets.

Without HTTP: a generator behind the engine's ports lists the objects and settles the targets
(`bench/generated_fleet.py`), over 100 clusters. What remains is the work of the process with the
run file: survey, seal, claims, records, log, counts. Then the commands of a person are measured on
the run file. Each step is a process of its own. CPU time is compared, since other processes may use
the machine; the generator's own share is measured and subtracted.

The largest size takes about 20 minutes, and 15 GB of disk. Exits with 1 if a goal is missed.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.generated_fleet import KINDS, GeneratedCluster, fleet, list_queries, settle_all
from bench.plans import fleetpatch
from bench.processes import measure
from fleetpatch._version import __version__
from fleetpatch.campaign.running.limits import RunLimits
from fleetpatch.campaign.running.live import LiveCounts
from fleetpatch.campaign.running.open_run import open_alone
from fleetpatch.campaign.settings import NoProgress, Settings
from fleetpatch.engine.clock import SystemClock
from fleetpatch.engine.survey import Survey
from fleetpatch.engine.writer import JournalWriter, OutcomeWriter
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.plan.digest import canonical, digest
from fleetpatch.model.plan.load import parse_plan
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import ClusterInfo, RunInfo, RunState
from fleetpatch.report.logs import open_log

SIZES = (100_000, 1_000_000, 10_000_000)
CLUSTERS = 100
GROWTH = 1.2
NOISE = 1.0
"""Microseconds a target by which a figure of the same size varies from run to run."""
MEMORY = 250
"""MiB, at most, of the process with the run file."""

_MIB = 2**20
_BYTES_A_TARGET = 1_500
"""Disk space that a target needs at most: the run file, its journal, the drafts and the log."""

_START = 1_000
"""Targets of a run whose commands show what starting a process takes; that is subtracted."""

RUN = "bench-20260301T120000Z-00000a"
_PLAN = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {{name: bench}}
fleet:
{fleet}
targets:
  - kinds: [{kinds}]
    selector: app=etl
patch:
  labels: {{bench.example.com/round: "2"}}
"""


@dataclass(slots=True)
class Figures:
    """The figures of one size: CPU microseconds and bytes a target, and MiB of each process.

    `cpu` are the CPU seconds of the commands.
    """

    costs: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def best(self, other: "Figures") -> "Figures":
        """Return the lower of each two figures: other processes can only add to them."""
        return Figures(
            *(
                {name: min(value, theirs.get(name, value)) for name, value in ours.items()}
                for ours, theirs in (
                    (self.costs, other.costs),
                    (self.memory, other.memory),
                    (self.cpu, other.cpu),
                )
            )
        )


@contextmanager
def _spent(spent: dict[str, float], name: str) -> Iterator[None]:
    """Store the CPU seconds of the block."""
    started = time.process_time()
    yield
    spent[name] = time.process_time() - started


def _read_plan(clusters: int) -> Plan:
    names = [one.name for one in fleet(clusters, 1)]
    refs = "\n".join(f"  - {{name: {name}, context: {name}}}" for name in names)
    text = _PLAN.format(fleet=refs, kinds=", ".join(kind.name for kind in KINDS))
    return parse_plan(text, "bench.yaml").plan


async def plan(
    run_file: Path, targets: int, number_of_clusters: int = CLUSTERS
) -> dict[str, float]:
    """Plan a run; return the CPU seconds of its steps."""
    spent: dict[str, float] = {}
    clusters = fleet(number_of_clusters, targets)
    read = _read_plan(number_of_clusters)
    info = RunInfo(
        run=RUN,
        plan_name=read.name,
        plan_digest=digest(read),
        plan=canonical(read),
        created_at="2026-03-01T12:00:00Z",
        created_by="bench",
        tool_version=__version__,
        clusters=tuple(ClusterInfo(one.name, one.server, one.name) for one in clusters),
    )
    journal = RunFile.create(run_file, info)
    survey = Survey(read.change(), JournalWriter(journal), NoProgress(), max_targets=targets)
    with _spent(spent, "survey and seal"):
        await survey.run(list_queries(clusters))
        if journal.shared():
            raise AssertionError("the generator gives each object a uid of its own")
        journal.seal(seed=info.plan_digest)
    spent["survey and seal"] -= _generator_time(clusters[0]) * survey.found
    with _spent(spent, "summary"):
        queries.summary(journal)
    journal.close()
    return spent


def _generator_time(cluster: GeneratedCluster) -> float:
    """Return the CPU seconds that the generator takes for an object."""
    spent: dict[str, float] = {}
    with _spent(spent, "objects"):
        for number in range(20_000):
            cluster.seen(KINDS[0], number % 500)
    return spent["objects"] / 20_000


async def apply(run_file: Path) -> dict[str, float]:
    """Settle all targets of a run; return the CPU seconds of its steps."""
    spent: dict[str, float] = {}
    settings = Settings(state_dir=run_file.parent)
    with _spent(spent, "check"):
        opened = open_alone(run_file, settings)
        journal = opened.__enter__()
    with _spent(spent, "begin"):
        summary = queries.summary(journal)
        planned = queries.planned(journal)
    read = _read_plan(CLUSTERS)
    limits = RunLimits(read.retry.budget, None, summary.tally, planned, 0, lambda _cause: None)
    counts = LiveCounts(summary, read, SystemClock(), NoProgress())
    writer = JournalWriter(journal)
    journal.set_state(RunState.RUNNING)
    with open_log(run_file.with_suffix(".jsonl"), run=RUN) as log, _spent(spent, "record"):
        outcomes = OutcomeWriter(writer, settings.clock, log, counts)

        def settled(target: Any, settlement: Any) -> None:
            limits.settled(target, settlement)
            counts.ended(target, settlement)

        await settle_all(list(journal.clusters.values()), writer, outcomes, settled)
    with _spent(spent, "report"):
        counts.report()
    journal.set_state(RunState.FINISHED)
    with _spent(spent, "end"):
        queries.summary(journal)
    opened.__exit__(None, None, None)
    return spent


def measure_size(folder: Path, targets: int, start: Figures, temporary: Path) -> Figures:
    """Plan and apply a run of this size, and call the commands on it.

    SQLite sorts in the folder `temporary`. `start` has the CPU seconds that the same commands take
    for a run with few targets.
    """
    figures = Figures()
    run_file = folder / "state" / "runs" / f"{RUN}.run"
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig_of(fleet(CLUSTERS, targets))))
    environment = {
        "KUBECONFIG": str(folder / "kubeconfig"),
        "FLEETPATCH_STATE_DIR": str(folder / "state"),
        "SQLITE_TMPDIR": str(temporary),
    }

    def step(name: str, command: Sequence[str]) -> Any:
        measured = measure(command, environment)
        figures.memory[name] = measured.rss / _MIB
        print(
            f"  {name:<28} {measured.seconds:8.1f} s {measured.cpu:8.1f} s CPU"
            f" {measured.rss / _MIB:6.0f} MiB",
            flush=True,
        )
        return measured

    def program(name: str) -> None:
        words = [sys.executable, "-m", "bench.flat", "--step", name, str(run_file), str(targets)]
        for part, seconds in step(name, words).document().items():
            figures.costs[f"{name}: {part}"] = seconds * 1e6 / targets

    def command(name: str, *words: str) -> None:
        measured = step(name, fleetpatch(*words))
        figures.cpu[name] = measured.cpu
        figures.costs[name] = (measured.cpu - start.cpu.get(name, 0.0)) * 1e6 / targets

    program("plan")
    command("status of the planned run", "status", str(run_file), "-o", "json")
    figures.costs["bytes, planned"] = run_file.stat().st_size / targets
    program("apply")
    figures.costs["bytes, finished"] = run_file.stat().st_size / targets
    figures.costs["bytes, log"] = run_file.with_suffix(".jsonl").stat().st_size / targets
    command("status", "status", str(run_file), "-o", "json")
    command("targets --limit", "targets", str(run_file), "--limit", "100")
    command("targets --outcome skipped", "targets", str(run_file), "--outcome", "skipped")
    command("apply of the finished run", "apply", str(run_file), "--yes", "-o", "json")
    return figures


def kubeconfig_of(clusters: Sequence[GeneratedCluster]) -> dict[str, Any]:
    """Return a kubeconfig that names the servers; none of them exists."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": one.name, "cluster": {"server": one.server}} for one in clusters],
        "users": [{"name": "bench", "user": {"token": "none"}}],
        "contexts": [
            {"name": one.name, "context": {"cluster": one.name, "user": "bench"}}
            for one in clusters
        ],
    }


def table(sizes: Sequence[int], measured: Mapping[int, Figures]) -> Iterator[tuple[str, bool]]:
    """Yield lines, and whether each reaches its goal."""
    yield f"{'a target':<30}" + "".join(f"{size:>12,}" for size in sizes) + f"{'growth':>9}", True
    first, last = measured[sizes[0]], measured[sizes[-1]]
    for name, cost in last.costs.items():
        growth = cost / first.costs[name]
        shown = "".join(f"{measured[size].costs[name]:>12.3f}" for size in sizes)
        yield f"{name:<30}{shown}{growth:>9.2f}", cost <= first.costs[name] * GROWTH + NOISE
    for name, memory in last.memory.items():
        shown = "".join(f"{measured[size].memory[name]:>8.0f} MiB" for size in sizes)
        yield f"{name:<30}{shown}", memory <= MEMORY


def main() -> None:
    """Measure at all sizes and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, help="a size that is named twice counts once"
    )
    parser.add_argument("--folder", type=Path, help="where the run files are made")
    parser.add_argument("--temporary", type=Path, help="where SQLite sorts [the same folder]")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, run_file, targets = options.step
        work = plan(Path(run_file), int(targets)) if name == "plan" else apply(Path(run_file))
        print(json.dumps(asyncio.run(work)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        needed, free = max(options.sizes) * _BYTES_A_TARGET, shutil.disk_usage(name).free
        if free < needed:
            sys.exit(f"{needed / 2**30:.0f} GiB of disk are needed, {free / 2**30:.0f} are free")
        measured = {_START: Figures()}
        for size in (_START, *options.sizes):
            print(f"{size:,} targets", flush=True)
            folder = Path(name) / str(size)
            folder.mkdir()
            temporary = options.temporary or folder
            figures = measure_size(folder, size, measured[_START], temporary)
            measured[size] = figures.best(measured.get(size, Figures()))
            shutil.rmtree(folder)
    missed = False
    for line, reached in table(sorted(set(options.sizes)), measured):
        missed |= not reached
        print(line + ("" if reached else "  MISSED"))
    sys.exit(missed)


if __name__ == "__main__":
    main()
