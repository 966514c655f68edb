"""The size of each wave, and the targets that it contains.

A size is a count or a percentage of all targets. The last size repeats until no target is left, as
in Ansible's `serial`: `[1, 10%]` is one target and then ten waves of a tenth, not one wave with all
the rest. Percentages are rounded so that they add up: `10%` makes ten waves of any number of
targets from ten on. Every wave has at least one target.

Each wave is a sample of the fleet. Its targets are apportioned to the clusters, and those of a
cluster to its namespaces. Within a namespace the order is random. After every wave, the number of
finished targets of a cluster is its share of all finished targets, rounded up or down; the same is
true for a namespace within its cluster.

Largest-remainder rounding, wave by wave, does not guarantee this: a part that is rounded up too
early may leave too little for the others (the Alabama paradox). So the problem is treated as
scheduling (Tijdeman, "The chairman assignment problem", 1980): the n-th target of a part may be
taken as soon as the part's share exceeds n - 1, and must be taken before the share exceeds n.
Earliest deadline first meets all deadlines if that is possible, and here it always is.

The random order is a hash with a seed: the same targets and the same seed make the same waves on
any machine. The memory that is needed grows with clusters, namespaces and waves, not with targets.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import chain, repeat
from typing import Final, TypeAlias, TypeVar

import msgspec

from fleetpatch.errors import Refused
from fleetpatch.model.units import Amount, Percent

Stratum: TypeAlias = tuple[str, str]
"""The name of a cluster, and a namespace in it."""

MAX_WAVES: Final = 1000
"""More waves are refused: each means a pause or a check, so more are most likely a mistake."""

_PERCENT: Final = 1_000_000
"""One percent in units of the finest percentage that a plan can name (`fleetpatch.model.units`).

Percentages are added up as integers, because the sums of binary fractions are not exact.
"""

_Part = TypeVar("_Part")


class Spread(msgspec.Struct, frozen=True):
    """The ends of all waves: the number of finished targets after each, in total and in each part.

    Each sequence ascends and has one element for every wave. The sequences of the clusters add up
    to `ends`, those of the namespaces of a cluster to the sequence of the cluster.
    """

    ends: tuple[int, ...]
    clusters: Mapping[str, tuple[int, ...]]
    strata: Mapping[Stratum, tuple[int, ...]]

    def wave(self, stratum: Stratum, rank: int) -> int:
        """The wave, from 1, of the target at `rank` in a stratum sorted by `shuffle_key`."""
        return bisect_right(self.strata[stratum], rank) + 1


def spread(strata: Mapping[Stratum, int], sizes: Sequence[Amount], seed: str) -> Spread:
    """Spread the targets, counted by stratum, over waves of the given sizes.

    Raises Refused if there would be more than `MAX_WAVES` waves.
    """
    clusters: Counter[str] = Counter()
    namespaces: defaultdict[str, dict[Stratum, int]] = defaultdict(dict)
    # The order decides ties. It is random, so that clusters early in the alphabet are not always
    # the first ones to get an uncertain change.
    for stratum in sorted(strata, key=lambda one: shuffle_key(seed, *one)):
        cluster, _ = stratum
        clusters[cluster] += strata[stratum]
        namespaces[cluster][stratum] = strata[stratum]
    ends = wave_ends(clusters.total(), sizes)
    by_cluster = _apportioned(clusters, ends)
    by_stratum: dict[Stratum, tuple[int, ...]] = {}
    for cluster, parts in namespaces.items():
        by_stratum |= _apportioned(parts, by_cluster[cluster])
    return Spread(ends, by_cluster, by_stratum)


def wave_ends(total: int, sizes: Sequence[Amount]) -> tuple[int, ...]:
    """The number of finished targets after each wave; strictly ascending, up to `total`.

    Raises Refused if there would be more than `MAX_WAVES` waves.
    """
    ends: list[int] = []
    counted = share = last = 0
    for size in chain(sizes, repeat(sizes[-1])):
        if last == total:
            break
        if len(ends) == MAX_WAVES:
            raise Refused(
                f"waves.sizes: {total} targets would need more than {MAX_WAVES} waves; the last"
                " size repeats until no target is left, so make it larger, for example 10%"
            )
        if isinstance(size, Percent):
            share += round(size.value * _PERCENT)
        else:
            counted += size
        # Rounded from the sum of all percentages so far, so that the rounding errors do not add up.
        last = min(total, max(last + 1, counted + _ceil_div(total * share, 100 * _PERCENT)))
        ends.append(last)
    return tuple(ends)


def shuffle_key(seed: str, *key: str) -> str:
    """Return text to sort by: a hash of seed and key, evenly spread and the same everywhere."""
    digest = blake2b("\0".join((seed, *key)).encode(), digest_size=16)
    return digest.hexdigest()


def _apportioned(parts: Mapping[_Part, int], ends: Sequence[int]) -> dict[_Part, tuple[int, ...]]:
    """The finished targets of each part after each end; ties go to the part that comes first."""
    total = max(1, sum(parts.values()))  # parts may be empty, and 0 cannot divide
    done = dict.fromkeys(parts, 0)
    after: dict[_Part, list[int]] = {part: [] for part in parts}
    for end in ends:
        # First the targets whose deadline has passed: each part gets its share, rounded down.
        for part, size in parts.items():
            done[part] = max(done[part], end * size // total)
        # Then the rest of the wave: one more target of the parts with the earliest deadlines, where
        # the share exceeds what is finished.
        candidates = [part for part, size in parts.items() if done[part] * total < end * size]
        candidates.sort(key=lambda part: _ceil_div((done[part] + 1) * total, parts[part]))
        for part in candidates[: end - sum(done.values())]:
            done[part] += 1
        for part in parts:
            after[part].append(done[part])
    return {part: tuple(counts) for part, counts in after.items()}


def _ceil_div(dividend: int, divisor: int) -> int:
    """Divide integers and round up."""
    return -(-dividend // divisor)
