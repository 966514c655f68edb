"""How many targets each wave has, and which.

Sizes are those of the waves themselves, each a count or a share of all targets. The last one
repeats until no target is left, as Ansible's `serial` does: `[1, 10%]` never ends in one wave of
the other nine tenths. Shares are rounded so that they add up: `10%` is ten waves of whatever number
of targets, from ten on. Every wave has at least one target.

Each wave is a sample of the whole. Its targets are apportioned to the clusters, and each cluster's
to its namespaces; which targets of a namespace come first is drawn by lot. After every wave, the
number of targets done in a cluster is its share of all that are done, rounded up or down, and so is
that of a namespace within its cluster.

Rounding to the largest remainder, wave by wave, would break that promise: a part that was rounded
up too soon may leave too little for the others (the Alabama paradox). So this is seen as a matter
of scheduling (Tijdeman, "The chairman assignment problem", 1980): the n-th target of a part may
come as soon as the part's share exceeds n - 1, and must before the share exceeds n. Earliest
deadline first meets all deadlines wherever they can be met, and here they always can.

Everything is drawn by hashing, with a seed: the same targets and the same seed give the same waves,
on any machine. The memory taken grows with clusters, namespaces and waves, not with targets.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, repeat
from typing import Final, TypeAlias, TypeVar

from fleetpatch.errors import Refused
from fleetpatch.model.units import Amount, Percent

Stratum: TypeAlias = tuple[str, str]
"""The name of a cluster, and a namespace in it."""

MAX_WAVES: Final = 1000
"""More are refused: each wave is a pause or a check that somebody must have meant."""

_PERCENT: Final = 1_000_000
"""A percent in the finest share that a plan can name (`fleetpatch.model.units`)."""

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Spread:
    """Where each wave ends: how many targets are done after it, in all and in each part.

    Each sequence has an element for every wave, and ascends. Those of the clusters add up to
    `ends`, those of a cluster's namespaces to the cluster's.
    """

    ends: tuple[int, ...]
    clusters: Mapping[str, tuple[int, ...]]
    strata: Mapping[Stratum, tuple[int, ...]]

    def wave(self, stratum: Stratum, rank: int) -> int:
        """The wave, from 1, of the target at `rank` in a stratum sorted by `shuffle_key`."""
        return bisect_right(self.strata[stratum], rank) + 1


def spread(strata: Mapping[Stratum, int], sizes: Sequence[Amount], seed: str) -> Spread:
    """Spread the targets, counted by stratum, over waves of the given sizes.

    Raises Refused where that makes too many waves.
    """
    clusters: Counter[str] = Counter()
    namespaces: defaultdict[str, dict[Stratum, int]] = defaultdict(dict)
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
    """How many of `total` targets are done after each wave; strictly ascending, up to `total`.

    Raises Refused where that makes more than `MAX_WAVES` waves.
    """
    ends: list[int] = []
    counted = share = last = 0
    for size in chain(sizes, repeat(sizes[-1])):
        if last == total:
            break
        if len(ends) == MAX_WAVES:
            raise Refused(
                f"waves.sizes: {total} targets would take more than {MAX_WAVES} waves; the last"
                " size repeats until none is left, so make it larger, such as 10%"
            )
        if isinstance(size, Percent):
            share += round(size.value * _PERCENT)
        else:
            counted += size
        last = min(total, max(last + 1, counted + _up(total * share, 100 * _PERCENT)))
        ends.append(last)
    return tuple(ends)


def shuffle_key(seed: str, *key: str) -> str:
    """Return text to sort by: a hash of seed and key, evenly spread and the same everywhere."""
    digest = blake2b("\0".join((seed, *key)).encode(), digest_size=16)
    return digest.hexdigest()


def _apportioned(parts: Mapping[_Part, int], ends: Sequence[int]) -> dict[_Part, tuple[int, ...]]:
    """How many of each part are done when so many of all are; ties go to the part given first."""
    total = max(1, sum(parts.values()))  # nothing at all is apportioned, too
    done = dict.fromkeys(parts, 0)
    after: dict[_Part, list[int]] = {part: [] for part in parts}
    for end in ends:
        for part, size in parts.items():
            done[part] = max(done[part], end * size // total)
        may = [part for part, size in parts.items() if done[part] * total < end * size]
        may.sort(key=lambda part: _up((done[part] + 1) * total, parts[part]))
        for part in may[: end - sum(done.values())]:
            done[part] += 1
        for part in parts:
            after[part].append(done[part])
    return {part: tuple(counts) for part, counts in after.items()}


def _up(dividend: int, divisor: int) -> int:
    """Divide, and round up."""
    return -(-dividend // divisor)
