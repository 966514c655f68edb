"""Compares the ratios of measurements, round by round, with a goal."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RatioGoal:
    """The goal for a ratio: at least `bound`, or at most (`at_most`)."""

    name: str
    bound: float
    at_most: bool = False

    def line(self, ratios: Sequence[float]) -> str:
        """Return min/median/max of all rounds, and whether the median reaches the goal."""
        middle = statistics.median(ratios)
        reached = middle <= self.bound if self.at_most else middle >= self.bound
        sign = "<=" if self.at_most else ">="
        shown = (min(ratios), middle, max(ratios)) if len(ratios) > 1 else (middle,)
        spread = " / ".join(f"{ratio:.2f}" for ratio in shown)
        return f"{self.name:<34} {spread:<22} {sign} {self.bound:<5} {_WORDS[reached]}"


_WORDS = {True: "reached", False: "MISSED"}

HEADING = f"{'ratio, round by round':<34} {'min / median / max':<22} goal"
