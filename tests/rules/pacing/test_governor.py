"""All limits together. Covered: pauses, ceilings, slots, causes. Left out: servers."""

from math import inf

import pytest

from fleetpatch.model.pace import Ceilings, PaceCause
from fleetpatch.rules.answers.reply_signal import ReplySignal
from fleetpatch.rules.pacing.governor import Governor, Permit
from fleetpatch.rules.pacing.tuning import Tuning


def governor(
    rate: float | None = None,
    concurrency: int = 64,
    *,
    burst: int = 1,
    adaptive: bool = True,
    random: float = 0.0,
) -> Governor:
    ceilings = Ceilings(rate, burst, concurrency, adaptive)
    return Governor(ceilings, 0.0, lambda: random, Tuning())


def send(governor: Governor, now: float) -> Permit:
    permit = governor.admit(now)
    assert isinstance(permit, Permit)
    return permit


def refuse_all(governor: Governor, wait: float = 0.0, number: int = 16) -> float:
    """Accept one request and refuse the next; return the time of the last answer."""
    accepted = send(governor, 0.0)
    governor.answered(accepted, ReplySignal.ACCEPTED, 0.01)
    for turn in range(2, number + 2):
        permit = send(governor, 0.01 * turn)
        governor.answered(permit, ReplySignal.REFUSED, 0.01 * turn + 0.005, wait)
    return 0.01 * (number + 1) + 0.005


@pytest.mark.parametrize("adaptive", [True, False])
def test_a_single_refusal_with_retry_after_pauses_no_other_request(adaptive: bool) -> None:
    one = governor(adaptive=adaptive)
    one.answered(send(one, 0.0), ReplySignal.REFUSED, 0.01, 30.0)

    send(one, 0.02)
    assert one.pace(0.02).until is None


@pytest.mark.parametrize("adaptive", [True, False])
def test_where_everything_is_refused_everybody_pauses(adaptive: bool) -> None:
    one = governor(adaptive=adaptive)
    last = refuse_all(one, wait=5.0)

    assert one.admit(last) == pytest.approx(5.0)
    assert one.pace(last).cause is PaceCause.RETRY_AFTER


@pytest.mark.parametrize(("retry_after", "seconds"), [(0.0, 1.0), (5.0, 5.0)])
def test_a_pause_takes_a_second_or_what_is_asked_for_and_up_to_a_tenth_more(
    retry_after: float, seconds: float
) -> None:
    short, long = governor(random=0.0), governor(random=1.0)

    assert short.admit(refuse_all(short, retry_after)) == pytest.approx(seconds)
    assert long.admit(refuse_all(long, retry_after)) == pytest.approx(1.1 * seconds)


def test_after_a_pause_one_request_goes_and_each_accepted_one_lets_one_more_go() -> None:
    one = governor()
    now = refuse_all(one) + 1.01
    probe = send(one, now)
    assert one.admit(now) == inf
    one.answered(probe, ReplySignal.ACCEPTED, now + 0.01)
    first, second = send(one, now + 0.01), send(one, now + 0.01)
    assert one.admit(now + 0.01) == inf
    one.answered(first, ReplySignal.ACCEPTED, now + 0.02)
    one.answered(second, ReplySignal.ACCEPTED, now + 0.02)
    for _ in range(4):
        send(one, now + 0.02)
    assert one.admit(now + 0.02) == inf


def test_a_probe_that_is_refused_begins_the_next_pause() -> None:
    one = governor()
    now = refuse_all(one) + 1.01
    one.answered(send(one, now), ReplySignal.REFUSED, now + 0.01, 7.0)

    assert one.admit(now + 0.01) == pytest.approx(7.0)


def paused() -> tuple[Governor, Permit]:
    """A pause from 0.17 to 1.17, and a request that is sent right when it begins."""
    one = governor()
    refuse_all(one, number=15)
    last, refused = send(one, 0.17), send(one, 0.17)
    one.answered(refused, ReplySignal.REFUSED, 0.17)
    return one, last


def test_what_a_permit_says_leaves_out_requests_sent_before_a_pause() -> None:
    one, _silent = paused()
    probe = send(one, 1.2)

    assert (probe.in_flight, probe.at_server) == (1, 1)


@pytest.mark.parametrize("is_used", [True, False])
def test_one_request_goes_after_a_pause_whatever_becomes_of_those_before_it(is_used: bool) -> None:
    one, last = paused()
    if is_used:
        one.answered(last, ReplySignal.ACCEPTED, 0.5)
    else:
        one.unused(last, 0.5)

    send(one, 1.2)
    assert one.admit(1.2) == inf


def test_until_the_probe_is_answered_the_pause_is_the_cause() -> None:
    one, _silent = paused()
    send(one, 1.2)

    assert one.pace(5.0).cause is PaceCause.RETRY_AFTER


