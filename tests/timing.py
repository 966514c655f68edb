"""How the time of a function grows with its input, measured in processor time of this thread."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FLOOR = 0.002
"""Seconds; shorter times are not compared, since noise would decide."""


def is_linear(work: Callable[[T], object], make: Callable[[int], T], size: int) -> bool:
    """Report whether 4 times the input takes less than 9 times as long; a square takes 16 times."""
    small, large = _seconds(work, make(size)), _seconds(work, make(4 * size))
    return large < 9 * max(small, _FLOOR)


def _seconds(work: Callable[[T], object], given: T) -> float:
    """Return the shortest of three measurements."""
    found = []
    for _ in range(3):
        begin = time.thread_time()
        work(given)
        found.append(time.thread_time() - begin)
    return min(found)
