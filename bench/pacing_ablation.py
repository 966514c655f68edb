"""What each constant and each mechanism of the pace is good for.

    python -m bench.pacing_ablation [--mutants | --mechanisms]

`--mutants` changes each field of `Tuning` by 30 %, down and up (integers are rounded outwards), and
prints which test notices, of those that its comment names. `--mechanisms` switches one mechanism
off at a time and prints the figures of the simulator (bench.pacing_figures). Exits with 1 where a
mutant survives.
"""

import argparse
import contextlib
import inspect
import io
import os
import re
import sys
from collections.abc import Mapping
from math import ceil, floor
from multiprocessing import get_context
from types import MappingProxyType
from typing import Any

import pytest

from bench.pacing_figures import figures
from fleetpatch.rules.pacing.tuning import Tuning

_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-n", "0")
_LINE = re.compile(r"^    (\w+): \w+ = .* \[(\w+)\]$", re.MULTILINE)
_FACTORS = (0.7, 1.3)

_FAR: Mapping[str, Any] = MappingProxyType({"interval": 1e9, "step": 1e9})

MECHANISMS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "nothing is off": {},
        "no excess: refusals limit nothing": {"excess_evidence": 1e9, "fewest_answers": 10**9},
        "no verdict against a trial: each one helps": {"verdict_evidence": -1e9},
        "no tolerance: a share is tried again at once": {"tolerance": 0.0},
        "no second cut": {"most_cuts": 1},
        "no least cut": {"deepest_cut": 0.0},
        "no least number of answers": {"fewest_answers": 1},
        "slow start ends at any share": {"slow_start_share": 0.0},
        "no pause": {"blocked_share": 1.1},
        "no growth of cut limits": {"first_regrowth": 1e6, "longest_regrowth": 1e6},
        "fewer than four in flight": {"fewest_in_flight": 1},
        "no burst at a found rate": {"burst": 0.0},
        "no climb: always at the ceiling": {"start": 10**6, **_FAR},
        "two comparisons after slow start, with the ceiling and with 1 in flight": _FAR,
        "one round decides": {"lead": 1},
        "trials for any work that is left": {"least_left": 0.0},
    }
)


def change(changes: Mapping[str, Any]) -> None:
    """Change the defaults of the constants in this process."""
    Tuning.__new__.__defaults__ = tuple({**Tuning()._asdict(), **changes}.values())


class _FirstFailure:
    """A plugin of pytest that keeps the name of the first test that fails."""

    test = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for each phase of each test."""
        if report.failed and not self.test:
            self.test = report.nodeid.partition("::")[2]


def _notices(changes: Mapping[str, Any], tests: str, pipe: Any) -> None:
    change(changes)
    failure = _FirstFailure()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main([*_OPTIONS, tests], [failure])
    pipe.send(failure.test)
    os._exit(0)


def _tests() -> Mapping[str, str]:
    """The test file of each constant, as its comment names it."""
    named = dict(_LINE.findall(inspect.getsource(Tuning)))
    return {
        name: "tests/engine/test_pace_report.py"
        if tests == "pace_report"
        else f"tests/rules/pacing/test_{tests}.py"
        for name, tests in named.items()
    }


def mutants() -> int:
    """Print which test fails for each change; return the number of changes that no test notices."""
    context, survivors, tests = get_context("fork"), 0, _tests()
    print("| constant | value | 30 % less: test that fails | 30 % more: test that fails |")
    print("|---|---|---|---|", flush=True)
    for name, default in Tuning()._asdict().items():
        found = []
        for round_up, factor in enumerate(_FACTORS):
            value = default * factor
            if isinstance(default, int):
                value = ceil(value) if round_up else floor(value)
            ours, theirs = context.Pipe()
            child = context.Process(target=_notices, args=({name: value}, tests[name], theirs))
            child.start()
            found.append(ours.recv())
            child.join()
        survivors += found.count("")
        names = " | ".join(f"`{test}`" if test else "**none**" for test in found)
        print(f"| `{name}` | {default:g} | {names} |", flush=True)
    return survivors


def _figures(changes: Mapping[str, Any], pipe: Any) -> None:
    change(changes)
    pipe.send(figures())


def mechanisms() -> None:
    """Print the figures with each mechanism switched off."""
    context = get_context("fork")
    for name, changes in MECHANISMS.items():
        ours, theirs = context.Pipe()
        child = context.Process(target=_figures, args=(changes, theirs))
        child.start()
        found: dict[str, float] = ours.recv()
        child.join()
        if not changes:
            print("| " + " | ".join(["mechanism", *found]) + " |")
            print("|---" * (len(found) + 1) + "|")
        print(
            "| " + " | ".join([name, *(f"{one:.2f}" for one in found.values())]) + " |", flush=True
        )


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--mechanisms", action="store_true")
    options = parser.parse_args()
    both = not options.mutants and not options.mechanisms
    if options.mechanisms or both:
        mechanisms()
    sys.exit(1 if (options.mutants or both) and mutants() else 0)


if __name__ == "__main__":
    main()
