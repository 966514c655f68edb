"""Warnings that API servers send with their answers, counted by their text."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MAX_TEXTS: Final = 50
"""Distinct texts that a run keeps; the others are counted together."""

OTHERS: Final = "(other warnings)"

NO_WARNINGS: Final[Mapping[str, int]] = MappingProxyType({})


def added(known: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    """Add counts by text, in the order in which texts came: `MAX_TEXTS` at most, and `OTHERS`."""
    counts = dict(known)
    for text, count in new.items():
        key = text if text in counts or len(counts) < MAX_TEXTS else OTHERS
        counts[key] = counts.get(key, 0) + count
    return counts