def test_a_start_is_cut_short_only_where_half_is_refused() -> None:
    def rate_after(pattern: str) -> float | None:
        one = governor(concurrency=64)
        for turn in range(20):
            permit = send(one, 0.1 * turn)
            is_refused = pattern[turn % len(pattern)] == "x"
            signal = ReplySignal.REFUSED if is_refused else ReplySignal.ACCEPTED
            one.answered(permit, signal, 0.1 * turn + 0.01)
            if one.pace(0.1 * turn + 0.01).rate is not None:
                break
        return one.pace(6.0).rate

    assert rate_after("x..") is None
    assert rate_after("xx...") is None
    assert rate_after("xx.xx.x.") is not None


def test_what_refusals_leave_in_flight_is_the_pace() -> None:
    one = governor(concurrency=64)
    for turn in range(30):
        signal = ReplySignal.REFUSED if turn % 2 else ReplySignal.ACCEPTED
        if isinstance(permit := one.admit(0.1 * turn), Permit):
            one.answered(permit, signal, 0.1 * turn + 0.01)

    assert one.pace(3.0).concurrency == 4


def test_at_a_found_rate_a_twentieth_of_a_second_is_sent_at_once() -> None:
    one = governor(concurrency=1000)
    now = 0.0
    for turn in range(4000):
        now = 0.0005 * turn
        permit = one.admit(now)
        if isinstance(permit, Permit):
            is_refused = turn > 3000 and turn % 4
            signal = ReplySignal.REFUSED if is_refused else ReplySignal.ACCEPTED
            one.answered(permit, signal, now + 0.0001)
        if one.pace(now).rate is not None:
            break
    rate = one.pace(now).rate
    assert rate is not None
    burst, later = 0, now + 1.0
    while isinstance(permit := one.admit(later), Permit):
        one.answered(permit, ReplySignal.ACCEPTED, later)
        burst += 1

    assert rate > 200.0
    assert burst == pytest.approx(0.05 * rate, abs=2.0)


def test_what_has_limited_within_a_second_is_the_cause() -> None:
    one = governor(rate=10.0)
    one.answered(send(one, 0.0), ReplySignal.ACCEPTED, 0.01)
    assert one.admit(0.05) == pytest.approx(0.05)

    assert one.pace(1.0).cause is PaceCause.RATE
    assert one.pace(1.1).cause is PaceCause.WORK


def test_a_rate_is_the_cause_for_as_long_as_a_request_waits_for_it() -> None:
    one = governor(rate=0.1)
    send(one, 0.0)
    assert one.admit(0.0) == pytest.approx(10.0)

    assert one.pace(9.9).cause is PaceCause.RATE


def test_a_concurrency_is_the_cause_for_as_long_as_all_of_it_is_in_flight() -> None:
    one = governor(concurrency=2)
    send(one, 0.0)
    send(one, 0.0)

    assert one.pace(10.0).cause is PaceCause.CONCURRENCY


def test_a_concurrency_is_the_cause_on_a_slow_server_though_an_answer_makes_room() -> None:
    one = governor(concurrency=2, adaptive=False)
    permits = [send(one, 0.0), send(one, 0.0)]

    one.answered(permits[0], ReplySignal.ACCEPTED, 2.5)

    assert one.pace(2.5).cause is PaceCause.CONCURRENCY
    assert one.pace(5.1).cause is PaceCause.WORK


def test_one_request_is_sent_at_first_whatever_the_burst() -> None:
    one = governor(rate=1.0, burst=5)
    send(one, 0.0)

    assert one.admit(0.0) == pytest.approx(1.0)


def test_where_nothing_is_sent_after_a_pause_nothing_is_the_cause() -> None:
    one = governor()
    refuse_all(one)

    assert one.pace(1.0).cause is PaceCause.RETRY_AFTER
    assert one.pace(100.0).cause is PaceCause.WORK


def test_a_rate_that_is_no_ceiling_any_more_is_not_the_cause() -> None:
    one = governor(rate=0.001)
    send(one, 0.0)
    assert isinstance(one.admit(0.1), float)
    one.change(Ceilings(None, 1, 64, adaptive=True), 0.2)

    assert one.pace(2.0).cause is PaceCause.WORK


def test_a_permit_that_was_not_used_makes_room_for_another() -> None:
    one = governor(concurrency=1)
    permit = send(one, 0.0)
    assert one.admit(0.0) == inf
    one.unused(permit, 0.0)
    send(one, 0.0)


def test_a_pace_that_is_not_adaptive_has_all_that_its_plan_allows_at_once() -> None:
    one = governor(concurrency=40, adaptive=False)
    for _ in range(40):
        send(one, 0.0)

    assert one.admit(0.0) == inf
    assert one.pace(0.0).cause is PaceCause.CONCURRENCY


