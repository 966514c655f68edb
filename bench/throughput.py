"""fleetpatch, a bare aiohttp loop, kubectl and lightkube relabel the same Jobs in turns.

On a real control plane of its own, on this machine. In each round every contender, as a process of
its own, sets a label to a value that no object has yet, so that every PATCH is a write; who goes
first changes from round to round. After each one an independent list must show the new value on
every object. Rates are objects divided by the wall clock of the whole process, its start included;
beside them stand the rates of the contenders' own loops, as they report them.

What fleetpatch does meanwhile and the others do not: it plans first, guards each PATCH by version,
keeps a run file on the disk and writes a log line for each object.
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
from bench.ratios import HEADING, Goal
from tests.control_plane import ControlPlane

KEY = "bench.example.com/turn"
SELECTOR = "app=bench"
NAMESPACES = 20

Contender: TypeAlias = Callable[[str], Measured]
Rounds: TypeAlias = list[dict[str, "Turn"]]


@dataclass(frozen=True, slots=True)
class Turn:
    """One contender's share of one round; `loop` is its own report of seconds, where it has one."""

    objects: int
    measured: Measured
    loop: float | None

    @property
    def rate(self) -> float:
        """Objects a second, over the whole process."""
        return self.objects / self.measured.seconds


@dataclass(frozen=True, slots=True)
class Arena:
    """A control plane full of Jobs, and a folder for what the contenders need."""

    plane: ControlPlane
    folder: Path
    jobs: int

    def contenders(self) -> dict[str, Contender]:
        """All contenders that can be had here, by name."""
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

    def fill(self) -> None:
        """Create the Jobs, evenly over the namespaces."""
        spread = [self.jobs // NAMESPACES + (n < self.jobs % NAMESPACES) for n in range(NAMESPACES)]
        key, _, value = SELECTOR.partition("=")
        for count in spread:
            namespace = self.plane.namespace()
            self.plane.create_jobs(count, namespace, labels=lambda _: {key: value})

    def check(self, value: str) -> None:
        """Raise ContenderFailedError unless every Job carries the value."""
        carrying = self._count(f"{SELECTOR},{KEY}={value}")
        if carrying != self.jobs:
            raise ContenderFailedError(f"{carrying} of {self.jobs} Jobs carry {KEY}={value}")

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
    """What the process says its loop took; None for kubectl, which says nothing."""
    if not measured.output.startswith("{"):
        return None
    said = measured.document()
    return float(said["elapsedSeconds"] if "elapsedSeconds" in said else said["seconds"])


def compete(arena: Arena, rounds: int, only: set[str]) -> Rounds:
    """Let everybody run in every round, each time with another one first."""
    contenders = {n: c for n, c in arena.contenders().items() if not only or n in only}
    names = list(contenders)
    results: Rounds = []
    for number in range(rounds):
        shift = number % len(names)
        turns = {}
        for name in names[shift:] + names[:shift]:
            value = f"r{number}-{name.replace(' ', '-')}"
            measured = contenders[name](value)
            arena.check(value)
            turns[name] = Turn(arena.jobs, measured, _loop_seconds(measured))
            sys.stderr.write(
                f"round {number + 1}: {name:<10} {measured.seconds:6.2f} s,"
                f" {measured.cpu:6.2f} s CPU\n"
            )
        results.append(turns)
    return results


def table(results: Rounds) -> Iterator[str]:
    """Medians over the rounds, a contender a line."""
    columns = ("wall s", "objects/s", "own loop/s", "CPU s", "MiB")
    yield "median of   " + "".join(f" {column:>10}" for column in columns)
    for name in results[0]:
        turns = [turns[name] for turns in results]
        loops = [turn.objects / turn.loop for turn in turns if turn.loop]
        yield (
            f"{name:<12} {_median([turn.measured.seconds for turn in turns]):>10.2f}"
            f" {_median([turn.rate for turn in turns]):>10.0f}"
            f" {f'{_median(loops):.0f}' if loops else '-':>10}"
            f" {_median([turn.measured.cpu for turn in turns]):>10.2f}"
            f" {_median([turn.measured.rss / 2**20 for turn in turns]):>10.0f}"
        )


def verdicts(results: Rounds) -> Iterator[str]:
    """The ratios against their goals."""
    yield HEADING
    for goal, ours, theirs, figure in (
        (Goal("rate: fleetpatch / bare loop", 0.95), "fleetpatch", "bare loop", _rate),
        (Goal("own loop: fleetpatch / bare loop", 0.95), "fleetpatch", "bare loop", _loop_rate),
        (Goal("rate: fleetpatch / kubectl", 3.0), "fleetpatch", "kubectl", _rate),
        (Goal("rate: fleetpatch / lightkube", 1.0), "fleetpatch", "lightkube", _rate),
        (Goal("CPU: fleetpatch / bare loop", 2.0, at_most=True), "fleetpatch", "bare loop", _cpu),
    ):
        if {ours, theirs} <= results[0].keys():
            yield goal.line([figure(turns[ours]) / figure(turns[theirs]) for turns in results])


def _rate(turn: Turn) -> float:
    return turn.rate


def _loop_rate(turn: Turn) -> float:
    return turn.objects / (turn.loop or turn.measured.seconds)


def _cpu(turn: Turn) -> float:
    return turn.measured.cpu


_median = statistics.median


def main() -> None:
    """Set the arena up, let them compete, print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--only", action="append", default=[], help="a contender; repeatable")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ControlPlane() as plane:
        arena = Arena(plane, Path(folder), options.jobs)
        plane.kubeconfig(arena.folder / "kubeconfig")
        arena.fill()
        results = compete(arena, options.rounds, set(options.only))
    print(*table(results), "", *verdicts(results), sep="\n")


if __name__ == "__main__":
    main()
