"""Ratios of measurements round by round, and how they read against a goal."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio is to reach: at least, or (`at_most`) at most `bound`."""

    name: str
    bound: float
    at_most: bool = False

    def line(self, ratios: Sequence[float]) -> str:
        """The ratios of all rounds as min/median/max, and whether the median reaches the goal."""
        middle = statistics.median(ratios)
        reached = middle <= self.bound if self.at_most else middle >= self.bound
        sign = "<=" if self.at_most else ">="
        shown = (min(ratios), middle, max(ratios)) if len(ratios) > 1 else (middle,)
        spread = " / ".join(f"{ratio:.2f}" for ratio in shown)
        return f"{self.name:<34} {spread:<22} {sign} {self.bound:<5} {_WORDS[reached]}"


_WORDS = {True: "reached", False: "MISSED"}

HEADING = f"{'ratio, round by round':<34} {'min / median / max':<22} goal"
