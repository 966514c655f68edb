"""Changes 2,000 objects on each of two real control planes over two workers, and kills one of them.

etcd must have stored each selected object once, and no other. Exits with 1 after a violation.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.control_plane import OwnControlPlane
from tests.workers.planes import violations_after_a_kill


def main() -> None:
    """Run it a number of times; print the violations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=2000, help="on each control plane")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = []
    for number in range(options.rounds):
        with (
            tempfile.TemporaryDirectory() as name,
            OwnControlPlane() as first,
            OwnControlPlane() as second,
        ):
            violations = list(violations_after_a_kill((first, second), Path(name), options.targets))
        print(f"round {number + 1}: {len(violations)} violations", flush=True)
        found += violations
    print(*found[:20], sep="\n")
    print(f"{'kind of fault':<24} {'faults':>10} {'runs':>10} {'violations':>10}")
    print(f"{'kill a worker':<24} {options.rounds:>10} {options.rounds:>10} {len(found):>10}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
