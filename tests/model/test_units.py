"""Durations, rates, sizes and percentages: read, written, and refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.units import (
    SLOWEST,
    Percent,
    read_duration,
    read_percent,
    read_rate,
    read_size,
    write_duration,
    write_rate,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("500ms", 0.5), ("1.5h", 5400)],
)
def test_durations_are_read_in_seconds(text: str, seconds: float) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "s", "-5s", "5 s", "5d", "5S", "5s ", "5s\n", "٣s", "1e3s"]
)
def test_an_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid duration; write it as 30s"):
        read_duration(text)


@pytest.mark.parametrize("text", ["99999999h", "999999999h999999999h", "87841h"])
def test_a_duration_of_more_than_ten_years_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than ten years"):
        read_duration(text)


def test_the_longest_duration_is_written_and_read_back() -> None:
    assert read_duration(write_duration(read_duration("87840h"))) == 87840 * 3600


@pytest.mark.parametrize(
    ("text", "per_second"), [("100/s", 100), ("600/m", 10), ("1/h", SLOWEST), ("0.5/s", 0.5)]
)
def test_rates_are_read_per_second(text: str, per_second: float) -> None:
    assert read_rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize("text", ["", "100", "100/", "/s", "100/d", "-1/s", "100 /s", "100/s\n"])
def test_an_invalid_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid rate; write it as 100/s"):
        read_rate(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("65536", 65536),
        ("64k", 65536),
        ("1M", 2**20),
        ("10MB", 10 * 2**20),
        ("2g", 2**31),
        ("2GiB", 2**31),
        ("512KB", 2**19),
        ("1Mi", 2**20),
    ],
)
def test_sizes_are_read_in_bytes_with_units_of_1024(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "1.5M", "-1k", "1 k", "1T", "1kk", "1B", "٣k", "1k\n"])
def test_an_invalid_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid size; write it as 512k"):
        read_size(text)


@pytest.mark.parametrize("text", ["0/s", "0.9/h"])
def test_a_rate_below_one_an_hour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="slower than one an hour"):
        read_rate(text)


@pytest.mark.parametrize("text", ["0%", "100.1%", "1000%"])
def test_a_percentage_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most 100%"):
        read_percent(text)


@pytest.mark.parametrize("text", ["", "10", "%", "10 %", "-1%", "ten%"])
def test_an_invalid_percentage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid percentage; write it as 10%"):
        read_percent(text)


@given(st.floats(SLOWEST, 1e8))
def test_what_is_written_reads_back_to_the_same_number(number: float) -> None:
    assert read_rate(write_rate(number)) == number
    assert read_duration(write_duration(round(number, 6))) == round(number, 6)


@given(st.integers(1, 10_000))
def test_percentages_read_back_to_the_same_share(hundredths: int) -> None:
    percent = Percent(hundredths / 100)

    assert read_percent(str(percent)) == percent
