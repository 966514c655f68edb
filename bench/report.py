"""Measures the report of a run with a million targets: time, memory, and the size of the page.

The run file is made without a server: three clusters, three kinds, 20,000 namespaces, and a message
of its own for each of 70,000 failed and skipped targets. Each format is made by a process of its
own. Exits with 1 if a goal is missed.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench.memory import MIB
from bench.plans import fleetpatch
from bench.processes import measure
from tests.report_runs import made_run

SIZE = 1_000_000
NAMESPACES = 20_000
LARGEST = 2 * 10**6
"""Bytes of the page, at most."""
MEMORY = 250
"""MiB, at most, whatever the format."""


def main() -> None:
    """Make the run file and the reports, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=SIZE)
    parser.add_argument("--run-file", type=Path, help="use this run file, and make it if missing")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleetpatch-bench-") as text:
        folder = Path(text)
        run = chosen.run_file or folder / "bench.run"
        if not run.exists():
            made_run(run, chosen.targets, namespaces=NAMESPACES)
        missed = [
            name for name in ("html", "markdown", "json", "csv") if not _made(name, run, folder)
        ]
    sys.exit(1 if missed else 0)


def _made(name: str, run: Path, folder: Path) -> bool:
    page = folder / "report.html"
    words = ["--html", page] if name == "html" else [f"--{name}"]
    measured = measure(fleetpatch("report", run, *words), dict(os.environ))
    size = page.stat().st_size if name == "html" else len(measured.output)
    met = measured.rss < MEMORY * MIB and (name != "html" or size < LARGEST)
    verdict = "ok    " if met else "MISSED"
    figures = f"{size / 1000:10,.0f} kB {measured.cpu:6.1f} s CPU {measured.rss / MIB:6.0f} MiB"
    print(f"{verdict} {name:<9} {figures}", flush=True)
    return met


if __name__ == "__main__":
    main()
