"""The plan's `window` and `waves`: their meaning, and keys that cannot be combined.

Covered: one opening and several, time zones, blackouts, the drain, canonical text, and the
findings. Left out: cron expressions (test_cron.py), and places in a file
(test_plan_mistakes.py).
"""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft202012Validator

from fleetpatch.model.cron import Schedule
from fleetpatch.model.plan.json_schema import schema_of
from fleetpatch.model.plan.problems import show_path
from fleetpatch.model.plan.section import as_tree, section_of
from fleetpatch.model.plan.waves import WavesSection
from fleetpatch.model.plan.window import WindowSection, check_window
from fleetpatch.model.plan.yaml.document import read
from fleetpatch.model.units import Percent
from fleetpatch.model.window import Days, Opening

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
SATURDAY = '{opens: "0 2 * * SAT", lasts: 3h, timezone: Asia/Shanghai}'
SEVERAL = """{
  timezone: Asia/Shanghai,
  any: [{opens: "0 2 * * SAT", lasts: 3h},
        {opens: "0 22 * * MON-FRI", lasts: 6h, timezone: Europe/Berlin}],
  blackouts: [2026-12-31..2027-01-02, 2026-12-24, 2026-12-24..2026-12-24], drain: 30s}"""


def tree(text: str) -> Any:
    found: Any = read(f"window: {text}".encode(), "plan.yaml").tree
    return found["window"]


def test_a_window_of_one_opening() -> None:
    window = section_of(WindowSection, tree(SATURDAY)).window()

    assert window.openings == (Opening(Schedule.parse("0 2 * * SAT"), 3 * 3600, SHANGHAI),)
    assert (window.zone, window.blackouts, window.drain) == (SHANGHAI, (), 10)


def test_a_window_of_several_openings_and_blackouts() -> None:
    window = section_of(WindowSection, tree(SEVERAL)).window()

    assert window.openings == (
        Opening(Schedule.parse("0 2 * * SAT"), 3 * 3600, SHANGHAI),
        Opening(Schedule.parse("0 22 * * MON-FRI"), 6 * 3600, BERLIN),
    )
    assert window.blackouts == (
        Days(date(2026, 12, 24), date(2026, 12, 24)),
        Days(date(2026, 12, 31), date(2027, 1, 2)),
    )
    assert (window.zone, window.drain) == (SHANGHAI, 30)


def test_a_window_is_in_utc_by_default() -> None:
    window = section_of(WindowSection, tree('{opens: "0 2 * * *", lasts: 1h}')).window()

    assert window.zone.key == window.openings[0].zone.key == "UTC"


@pytest.mark.parametrize("text", [SATURDAY, SEVERAL])
def test_what_was_read_is_written_and_read_again(text: str) -> None:
    window = section_of(WindowSection, tree(text))

    written = as_tree(window)

    assert section_of(WindowSection, written) == window


def test_blackouts_are_written_in_one_way() -> None:
    written = as_tree(section_of(WindowSection, tree(SEVERAL)))

    assert written["blackouts"] == ["2026-12-24", "2026-12-31..2027-01-02"]


@pytest.mark.parametrize(
    ("days", "what"),
    [
        ("2026-2-3", "'2026-2-3' is not a valid day; write 2026-12-24, or 2026-12-31..2027-01-02"),
        ("20261224", "must be a day such as 2026-12-24"),
        ("2026-12-24...2026-12-25", "is not a valid day"),
        ("2026-W52-4", "is not a valid day"),
        ("2026-02-30", "'2026-02-30' is not in the calendar"),
        ("2026-12-24..9999-12-31", "'9999-12-31' is outside the years 1970 to 2999"),
        ("2026-12-25..2026-12-24", "ends before it begins"),
        ("null", "has no value"),
    ],
)
def test_an_invalid_blackout_is_refused(days: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        section_of(WindowSection, tree(f'{{opens: "0 2 * * *", lasts: 1h, blackouts: [{days}]}}'))


def test_an_opening_lasts_at_most_a_month() -> None:
    assert section_of(WindowSection, tree('{opens: "0 2 1 * *", lasts: 744h}')).lasts == 744 * 3600
    with pytest.raises(ValueError, match="at most 744h; use a schedule that opens"):
        section_of(WindowSection, tree('{opens: "0 2 1 * *", lasts: 744h1s}'))


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("{}", "window.opens", "is missing; add a cron expression, or several openings as any"),
        ("{}", "window.lasts", "is missing; add how long it stays open"),
        ('{opens: "0 2 * * *"}', "window.lasts", "is missing"),
        (
            '{any: [{opens: "0 2 * * *", lasts: 1h}], lasts: 1h}',
            "window.lasts",
            "combined with any",
        ),
        (
            '{opens: "* * * * *", lasts: 10s, drain: 10s}',
            "window.lasts",
            "not longer than the drain of 10s",
        ),
        (
            '{any: [{opens: "* * * * *", lasts: 9h}, {opens: "* * * * *", lasts: 5s}], drain: 6s}',
            "window.any[1].lasts",
            "not longer than the drain of 6s, so nothing would be sent",
        ),
    ],
)
def test_keys_that_cannot_be_combined_are_found(text: str, where: str, what: str) -> None:
    findings = [(show_path(one.path), one.what) for one in check_window({"window": tree(text)})]

    assert any(place == where and what in message for place, message in findings), findings


@pytest.mark.parametrize(
    "text",
    [
        SATURDAY,
        SEVERAL,
        '{opens: "* * * * *", lasts: 5s}',
        '{opens: "0 2 * * *", lasts: soon}',
        '{opens: "0 2 * * *", lasts: 1h, drain: soon}',
        "null",
        "[]",
        "closed",
    ],
)
def test_valid_combinations_and_wrong_shapes_have_no_findings(text: str) -> None:
    assert list(check_window({"window": tree(text)})) == []
    assert list(check_window({})) == []


def test_the_json_schema_knows_what_can_be_combined() -> None:
    validator = Draft202012Validator(schema_of(WindowSection))

    assert all(validator.is_valid(tree(text)) for text in (SATURDAY, SEVERAL))
    assert not validator.is_valid(tree("{timezone: UTC}"))
    assert not validator.is_valid(tree('{opens: "0 2 * * *"}'))
    assert not validator.is_valid({**tree(SATURDAY), **tree(SEVERAL)})
    assert not validator.is_valid({**tree(SATURDAY), "blackouts": ["christmas"]})


def test_waves_are_counts_and_percentages() -> None:
    waves = section_of(WavesSection, {"sizes": [1, "10%", "100%"], "pause": "5m"})

    assert waves.sizes == (1, Percent(10), Percent(100))
    assert waves.pause == 300
    with pytest.raises(ValueError, match="is a wave without targets; write 1 or more"):
        section_of(WavesSection, {"sizes": [0]})