def test_a_refused_request_counts_as_in_flight_for_the_usual_latency() -> None:
    one = governor(concurrency=1)
    one.answered(send(one, 0.0), ReplySignal.ACCEPTED, 0.2)
    one.answered(send(one, 1.0), ReplySignal.REFUSED, 1.01)

    assert one.admit(1.01) == pytest.approx(0.19)
    send(one, 1.21)


def test_a_request_refused_before_an_acceptance_counts_for_the_latency_of_that() -> None:
    one = governor(concurrency=2)
    refused, accepted = send(one, 0.0), send(one, 0.0)
    one.answered(refused, ReplySignal.REFUSED, 0.01)
    one.answered(accepted, ReplySignal.ACCEPTED, 0.02)

    send(one, 0.021)
    send(one, 0.021)


def test_it_is_full_with_what_is_in_flight_and_expected() -> None:
    one = governor(concurrency=2)
    assert not one.is_full(expected=1)
    assert one.is_full(expected=2)
    permit = send(one, 0.0)
    assert one.is_full(expected=1)
    assert not one.is_full(expected=0)

    one.answered(permit, ReplySignal.REFUSED, 0.01)

    assert not one.is_full(expected=1), "no answer will make room in the place of a refused one"


def test_time_makes_room_in_the_place_of_a_refused_request_while_another_is_silent() -> None:
    one = governor(concurrency=2)
    _silent, refused = send(one, 0.0), send(one, 0.0)
    assert one.admit(0.0) == inf
    one.answered(refused, ReplySignal.REFUSED, 0.01)

    assert one.admit(0.01) == pytest.approx(0.09)
    send(one, 0.11)
    assert one.admit(0.11) == inf


def test_requests_sent_before_a_pause_do_not_keep_the_place_of_the_probe() -> None:
    one = governor(concurrency=4)
    silent = [send(one, 0.0) for _ in range(2)]
    refuse_all(one)

    probe = send(one, 2.0)
    assert one.admit(2.0) == inf
    one.answered(probe, ReplySignal.ACCEPTED, 2.01)
    second = [send(one, 2.02), send(one, 2.02)]
    assert one.admit(2.02) == inf, "never more than the ceiling"
    for permit in silent:
        one.answered(permit, ReplySignal.LATE, 30.0)
    assert one.admit(30.1) == inf, "two in flight at a limit of two"
    one.answered(second[0], ReplySignal.ACCEPTED, 30.2)
    send(one, 30.2)


def test_a_fixed_pace_is_not_limited_by_what_is_refused() -> None:
    one = governor(concurrency=64, adaptive=False)
    for turn in range(400):
        signal = ReplySignal.REFUSED if turn % 2 else ReplySignal.ACCEPTED
        one.answered(send(one, 0.01 * turn), signal, 0.01 * turn + 0.005)

    assert (one.pace(4.0).concurrency, one.pace(4.0).rate) == (64, None)


def test_a_fixed_pace_tries_no_fewer_in_flight() -> None:
    one = governor(concurrency=16, adaptive=False)
    permits = [send(one, 0.0) for _ in range(16)]
    for turn in range(1, 1000):
        one.answered(permits.pop(0), ReplySignal.ACCEPTED, 0.01 * turn)
        permits.append(send(one, 0.01 * turn))


def test_a_fixed_pace_is_back_at_its_ceiling_soon_after_a_pause() -> None:
    one = governor(concurrency=64, adaptive=False)
    refuse_all(one)
    assert one.pace(1.0).concurrency == 1
    for turn in range(100):
        now = 2.0 + 0.01 * turn
        permits = list[Permit]()
        while isinstance(permit := one.admit(now), Permit):
            permits.append(permit)
        for permit in permits:
            one.answered(permit, ReplySignal.ACCEPTED, now + 0.005)

    assert one.pace(3.0).concurrency == 64


@pytest.mark.parametrize("ceiling", [20, 64])
def test_while_it_starts_the_pace_is_what_may_be_in_flight(ceiling: int) -> None:
    one = governor(concurrency=ceiling)
    for _ in range(16):
        send(one, 0.0)

    assert one.pace(0.0).concurrency == 16
    assert one.pace(0.0).cause is PaceCause.STARTING


def test_a_refused_request_of_a_fixed_pace_is_in_flight_no_longer() -> None:
    one = governor(concurrency=1, adaptive=False)
    one.answered(send(one, 0.0), ReplySignal.ACCEPTED, 0.2)
    one.answered(send(one, 1.0), ReplySignal.REFUSED, 1.01)

    send(one, 1.01)
