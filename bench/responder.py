"""Compares fleetpatch with the bare aiohttp loop, on a server that answers almost without cost.

So the client is the bottleneck: the ratio of the rates shows the cost of fleetpatch's plan, guard,
record and log, compared with the HTTP client alone. The server is nginx on the loopback interface
(`bench/static_server.py`). A real API server is many times slower than both clients.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from bench.plans import CONCURRENCY, fleetpatch, write_plan
from bench.processes import Measured, measure
from bench.ratios import HEADING, RatioGoal
from bench.static_server import NoNginxError, static_server, write_kubeconfig

LABEL = "bench.example.com/round=static"
SELECTOR = "app=bench"


def main() -> None:
    """Serve, run both alternately, print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # nginx may run as another user, which must be able to read the folder that it serves.
        site = folder / "site"
        site.mkdir()
        folder.chmod(0o755)
        try:
            with static_server(site, jobs=options.jobs, label=LABEL) as server:
                ours, bare = _measure_rounds(folder, server, options.rounds)
        except NoNginxError as error:
            sys.exit(str(error))
    for label, runs in (("fleetpatch", ours), ("bare loop", bare)):
        rate = statistics.median(options.jobs / run.seconds for run in runs)
        cpu = statistics.median(run.cpu for run in runs)
        print(f"{label:<12} {rate:8.0f} objects/s {cpu:8.2f} s CPU")
    ratios = [theirs.seconds / own.seconds for own, theirs in zip(ours, bare, strict=True)]
    print("", HEADING, RatioGoal("rate: fleetpatch / bare loop", 0.65).line(ratios), sep="\n")


def _measure_rounds(
    folder: Path, server: str, rounds: int
) -> tuple[list[Measured], list[Measured]]:
    plan = write_plan(folder / "plan.yaml", kinds="jobs.batch", selector=SELECTOR, label=LABEL)
    environment = {
        "KUBECONFIG": str(write_kubeconfig(folder / "kubeconfig", server)),
        "FLEETPATCH_STATE_DIR": str(folder / "state"),
    }
    apply = fleetpatch("apply", plan, "--yes", "-o", "json")
    bare = [sys.executable, "-m", "bench.bare_loop", "--server", server, "--selector", SELECTOR]
    bare += ["--label", LABEL, "--concurrency", str(CONCURRENCY)]
    # Interleaved, so that a change of the machine's load affects both.
    pairs = [(measure(apply, environment), measure(bare, environment)) for _ in range(rounds)]
    return [own for own, _ in pairs], [theirs for _, theirs in pairs]


if __name__ == "__main__":
    main()
