"""How a plan would be carried out, in the words of its preview.

Left out: where the values come from (tests/cli/test_plan_preview).
"""

import pytest

from fleetpatch.model.run import WindowState
from fleetpatch.report.forecast import Forecast, WaveForecast, forecast_lines
from tests.values import replace

PLAIN = Forecast(rate=100.0, concurrency=128, adaptive=True, sending=12.3)
WAVES = WaveForecast((1, 124, 1109), pause=300.0, check="./healthy.sh prod")


def lines(forecast: Forecast) -> dict[str, str]:
    """Return the text of each line by its first word."""
    return {line[:8].strip(): line[9:] for line in forecast_lines(forecast)}


def test_a_plain_run_has_a_pace_and_an_expected_time() -> None:
    assert lines(PLAIN) == {
        "Pace": "at most 100/s and 128 in flight on each cluster; the pace adapts to the servers",
        "Expected": "about 12.3 s of requests at 100/s",
    }


def test_without_a_rate_the_assumption_is_named() -> None:
    shown = lines(replace(PLAIN, rate=None, adaptive=False))

    assert shown["Pace"] == "at most 128 in flight on each cluster; the pace does not adapt"
    assert shown["Expected"] == "about 12.3 s of requests if each cluster takes 100/s"


def test_waves_have_their_sizes_and_what_is_between_them() -> None:
    shown = lines(replace(PLAIN, waves=WAVES))

    assert shown["Waves"] == (
        "3: 1, 124, 1,109 objects; between them a pause of 5 min 0 s and a check "
        "(./healthy.sh prod)"
    )
    assert shown["Expected"].endswith("at 100/s, 10 min 0 s of pauses, and the checks")


def test_waves_that_a_person_begins_have_no_end_that_is_known() -> None:
    shown = lines(replace(PLAIN, waves=WaveForecast((1, 9), by_hand=True)))

    assert shown["Waves"] == "2: 1, 9 objects; between them `fleetpatch resume --promote`"
    assert shown["Expected"].endswith("and the time until each wave is promoted")


def test_many_waves_are_cut() -> None:
    equal = lines(replace(PLAIN, waves=WaveForecast((1, *[10] * 30, 3))))
    different = lines(replace(PLAIN, waves=WaveForecast(tuple(range(1, 20)))))

    assert equal["Waves"] == "32: 1, 30 x 10, 3 objects"
    assert different["Waves"] == "19: 1, 2, 3, 4, 5, 6, ..., 19 objects"


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (WindowState(True, "Asia/Shanghai", 1.0, 2.0), "open until 1970-01-01T00:00:01Z (Asia/Sha"),
        (WindowState(False, "UTC", None, 2.0), "closed; it opens at 1970-01-01T00:00:02Z (UTC)"),
        (WindowState(False, "UTC"), "closed, and does not open again"),
    ],
)
def test_a_window_is_open_or_closed_and_says_until_when(window: WindowState, text: str) -> None:
    assert lines(replace(PLAIN, window=window))["Window"].startswith(text)


def test_with_a_window_the_end_is_a_moment() -> None:
    window = WindowState(False, "UTC", None, 2.0)

    assert lines(replace(PLAIN, window=window, ends_at=14.0))["Expected"].endswith(
        "; begun now, its end is at 1970-01-01T00:00:14Z"
    )
    assert lines(replace(PLAIN, window=window))["Expected"].endswith("its end is not known")


def test_limits_are_named_where_there_are_any() -> None:
    shown = lines(replace(PLAIN, max_failures="2%", deadline=7200.0))

    assert shown["Limits"] == "halts after more than 2% failed targets; pauses after 2 h 0 min"


def test_a_run_without_an_open_target_takes_no_time() -> None:
    assert "Expected" not in lines(replace(PLAIN, sending=0.0))


def test_less_than_a_second_is_not_measured() -> None:
    assert lines(replace(PLAIN, sending=0.04))["Expected"].startswith("less than a second of req")
