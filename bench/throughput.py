"""Compares the rates at which fleetpatch, a bare aiohttp loop, kubectl and lightkube relabel Jobs.

On a real control plane of its own, on this machine. In each round every contender, in a separate
process, sets a label to a value that no object has yet, so that every PATCH is a write; the order
changes from round to round. After each contender an independent list must show the new value on
every object. Rates are objects divided by the wall-clock time of the whole process, its start
included; the rates of the contenders' own loops are printed beside them.

fleetpatch does more than the others: it plans first, guards each PATCH by version, keeps a run file
on the disk and writes a log line for each object.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from bench.plans import CONCURRENCY, fleetpatch, write_plan
from bench.processes import ContenderFailedError, Measured, measure
from bench.ratios import HEADING, RatioGoal
from bench.spread_jobs import SELECTOR, create_spread
from tests.control_plane import ControlPlane, OwnControlPlane

KEY = "bench.example.com/round"

Contender: TypeAlias = Callable[[str], Measured]
Rounds: TypeAlias = list[dict[str, "Result"]]


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one contender in one round; `loop` is the seconds that it reports, if any."""

    objects: int
    measured: Measured
    loop: float | None

    @property
    def rate(self) -> float:
        """Objects a second, over the whole process."""
        return self.objects / self.measured.seconds


@dataclass(frozen=True, slots=True)
class BenchCluster:
    """A control plane with Jobs, and a folder for the files of the contenders."""

    plane: ControlPlane
    folder: Path
    jobs: int

    def contenders(self) -> dict[str, Contender]:
        """Return all contenders that are installed, by name."""
        contenders: dict[str, Contender] = {
            "fleetpatch": self._fleetpatch,
            "bare loop": self._bare_loop,
            "kubectl": self._kubectl,
            "lightkube": self._lightkube,
        }
        if shutil.which("kubectl") is None:
            sys.stderr.write("kubectl is not on the PATH: left out\n")
            del contenders["kubectl"]
        return contenders

    def check(self, value: str) -> None:
        """Raise ContenderFailedError unless every Job has the value."""
        labelled = self._count(f"{SELECTOR},{KEY}={value}")
        if labelled != self.jobs:
            raise ContenderFailedError(f"{labelled} of {self.jobs} Jobs have {KEY}={value}")

    def _count(self, selector: str) -> int:
        path = f"/apis/batch/v1/jobs?labelSelector={quote(selector)}"
        return len(self.plane.request("GET", path).body["items"])

    @property
    def _environment(self) -> Mapping[str, str]:
        return {
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "FLEETPATCH_STATE_DIR": str(self.folder / "state"),
            "BENCH_TOKEN": self.plane.admin_token,
        }

    def _fleetpatch(self, value: str) -> Measured:
        plan = write_plan(
            self.folder / f"{value}.yaml",
            kinds="jobs.batch",
            selector=SELECTOR,
            label=f"{KEY}={value}",
        )
        return measure(fleetpatch("apply", plan, "--yes", "-o", "json"), self._environment)

    def _bare_loop(self, value: str) -> Measured:
        command = _module("bare_loop", value, CONCURRENCY)
        where = ["--server", self.plane.server, "--ca", str(self.plane.ca_file)]
        return measure([*command, *where], self._environment)

    def _lightkube(self, value: str) -> Measured:
        return measure(_module("lightkube_loop", value, 32), self._environment)

    def _kubectl(self, value: str) -> Measured:
        words = ["label", "jobs.batch", "-A", "-l", SELECTOR, f"{KEY}={value}", "--overwrite"]
        return measure(["kubectl", *words], self._environment)


def _module(name: str, value: str, concurrency: int) -> list[str]:
    command = [sys.executable, "-m", f"bench.{name}", "--selector", SELECTOR]
    return [*command, "--label", f"{KEY}={value}", "--concurrency", str(concurrency)]


