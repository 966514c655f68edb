"""What limits the pace, in words. Covered: each cause, ceilings of the plan and of a person."""

import pytest

from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.model.steering import PaceInForce
from fleetpatch.report.pace import limit_in_words
from fleetpatch.report.wording import rate

PLAN = PaceInForce()


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        (Pace(128, 200.0, PaceCause.RATE), "the plan's rate of 200/s"),
        (Pace(128, None, PaceCause.CONCURRENCY), "the plan's concurrency of 128"),
        (
            Pace(23, None, PaceCause.LATENCY),
            "with more the server would only answer slower: 23 in flight",
        ),
        (Pace(9, 80.4, PaceCause.REFUSALS), "the server refuses more: 9 in flight, 80/s"),
        (Pace(4, None, PaceCause.STARTING), "the pace still rises: 4 in flight"),
        (
            Pace(9, None, PaceCause.BACKOFF),
            "targets that were refused wait until they may be sent again",
        ),
        (Pace(4, 5.0, PaceCause.FAILING), "no request is answered, or all fail"),
        (Pace(4, None, PaceCause.WORK), ""),
    ],
)
def test_each_cause_is_said_in_plain_words(pace: Pace, words: str) -> None:
    assert limit_in_words(pace, PLAN) == words


def test_a_ceiling_that_a_person_has_set_is_not_called_the_plan_s() -> None:
    in_force = PaceInForce(50.0, 8, "ann@ops", "bob@ops")

    assert (
        limit_in_words(Pace(8, 50.0, PaceCause.RATE), in_force)
        == "the rate of 50/s that ann@ops set"
    )
    assert (
        limit_in_words(Pace(8, 50.0, PaceCause.CONCURRENCY), in_force)
        == "the concurrency of 8 that bob@ops set"
    )


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (200.0, "200/s"),
        (12345.6, "12,346/s"),
        (2.5, "2.5/s"),
        (1.0, "1/s"),
        (0.5, "30/m"),
        (1 / 60, "1/m"),
        (1 / 3600, "1/h"),
        (2.5 / 3600, "2.5/h"),
    ],
)
def test_a_rate_is_shown_in_the_unit_that_fits(per_second: float, text: str) -> None:
    assert rate(per_second) == text
