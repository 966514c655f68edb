"""Measures with the sandbox: which requests arrived, when, and with which status."""

import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.plans import fleetpatch
from bench.processes import sandbox

_WARM_UP = 5.0
"""Seconds that a pace may take to adapt, in goals that say "after the first 5 s"."""


class Arrival(NamedTuple):
    """One request for an object: time of arrival, status of the answer, seconds between both."""

    at: float
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """The arrivals of one run, in the order of their arrival; times are from the first."""

    arrivals: Sequence[Arrival]

    @property
    def seconds(self) -> float:
        """Seconds from the first arrival to the last."""
        return self.arrivals[-1].at

    @property
    def refused(self) -> float:
        """The share of requests that was answered 429 or 503."""
        return sum(one.status in (429, 503) for one in self.arrivals) / len(self.arrivals)

    def between(self, start: float, end: float) -> "Ledger":
        """Return the requests that arrived in this span of time."""
        return Ledger([one for one in self.arrivals if start <= one.at < end])

    def rate(self, start: float, end: float) -> float:
        """Return the accepted requests per second in this span of time."""
        accepted = sum(one.status < 300 for one in self.between(start, end).arrivals)
        return accepted / (end - start)

    @property
    def goodput(self) -> float:
        """Accepted requests per second, without the first seconds and the end."""
        return self.rate(_WARM_UP, self.seconds - 0.5)

    def latency(self, quantile: float) -> float:
        """Return this quantile of the seconds that requests took at the server."""
        taken = sorted(one.seconds for one in self.arrivals if one.status < 300)
        return taken[int(quantile * len(taken))]

    def busiest(self, window: float) -> int:
        """Return the highest number of arrivals within any `window` seconds."""
        times, first, most = [one.at for one in self.arrivals], 0, 0
        for last, at in enumerate(times):
            while at - times[first] > window:
                first += 1
            most = max(most, last - first + 1)
        return most

    def in_flight(self, start: float, end: float) -> float:
        """Return the average number of concurrent requests in this span (Little's law)."""
        span = self.between(start, end).arrivals
        return sum(one.seconds for one in span) / (end - start)


class Arena:
    """A running sandbox whose capacity can be read and changed."""

    def __init__(self, folder: Path, server: str, kubeconfig: Path) -> None:
        self.folder = folder
        self.server = server
        self.kubeconfig = kubeconfig
        self._seen = 0

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which fleetpatch finds this server."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "FLEETPATCH_STATE_DIR": str(self.folder / "state"),
        }

    def change(self, **capacity: Any) -> float:
        """Change the capacity; return the time of the change, on the ledger's clock."""
        self._ask("capacity", capacity)
        return float(self._ask("arrivals")["now"])

    def ledger(self) -> tuple[Ledger, float]:
        """Return the arrivals since the last call, and the time of the first of them."""
        entries = self._ask("arrivals")["arrivals"]
        new, self._seen = entries[self._seen :], len(entries)
        new.sort()
        start = new[0][0]
        return Ledger([Arrival(at - start, status, took) for at, status, took in new]), start

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.server}/_sandbox/{path}", data) as answer:
            return json.load(answer)


@contextmanager
def arena(jobs: int, rules: Sequence[Mapping[str, Any]] = (), **capacity: Any) -> Iterator[Arena]:
    """Serve `jobs` jobs with these faults and this capacity, in a separate process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chaos, kubeconfig = folder / "chaos.json", folder / "kubeconfig"
        chaos.write_text(json.dumps({"capacity": capacity, "rules": list(rules)}))
        words = ("--jobs", str(jobs), "--chaos", chaos, "--kubeconfig", kubeconfig)
        with sandbox(*words) as ready:
            yield Arena(folder, ready["server"], kubeconfig)


_PLAN = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {{name: bench}}
targets:
  - {{kinds: [jobs.batch, jobs.batch.volcano.sh, tfjobs, mxjobs, pytorchjobs], selector: app}}
patch:
  labels: {{bench.example.com/round: "{value}"}}
retry: {{attempts: 20, budget: {budget}}}
pace: {pace}
"""


class Run:
    """`fleetpatch apply` as a separate process; `wait` for its end."""

    def __init__(self, arena: Arena, value: str, pace: str = "{}", budget: str = "10%") -> None:
        plan = arena.folder / f"{value}.yaml"
        plan.write_text(_PLAN.format(value=value, pace=pace, budget=budget))
        self._log = arena.folder / f"{value}.jsonl"
        self._errors = arena.folder / f"{value}.stderr"
        words = ["apply", str(plan), "--yes", "-o", "json", "--log-file", str(self._log)]
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                fleetpatch(*words),
                env=os.environ | arena.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def wait(self) -> Any:
        """Wait for the end; return the summary that `apply -o json` prints."""
        output, _ = self._process.communicate()
        if not output:
            code, errors = self._process.returncode, self._errors.read_text()[-2000:]
            raise RuntimeError(f"apply ended with {code} and without a summary:\n{errors}")
        return json.loads(output)


def apply(arena: Arena, value: str, pace: str = "{}", budget: str = "10%") -> Any:
    """Carry a plan out on all jobs; return the summary."""
    return Run(arena, value, pace, budget).wait()
