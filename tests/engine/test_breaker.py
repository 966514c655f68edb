"""The breaker of one cluster.

Covered: identical refusals in a row, what closes a row, parts apart from each other, targets given
up one after the other, what is said afterwards. Left out: which refusals are the same
(tests/rules/running/test_breaker_limits.py).
"""

import pytest

from fleetpatch.engine.breaker import Breaker
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Target, TargetId
from fleetpatch.rules.running.limits import BUSY_ANSWERS
from tests.engine.scripted import TARGET
from tests.values import replace

ELSEWHERE = replace(TARGET, namespace="team-b")


def note(breaker: Breaker, reason: Reason, target: Target = TARGET, detail: str = "no") -> str:
    status = 403 if reason is Reason.FORBIDDEN else 429
    return breaker.settled(target, Settlement(TargetId(1), reason, status, detail=detail))


def test_a_row_of_identical_refusals_stops_the_part_and_no_other() -> None:
    breaker = Breaker(refusals=3)
    for _ in range(2):
        note(breaker, Reason.FORBIDDEN)
    assert not breaker.refuses(TARGET)
    note(breaker, Reason.FORBIDDEN)

    assert breaker.refuses(TARGET)
    assert not breaker.refuses(ELSEWHERE)
    assert breaker.causes() == [
        "jobs.batch in team-a was stopped after 3 refusals in a row, 1 not tried: no"
    ]


def test_a_success_or_another_refusal_begins_a_new_row() -> None:
    breaker = Breaker(refusals=2)
    for reason, detail in (
        (Reason.FORBIDDEN, "no"),
        (Reason.PATCHED, ""),
        (Reason.FORBIDDEN, "no"),
        (Reason.FORBIDDEN, "never"),
        (Reason.EXHAUSTED, "busy"),
        (Reason.FORBIDDEN, "never"),
    ):
        note(breaker, reason, detail=detail)

    assert not breaker.refuses(TARGET)


def test_objects_that_are_gone_or_changed_do_not_break_a_row() -> None:
    breaker = Breaker(refusals=2)
    for reason in (Reason.FORBIDDEN, Reason.GONE, Reason.FORBIDDEN):
        note(breaker, reason)

    assert breaker.refuses(TARGET)


def test_a_part_without_untried_targets_is_not_a_cause() -> None:
    breaker = Breaker(refusals=1)
    note(breaker, Reason.FORBIDDEN)

    assert breaker.causes() == []


def test_targets_given_up_in_a_row_stop_the_cluster_once() -> None:
    breaker = Breaker(exhausted_targets=3)
    said = [
        note(breaker, reason, detail="429 busy")
        for reason in (
            Reason.EXHAUSTED,
            Reason.EXHAUSTED,
            Reason.PATCHED,
            Reason.EXHAUSTED,
            Reason.EXHAUSTED,
            Reason.EXHAUSTED,
            Reason.EXHAUSTED,
        )
    ]

    assert said == ["", "", "", "", "", "3 targets in a row were given up: 429 busy", ""]


def test_the_breaker_opens_for_a_cluster_that_accepts_nothing_for_a_while() -> None:
    breaker = Breaker()

    assert not any(breaker.retried(at / 2, "429 busy") for at in range(60))
    assert breaker.retried(30.0, "429 busy") == "nothing was accepted for 30 s: 429 busy"


def test_few_answers_or_one_success_are_no_reason() -> None:
    rare, well = Breaker(), Breaker()
    for at in range(100):
        well.retried(float(at), "429")
        if at % 20 == 0:
            note(well, Reason.PATCHED)
            rare.retried(at * 10.0, "429")

    assert not well.retried(100.0, "429")
    assert not rare.retried(1000.0, "429")


@pytest.mark.parametrize("pause", [33.0, 330.0])
def test_probes_of_a_server_count_however_long_the_pauses_between_them_are(pause: float) -> None:
    breaker = Breaker()
    assert not any(breaker.retried(at / 1000, "429") for at in range(BUSY_ANSWERS - 2))

    assert not breaker.retried(pause, "429")
    assert breaker.retried(2 * pause, "429")


def test_retries_before_the_pause_between_two_waves_do_not_count() -> None:
    breaker = Breaker()
    for second in range(5):
        assert not breaker.retried(float(second), "503")

    breaker.begin()

    assert not any(breaker.retried(3600.0 + second / 20, "429") for second in range(BUSY_ANSWERS))


def test_a_webhook_that_cannot_be_reached_stops_its_part_and_not_the_cluster() -> None:
    breaker = Breaker(refusals=3, exhausted_targets=2)

    causes = [
        note(breaker, Reason.WEBHOOK_UNREACHABLE, detail="connection refused") for _ in range(3)
    ]

    assert set(causes) == {""}
    assert breaker.refuses(TARGET)
    assert not breaker.refuses(ELSEWHERE)
