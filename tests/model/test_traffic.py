"""Counts of exchanges: sums, differences, quantiles, and the way through a message."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.traffic import BOUNDS, NO_TRAFFIC, Traffic, bucket_of

KEYS = st.sampled_from([("patch", "200"), ("patch", "409"), ("patch", "timeout"), ("get", "200")])
TRAFFIC = st.builds(
    Traffic,
    st.dictionaries(KEYS, st.integers(1, 10**9)),
    st.dictionaries(st.integers(0, len(BOUNDS)), st.integers(1, 10**9)),
    st.integers(0, 10**6).map(float),
)


@given(TRAFFIC, TRAFFIC)
def test_a_difference_and_what_was_before_are_the_whole(earlier: Traffic, since: Traffic) -> None:
    assert (earlier + since) - earlier == since
    assert since - since == NO_TRAFFIC


@given(TRAFFIC)
def test_traffic_goes_through_a_message(traffic: Traffic) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(traffic), type=Traffic) == traffic


@given(TRAFFIC, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_takes_as_long_or_longer(traffic: Traffic, one: float, two: float) -> None:
    shorter, longer = (traffic.quantile(share) for share in sorted([one, two]))

    if not traffic.durations:
        assert shorter is longer is None
    else:
        assert shorter is not None
        assert longer is not None
        assert 0.0 <= shorter <= longer <= BOUNDS[-1]


def test_quantiles_are_interpolated_within_a_bucket() -> None:
    tenths = Traffic(durations={bucket_of(0.1): 50, bucket_of(0.2): 50})

    assert tenths.quantile(0.25) == pytest.approx(0.0875)
    assert tenths.quantile(0.5) == pytest.approx(0.1)
    assert tenths.quantile(0.75) == pytest.approx(0.2)


def test_a_duration_above_all_bounds_counts_as_the_last_bound() -> None:
    assert Traffic(durations={bucket_of(61.0): 1}).quantile(0.99) == 60.0


def test_buckets_without_a_duration_have_no_quantile() -> None:
    assert Traffic(durations={0: 0, 3: 0}).quantile(0.5) is None
    assert Traffic(durations={0: 0, 3: 2}).quantile(0.0) == BOUNDS[2]


def test_a_bound_belongs_to_its_own_bucket() -> None:
    assert [bucket_of(bound) for bound in BOUNDS] == list(range(len(BOUNDS)))
    assert all(lower < upper for lower, upper in pairwise(BOUNDS))
    assert (BOUNDS[0], BOUNDS[-1]) == (0.001, 60.0)


def test_statuses_are_those_of_one_verb() -> None:
    traffic = Traffic({("patch", "200"): 2, ("patch", "reset"): 1, ("get", "404"): 3})

    assert traffic.by_status() == {"200": 2, "reset": 1}
    assert traffic.by_status("get") == {"404": 3}