def _loop_seconds(measured: Measured) -> float | None:
    """Return the seconds that the process reports for its loop; None for kubectl."""
    if not measured.output.startswith("{"):
        return None
    report = measured.document()
    return float(report["elapsedSeconds"] if "elapsedSeconds" in report else report["seconds"])


def measure_rounds(cluster: BenchCluster, rounds: int, only: set[str]) -> Rounds:
    """Run all contenders in every round, each time with another one first."""
    contenders = {n: c for n, c in cluster.contenders().items() if not only or n in only}
    names = list(contenders)
    results: Rounds = []
    for number in range(rounds):
        # Rotated, so that no contender always runs on a server that another one has warmed up.
        shift = number % len(names)
        by_name: dict[str, Result] = {}
        for name in names[shift:] + names[:shift]:
            # A value that no object has, so that every PATCH is a write.
            value = f"r{number}-{name.replace(' ', '-')}"
            measured = contenders[name](value)
            cluster.check(value)
            by_name[name] = Result(cluster.jobs, measured, _loop_seconds(measured))
            sys.stderr.write(
                f"round {number + 1}: {name:<10} {measured.seconds:6.2f} s,"
                f" {measured.cpu:6.2f} s CPU\n"
            )
        results.append(by_name)
    return results


def table(results: Rounds) -> Iterator[str]:
    """Yield a line with the medians over the rounds for each contender."""
    columns = ("wall s", "objects/s", "own loop/s", "CPU s", "MiB")
    yield "median of   " + "".join(f" {column:>10}" for column in columns)
    for name in results[0]:
        own = [by_name[name] for by_name in results]
        loops = [result.objects / result.loop for result in own if result.loop]
        yield (
            f"{name:<12} {_median([result.measured.seconds for result in own]):>10.2f}"
            f" {_median([result.rate for result in own]):>10.0f}"
            f" {f'{_median(loops):.0f}' if loops else '-':>10}"
            f" {_median([result.measured.cpu for result in own]):>10.2f}"
            f" {_median([result.measured.rss / 2**20 for result in own]):>10.0f}"
        )


def verdicts(results: Rounds) -> Iterator[str]:
    """Yield a line for each ratio and its goal."""
    yield HEADING
    for goal, ours, theirs, figure in (
        (RatioGoal("rate: fleetpatch / bare loop", 0.95), "fleetpatch", "bare loop", _rate),
        (
            RatioGoal("own loop: fleetpatch / bare loop", 0.95),
            "fleetpatch",
            "bare loop",
            _loop_rate,
        ),
        (RatioGoal("rate: fleetpatch / kubectl", 3.0), "fleetpatch", "kubectl", _rate),
        (RatioGoal("rate: fleetpatch / lightkube", 1.0), "fleetpatch", "lightkube", _rate),
        (
            RatioGoal("CPU: fleetpatch / bare loop", 1.35, at_most=True),
            "fleetpatch",
            "bare loop",
            _cpu,
        ),
    ):
        if {ours, theirs} <= results[0].keys():
            yield goal.line(
                [figure(by_name[ours]) / figure(by_name[theirs]) for by_name in results]
            )


def _rate(result: Result) -> float:
    return result.rate


def _loop_rate(result: Result) -> float:
    return result.objects / (result.loop or result.measured.seconds)


def _cpu(result: Result) -> float:
    return result.measured.cpu


_median = statistics.median


def main() -> None:
    """Create the cluster, run the contenders, print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--only", action="append", default=[], help="a contender; repeatable")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, OwnControlPlane() as plane:
        cluster = BenchCluster(plane, Path(folder), options.jobs)
        plane.kubeconfig(cluster.folder / "kubeconfig")
        create_spread(cluster.plane, cluster.jobs)
        results = measure_rounds(cluster, options.rounds, set(options.only))
    print(*table(results), "", *verdicts(results), sep="\n")


if __name__ == "__main__":
    main()
