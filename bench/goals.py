"""Runs scenarios, and compares their figures with goals."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias


class Goal(NamedTuple):
    """A measured figure, and whether it reaches the goal."""

    what: str
    figure: float
    met: bool


Scenario: TypeAlias = Callable[[], Iterator[Goal]]


def run(description: str | None, scenarios: Mapping[str, Scenario]) -> None:
    """Run the scenarios named on the command line, or all; exit with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", metavar="|".join(scenarios))
    chosen = parser.parse_args().scenarios or list(scenarios)
    if unknown := set(chosen) - set(scenarios):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    missed = 0
    for name in chosen:
        print(name, flush=True)
        for goal in scenarios[name]():
            missed += not goal.met
            verdict = "ok    " if goal.met else "MISSED"
            print(f"  {verdict} {goal.what}: {goal.figure:.2f}", flush=True)
    sys.exit(1 if missed else 0)
