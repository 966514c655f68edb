"""What it costs to read a table of 100,000 rows: CPU seconds and memory, for each format.

`python -m bench.tables [ROWS]`. A yaml table has at most 1 MiB, so it is not measured.
"""

import json
import multiprocessing
import sys
import time
from pathlib import Path

from fleetpatch.model.plan.tables.read import read_table


def main() -> None:
    """Print a line for each format."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rows = [
        {"team": f"team-{i}", "centre": f"cc-{i}", "owner": f"o{i}@example.com", "tier": "gold"}
        for i in range(count)
    ]
    lines = ["team,centre,owner,tier", *(",".join(row.values()) for row in rows)]
    contents = {"csv": "\n".join(lines).encode(), "json": json.dumps(rows, indent=1).encode()}
    spawn = multiprocessing.get_context("spawn")
    for suffix, content in contents.items():
        # A process for each: the peak of the memory of a process never falls.
        process = spawn.Process(target=_measure, args=(suffix, content))
        process.start()
        process.join()


def _measure(suffix: str, content: bytes) -> None:
    before = _peak()
    started = time.process_time()
    table = read_table(content, f"table.{suffix}", "team")
    seconds = time.process_time() - started
    memory = (_peak() - before) / 1024
    sys.stdout.write(f"{suffix}: {len(table.rows)} rows, {seconds:.2f} s of CPU, {memory:.0f} MB\n")


def _peak() -> int:
    """Return the peak of this process's memory in KB; `ru_maxrss` has that of its parent, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main()
