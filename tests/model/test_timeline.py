"""A run over time in bounded space."""

from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.timeline import MAX_BUCKETS, Bucket, Timeline, narrowed

MOMENTS = st.lists(st.floats(0, 4e9, allow_nan=False), max_size=60)


def one(number: int = 1) -> Bucket:
    return Bucket(
        1.0,
        {"applied": number},
        {"200": number},
        {},
        {},
        {3: number},
        2.0,
        4.0,
        number,
        {"rate": 1},
    )


def of(moments: list[float], most: int = 8) -> Timeline:
    timeline = Timeline(most=most)
    for moment in moments:
        timeline.add(moment, one())
    return timeline


def test_a_rate_is_a_number_whatever_a_run_file_has() -> None:
    assert Bucket(2.0).per_second(5) == 2.5
    for seconds in (0.0, 1e-320, -1e-320, float("inf")):
        assert Bucket(seconds).per_second(1e300) == 0.0


def test_a_short_run_has_a_bucket_for_each_second() -> None:
    timeline = of([1000.2, 1000.9, 1002.0])

    assert timeline.width == 1
    assert {start: bucket.ended for start, bucket in timeline.buckets.items()} == {
        1000: {"applied": 2},
        1002: {"applied": 1},
    }


def test_a_day_has_wider_buckets_and_no_more_of_them() -> None:
    timeline = Timeline()
    for second in range(0, 86_400, 10):
        timeline.add(second, one())

    assert len(timeline.buckets) <= MAX_BUCKETS
    assert timeline.width == 512
    assert timeline.total.ended == {"applied": 8640}


def test_a_night_without_requests_takes_no_buckets() -> None:
    evening, morning = 20 * 3600.0, 30 * 3600.0

    timeline = of([evening, evening + 1, morning, morning + 1])

    assert timeline.width == 1


@given(MOMENTS)
def test_whatever_happens_when_the_space_is_bounded_and_nothing_is_lost(
    moments: list[float],
) -> None:
    timeline = of(moments)

    assert len(timeline.buckets) <= 8
    assert timeline.total.ended.get("applied", 0) == len(moments)
    assert all(start % timeline.width == 0 for start in timeline.buckets)


@given(MOMENTS, MOMENTS)
def test_timelines_of_different_widths_are_added_up(
    first: list[float], second: list[float]
) -> None:
    together = of(first)
    together.update(of(second, most=3))

    assert together.total == of(first + second).total
    assert len(together.buckets) <= 8


def test_the_most_in_flight_is_not_added_up() -> None:
    assert (one(3) + one(5)).most == 5
    assert (one(3) + one(5)).in_flight == 4.0


def test_the_latency_of_any_stretch_follows_from_its_durations() -> None:
    bucket = Bucket(durations={5: 90, 13: 10})

    median, high = bucket.latency(0.5), bucket.latency(0.99)
    assert median is not None
    assert high is not None
    assert 0.0075 < median < 0.01
    assert 0.25 < high < 0.5
    assert Bucket().latency(0.5) is None


def test_a_rate_is_per_observed_second() -> None:
    assert Bucket(seconds=4.0).per_second(10) == 2.5
    assert Bucket().per_second(10) == 0.0


def test_a_narrow_chart_has_fewer_buckets_of_the_same_timeline() -> None:
    timeline = of([float(second) for second in range(8)])

    narrow = narrowed(timeline, 3)

    assert len(narrow.buckets) <= 3
    assert narrow.total == timeline.total
    assert len(timeline.buckets) == 8
