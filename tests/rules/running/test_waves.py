"""Waves: how many targets each has, and how they are spread.

Covered: counts and percentages, the last size that repeats, too many waves; as properties, that
every target is in exactly one wave, that clusters and namespaces are finished in proportion after
each wave, that only the seed decides, and that the order of the arguments does not matter. Left
out: how the journal orders its targets by wave, and the pauses in between.
"""

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.errors import Refused
from fleetpatch.model.units import Amount, Percent
from fleetpatch.rules.running.waves import MAX_WAVES, Stratum, shuffle_key, spread, wave_ends

TENTH = Percent(10)
ALL = Percent(100)


@pytest.mark.parametrize(
    ("sizes", "total", "ends"),
    [
        ([1, TENTH, ALL], 5000, (1, 501, 5000)),
        ([1, TENTH, ALL], 1, (1,)),
        ([1, TENTH, ALL], 2, (1, 2)),
        ([1, TENTH, ALL], 0, ()),
        ([5, 20], 50, (5, 25, 45, 50)),
        ([7], 7, (7,)),
        ([TENTH], 1005, (101, 201, 302, 402, 503, 603, 704, 804, 905, 1005)),
        ([TENTH], 15, (2, 3, 5, 6, 8, 9, 11, 12, 14, 15)),
        ([TENTH], 3, (1, 2, 3)),
        ([Percent(33.3)], 1000, (333, 666, 999, 1000)),
        ([ALL, 1], 10, (10,)),
        ([Percent(0.000001), ALL], 1_000_000, (1, 1_000_000)),
    ],
)
def test_the_last_size_repeats_until_no_target_is_left(
    sizes: list[Amount], total: int, ends: tuple[int, ...]
) -> None:
    assert wave_ends(total, sizes) == ends


def test_a_tenth_makes_ten_waves_of_any_number_from_ten_on() -> None:
    assert {len(wave_ends(total, [TENTH])) for total in range(10, 500)} == {10}


@pytest.mark.parametrize("sizes", [[1], [3, 2], [Percent(0.000001)]])
def test_too_many_waves_are_refused_with_a_remedy(sizes: list[Amount]) -> None:
    with pytest.raises(Refused, match=r"5000 targets would need more than 1000 waves; .* larger"):
        wave_ends(5000, sizes)

    assert len(wave_ends(MAX_WAVES, [1])) == MAX_WAVES


def test_a_wave_has_the_share_of_each_part() -> None:
    strata = {("a", "x"): 500, ("a", "y"): 100, ("b", "x"): 400}

    done = spread(strata, [TENTH, Percent(50), ALL], "seed")

    assert done.ends == (100, 600, 1000)
    assert done.clusters == {"a": (60, 360, 600), "b": (40, 240, 400)}
    assert done.strata[("a", "x")] == (50, 300, 500)
    assert done.strata[("a", "y")] == (10, 60, 100)


def test_many_small_namespaces_are_spread_over_the_waves() -> None:
    strata = {("a", f"small-{number}"): 1 for number in range(100)} | {("a", "large"): 900}

    done = spread(strata, [TENTH, ALL], "seed")

    assert done.strata[("a", "large")][0] == 90
    assert sum(ends[0] for stratum, ends in done.strata.items() if stratum[1] != "large") == 10


def test_another_seed_makes_other_waves() -> None:
    strata = {("a", f"ns-{number}"): 1 for number in range(100)}

    def first(seed: str) -> set[Stratum]:
        return {
            stratum for stratum, ends in spread(strata, [TENTH], seed).strata.items() if ends[0]
        }

    assert first("one") == first("one")
    assert len(first("one")) == len(first("two")) == 10
    assert first("one") != first("two")


def test_a_part_without_targets_is_done_from_the_start() -> None:
    done = spread({("a", "x"): 3, ("b", "y"): 0}, [1], "seed")

    assert done.clusters == {"a": (1, 2, 3), "b": (0, 0, 0)}
    assert done.strata[("b", "y")] == (0, 0, 0)
    assert spread({}, [1], "seed").ends == ()


def test_the_random_order_is_the_same_on_every_machine() -> None:
    # The hash is written out: if it changed, a run planned before would get other waves.
    assert shuffle_key("seed", "uid") == "e734d659ab268e883949e572a9bd320d"
    assert shuffle_key("seed", "a", "bc") != shuffle_key("seed", "ab", "c")


COUNTS = st.integers(0, 5) | st.integers(0, 300)
FLEETS = st.dictionaries(st.tuples(st.sampled_from("abcd"), st.text("xyz", max_size=3)), COUNTS)
# The last size repeats; 7 % keeps the number of waves below the limit.
SIZES = st.lists(
    st.integers(1, 50) | st.integers(1, 10_000).map(lambda parts: Percent(parts / 100)), max_size=5
).map(lambda sizes: [*sizes, Percent(7)])


@settings(max_examples=150, deadline=None)
@given(FLEETS, SIZES, st.text())
def test_every_target_is_in_exactly_one_wave_and_each_has_its_size(
    strata: Mapping[Stratum, int], sizes: list[Amount], seed: str
) -> None:
    done = spread(strata, sizes, seed)
    total = sum(strata.values())

    members = Counter(
        done.wave(stratum, rank) for stratum, size in strata.items() for rank in range(size)
    )

    expected_sizes = {
        wave: end - before
        for wave, (before, end) in enumerate(zip((0, *done.ends), done.ends, strict=False), 1)
    }
    assert members == expected_sizes
    assert done.ends == wave_ends(total, sizes)
    assert done.ends[-1:] == ((total,) if total else ())
    assert min(expected_sizes.values(), default=1) >= 1


def rounded(part: int, whole: int, done: int) -> set[int]:
    """The finished targets that a part may have: its share of all finished ones, rounded."""
    return {part * done // whole, -(-part * done // whole)} if whole else {0}


@settings(max_examples=150, deadline=None)
@given(FLEETS, SIZES, st.text())
def test_after_each_wave_clusters_and_namespaces_are_done_in_proportion(
    strata: Mapping[Stratum, int], sizes: list[Amount], seed: str
) -> None:
    done = spread(strata, sizes, seed)
    totals = {cluster: sum(n for (c, _), n in strata.items() if c == cluster) for cluster in "abcd"}

    for wave, end in enumerate(done.ends):
        for cluster, ends in done.clusters.items():
            assert ends[wave] in rounded(totals[cluster], sum(totals.values()), end)
        for (cluster, namespace), ends in done.strata.items():
            size, whole = strata[cluster, namespace], totals[cluster]
            assert ends[wave] in rounded(size, whole, done.clusters[cluster][wave])
    for ends in (*done.clusters.values(), *done.strata.values()):
        assert list(ends) == sorted(ends)


@settings(deadline=None)
@given(FLEETS, SIZES, st.text(), st.randoms(use_true_random=False))
def test_the_order_of_the_strata_does_not_matter(
    strata: Mapping[Stratum, int], sizes: list[Amount], seed: str, random: Random
) -> None:
    shuffled = list(strata.items())
    random.shuffle(shuffled)

    assert spread(dict(shuffled), sizes, seed) == spread(strata, sizes, seed)
