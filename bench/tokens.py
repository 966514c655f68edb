"""Counts the log-ins of a run that is longer than the lifetime of its tokens.

A sandbox of CCI issues tokens that last ten seconds, and a run that takes a minute patches its Jobs
with many workers. The log-ins that the sandbox counts are compared with the renewals that are due
(each token is renewed after four fifths of its lifetime). Prints a line for each log-in and the
figures; exits with 1 if a target failed, a renewal took more than one log-in, or a request was
refused for an expired token.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.plans import fleetpatch
from bench.processes import sandbox

RENEWED_AFTER = 0.8
"""The share of a token's lifetime after which it is renewed."""
KINDS = ("jobs.batch", "jobs.batch.volcano.sh", "tfjobs", "mxjobs", "pytorchjobs")
_POLL_INTERVAL = 0.1
"""Seconds between two reads of the counters."""


@dataclass(frozen=True, slots=True)
class CciSandbox:
    """A running sandbox: its URL, and its credentials as environment variables."""

    server: str
    variables: Mapping[str, str]

    def counters(self) -> Any:
        """Return the counts of logins and statuses since the start."""
        with urllib.request.urlopen(f"{self.server}/_sandbox/counters") as answer:
            return json.load(answer)


@dataclass(frozen=True, slots=True)
class TokenRun:
    """The result of a run. `logins` are the times of its log-ins, in seconds from its start."""

    summary: Any
    logins: tuple[float, ...]
    refused: int
    seconds: float

    def violations(self, lifetime: float) -> Iterator[str]:
        """Yield each violation of what is expected."""
        outcomes = self.summary["outcomes"]
        if self.summary["state"] != "finished" or outcomes["applied"] != self.summary["targets"]:
            yield f"the run ended {self.summary['state']}, with {outcomes}"
        if self.refused:
            yield f"{self.refused} requests were refused for a stale token"
        for number, (one, other) in enumerate(zip(self.logins, self.logins[1:], strict=False), 1):
            if other - one < RENEWED_AFTER * lifetime - 4 * _POLL_INTERVAL:
                yield f"log-ins {number} and {number + 1} are {other - one:.1f} s apart"
        if len(self.logins) < int(self.seconds / lifetime):
            yield f"{len(self.logins)} log-ins cannot be enough: some were not counted"


@contextmanager
def cci_sandbox(folder: Path, lifetime: float, jobs: int) -> Iterator[CciSandbox]:
    """Serve CCI with tokens of this lifetime, in seconds, in a separate process."""
    options = ["--provider", "cci", "--token-lifetime", f"{lifetime:g}s", "--jobs", str(jobs)]
    with sandbox(*options, "--kubeconfig", folder / "kubeconfig") as ready:
        lines = Path(ready["credentials"]).read_text().splitlines()
        yield CciSandbox(ready["server"], dict(line.split("=", 1) for line in lines))


def run_with_tokens(
    cci: CciSandbox, folder: Path, rate: float, workers: int, limit: float
) -> TokenRun:
    """Plan and apply while polling the counters; kill the run after `limit` seconds."""
    file, run = folder / "plan.yaml", folder / "tokens.run"
    file.write_text(json.dumps(_plan(cci, rate, workers)))
    environment = os.environ | cci.variables | {"FLEETPATCH_STATE_DIR": str(folder / "state")}
    subprocess.run(
        fleetpatch("plan", file, "--all", "--run-file", run),
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    before, begun = cci.counters()["logins"], time.monotonic()
    logins: list[float] = []
    command = fleetpatch("apply", run, "--yes", "--output", "json")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            time.sleep(_POLL_INTERVAL)
            now = time.monotonic() - begun
            if now > limit:
                process.kill()
                sys.exit(f"the run is not over after {limit:.0f} s, twice what it should take")
            logins += [now] * (cci.counters()["logins"] - before - len(logins))
        assert process.stdout is not None
        summary = json.loads(process.stdout.read())
    refused = cci.counters()["statuses"].get("401", 0)
    return TokenRun(summary, tuple(logins), refused, time.monotonic() - begun)


def _plan(cci: CciSandbox, rate: float, workers: int) -> Any:
    user = {
        "endpoint": cci.server,
        "domain": cci.variables["CCI_DOMAIN"],
        "user": cci.variables["CCI_USER"],
        "passwordEnv": "CCI_PASSWORD",
        "project": cci.variables["CCI_PROJECT"],
    }
    cluster = {"name": "cci", "provider": "cci", "server": cci.server, "auth": {"iam": user}}
    return {
        "apiVersion": "fleetpatch/v1",
        "kind": "Plan",
        "metadata": {"name": "tokens"},
        "fleet": [cluster],
        "targets": [{"kinds": list(KINDS)}],
        "patch": {"labels": {"bench": "tokens"}},
        "pace": {"rate": f"{rate:g}/s", "burst": 1, "concurrency": workers},
    }


def main() -> None:
    """Read the arguments, run, print the figures; exits with 1 on a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long the run is to last")
    parser.add_argument("--lifetime", type=float, default=10, help="of a token, in seconds")
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--workers", type=int, default=64)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        cci_sandbox(Path(name), options.lifetime, options.jobs) as cci,
    ):
        rate, limit = options.jobs / options.seconds, 2 * options.seconds
        result = run_with_tokens(cci, Path(name), rate, options.workers, limit)
    for number, seconds in enumerate(result.logins, 1):
        print(f"log-in {number} at {seconds:5.1f} s")
    summary = result.summary
    print(
        f"{summary['targets']} targets, {options.workers} workers, {result.seconds:.1f} s; "
        f"applied {summary['outcomes']['applied']}, failed {summary['outcomes']['failed']}, "
        f"retries {summary['retries']}, refused for a stale token {result.refused}"
    )
    violations = list(result.violations(options.lifetime))
    print(*violations, sep="\n", end="\n" if violations else "")
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
