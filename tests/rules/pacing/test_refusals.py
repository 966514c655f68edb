"""When limits are cut because of refusals, and how they change then.

Covered: the excess, the cut, the verdict of a trial, growth from a cut, tolerance, an outage.
Counts of answers are exact, so that each constant matters. Left out: servers (test_servers.py).
"""

from math import inf

import pytest

from fleetpatch.rules.pacing.refusals import RefusalLimit, State
from fleetpatch.rules.pacing.tuning import Tuning
from tests.rules.pacing.refusing import (
    FIRST,
    Server,
    grown,
    limited,
    on_trial,
    overloaded_in_flight,
    steady,
    tolerant,
)


def test_one_refusal_in_ten_is_an_excess_after_sixty_answers() -> None:
    assert steady().until(State.TRIAL, "x.........") == 61


def test_one_refusal_in_fifty_is_none() -> None:
    server = steady()
    server.answer(("." * 49 + "x") * 100)

    assert server.state() is State.UNLIMITED


def test_a_burst_of_refusals_is_no_excess_before_sixteen_answers() -> None:
    assert steady().until(State.TRIAL, "x.") == 16


def test_sixteen_refusals_in_a_row_are_an_outage_and_fifteen_in_sixteen_are_not() -> None:
    outage, overload = steady(), steady()
    outage.answer("x" * 15)
    assert not outage.blocked
    outage.answer("x")
    overload.answer("xxxxxxx.xxxxxxxx")

    assert outage.blocked
    assert not overload.blocked
    assert overload.state() is State.TRIAL


def test_a_trial_keeps_most_of_what_is_in_flight_and_does_not_limit_the_rate() -> None:
    limit = overloaded_in_flight().limit

    assert limit.in_flight == pytest.approx(0.85 * 25, abs=2.5)
    assert limit.rate == inf


def test_a_trial_keeps_most_of_the_accepted_rate_where_it_needs_fewer_than_four_in_flight() -> None:
    limit = on_trial("x.").limit

    assert limit.in_flight == 4
    assert limit.rate == pytest.approx(0.85 * FIRST / 2, rel=0.15)


def test_the_rate_is_limited_where_four_in_flight_do_not_help() -> None:
    server = overloaded_in_flight()
    seen = []
    while server.limit.rate == inf:
        seen.append(server.limit.in_flight)
        server.answer("xxxxxxxxx.")

    assert sorted(set(seen), reverse=True) == [21, 5, 4]
    assert server.limit.state is State.TRIAL


def test_an_excess_soon_after_a_cut_costs_a_fifth_of_what_is_in_flight() -> None:
    server = overloaded_in_flight()
    server.until(State.LIMITED, ".")
    before = server.limit.in_flight
    server.until(State.TRIAL, "xxxxxx.")

    assert server.limit.rate == inf
    assert server.limit.in_flight == pytest.approx(0.85 * 0.85 * before, abs=1.0)


def test_four_in_flight_are_never_too_many() -> None:
    assert on_trial().limit.in_flight == 4


def refuse_above(server: Server, in_flight: int) -> None:
    """Accept so many in flight and refuse one more, in turns, until a trial begins."""
    for _ in range(100):
        server.in_flight = in_flight
        server.answer(".")
        server.in_flight = in_flight + 1
        server.answer("x")
        if server.state() is State.TRIAL:
            return


def test_a_limit_below_four_in_flight_is_kept_to_if_only_more_are_refused() -> None:
    server = steady()
    refuse_above(server, 2)

    assert server.limit.in_flight == 2
    assert server.limit.rate == inf


def test_a_limit_above_four_in_flight_is_believed_at_the_second_excess() -> None:
    server = steady()
    refuse_above(server, 10)
    assert server.limit.in_flight == 4

    server.until(State.LIMITED, ".")
    refuse_above(server, 10)
    assert server.limit.in_flight == 8
    assert server.limit.rate == inf


def test_no_trial_begins_where_a_smaller_share_is_refused_than_asked_for() -> None:
    server = steady()
    server.share = 0.6
    server.answer("x." * 40)
    assert server.state() is State.UNLIMITED
    server.share = 0.4
    server.answer("x")
    assert server.state() is State.TRIAL


def test_a_trial_without_refusals_helps() -> None:
    assert on_trial().until(State.LIMITED, ".") == 12
    assert on_trial("x.........").until(State.LIMITED, ".") == 114


def test_a_trial_with_the_same_share_does_not() -> None:
    server = on_trial("x.........")

    assert server.until(State.TOLERANT, "x.........") == 32


def test_a_trial_ends_after_ten_seconds() -> None:
    server = on_trial("x.........")
    server.every = 1.0
    server.answer("." * 9)
    assert server.state() is State.TRIAL
    server.answer("..")
    assert server.state() is State.LIMITED


def test_a_trial_of_ten_seconds_with_refusals_does_not_help() -> None:
    server = on_trial("x.........")
    server.every = 1.0
    server.answer("....x......")

    assert server.state() is State.TOLERANT


def test_limits_are_cut_again_where_many_are_still_refused() -> None:
    few, many = on_trial("x.x."), on_trial("x.x.")
    assert few.until(State.TOLERANT, "x....") == 32
    before = many.limit.rate
    many.every = 0.1
    many.answer(".xx." * 8)

    assert many.state() is State.TRIAL
    assert many.limit.rate == pytest.approx(0.25 * 0.85 * before)


def test_limits_are_cut_again_where_the_share_has_fallen_but_not_enough() -> None:
    server = on_trial("xxxxxxxxx.")
    server.answer("x...." * 7)

    assert server.state() is State.TRIAL


def test_a_trial_with_nearly_three_in_ten_refused_is_followed_by_another_cut() -> None:
    server = on_trial("x.x.")
    server.answer("..x.x.x..." * 4)

    assert server.state() is State.TRIAL


def test_the_fourth_cut_in_a_row_is_the_last() -> None:
    assert on_trial("x.").until(State.TOLERANT, "xx.") == 4 * 32


def test_one_request_a_second_is_sent_in_any_case() -> None:
    server = steady()
    server.every = 1.0
    server.until(State.TRIAL, "xxxxxxxxx.")

    assert server.limit.rate == 1.0


def test_a_limited_rate_is_back_after_two_seconds_and_four_times_that_in_six() -> None:
    server = limited("x.")
    capacity = server.limit.rate / 0.85
    server.now = server.limit.since

    assert grown(server, 0.0) == pytest.approx(0.85 * capacity)
    assert grown(server, 1.0) == pytest.approx(capacity, rel=0.01)
    assert grown(server, 2.0) == pytest.approx(capacity, rel=0.01)
    assert grown(server, 1.0) == pytest.approx(1.15 * capacity)
    assert grown(server, 1.6) == pytest.approx(3.8 * capacity, rel=0.02)
    assert grown(server, 0.1) == inf
    assert server.state() is State.UNLIMITED


def test_limits_grow_back_more_slowly_after_each_excess_up_to_six_seconds() -> None:
    server = limited("x.")
    for seconds in (4.0, 6.0, 6.0):
        server.until(State.TRIAL, "xxxxx.....")
        server.until(State.LIMITED, ".")
        server.now = server.limit.since
        capacity = grown(server, seconds)
        assert grown(server, 0.0) == pytest.approx(capacity)
        assert grown(server, 0.5 * seconds) == pytest.approx(1.005 * capacity, rel=0.001)
        assert grown(server, 0.5 * seconds) == pytest.approx(1.15 * capacity, rel=0.001)


def test_once_limits_were_lifted_they_grow_back_in_two_seconds_again() -> None:
    server = limited("x.")
    grown(server, 60.0)
    assert server.state() is State.UNLIMITED
    server.until(State.TRIAL, "x.")
    server.until(State.LIMITED, ".")
    server.now = server.limit.since

    capacity = grown(server, 2.0)
    assert grown(server, 2.0) == pytest.approx(1.15 * capacity)


def test_limits_grow_back_no_sooner_than_after_sixteen_answers() -> None:
    server = limited()
    server.now = server.limit.since
    found = grown(server, 0.0) / 0.85
    assert found < 8.0

    assert grown(server, 2 * 16 / found) == pytest.approx(1.15 * found)


def test_a_cut_whose_trial_took_long_is_kept_after_it() -> None:
    server = on_trial("x.........")
    server.every = 1.0
    server.until(State.LIMITED, ".")
    server.limit.update(server.now)

    assert server.state() is State.LIMITED


def test_idle_time_in_a_trial_does_not_slow_the_growth_after_it() -> None:
    server = on_trial("x.........")
    server.now += 3600.0
    server.until(State.LIMITED, ".")

    assert grown(server, 0.0) == inf


def test_a_share_that_no_second_cut_lowers_is_tolerated_within_the_limits_of_the_first() -> None:
    server = limited()
    first = server.limit.rate
    server.until(State.TRIAL, "x...")
    server.until(State.LIMITED, "x...")
    server.limit.update(server.now)

    assert server.limit.rate == pytest.approx(first)
    server.answer("x..." * 20)
    assert server.state() is State.LIMITED


def test_a_share_that_no_cut_lowers_is_tolerated_for_thirty_seconds_each_time() -> None:
    server = tolerant()
    for _ in range(3):
        assert server.limit.rate == inf
        server.every = 29.8
        server.answer(".")
        assert server.state() is State.TOLERANT
        server.every = 0.3
        server.answer(".")
        assert server.state() is State.UNLIMITED
        server.every = 1 / FIRST
        server.until(State.TRIAL, "x.........")
        server.until(State.TOLERANT, "x.........")


def test_a_trial_that_took_long_is_repeated_later() -> None:
    server = on_trial("x.........")
    server.every = 0.2
    server.until(State.TOLERANT, "x.........")
    server.every = 186.0
    server.answer(".")
    assert server.state() is State.TOLERANT
    server.every = 12.0
    server.answer(".")
    assert server.state() is State.UNLIMITED


def test_what_is_tolerated_has_a_margin_and_a_maximum() -> None:
    once = tolerant("x.........")
    once.answer("x...." * 40)
    assert once.state() is State.TOLERANT
    assert once.until(State.TRIAL, "x.") == 19
    assert tolerant("x.x.x.x.").until(State.TRIAL, "xxxxxxxxx.") == 25


def test_where_the_pace_is_not_adaptive_only_an_outage_counts() -> None:
    server = steady()
    server.share = inf
    server.answer("x." * 100)
    server.answer("x........." * 100)
    assert server.state() is State.UNLIMITED
    server.answer("x" * 100)

    assert server.blocked
    assert server.limit.rate == inf


def test_answers_to_requests_sent_before_a_cut_do_not_count() -> None:
    server = on_trial()
    for _ in range(100):
        server.limit.answered(server.now - 0.5, server.now, 1, refused=True, share=0.0)

    assert server.until(State.LIMITED, ".") == 12


def test_refusals_that_come_sooner_than_acceptances_can_do_not_count_in_a_trial() -> None:
    server = overloaded_in_flight()
    before = server.limit.in_flight
    for _ in range(100):
        server.limit.answered(server.now, server.now + 0.01, 1, refused=True, share=0.0)

    assert server.limit.in_flight == before


def test_a_latency_counts_for_a_twentieth_of_those_before() -> None:
    limit = RefusalLimit(Tuning(), 0.0)
    assert limit.latency == 0.1
    limit.answered(0.0, 0.01, 1, refused=False, share=0.0)
    assert limit.latency == pytest.approx(0.01)
    limit.answered(1.0, 2.01, 1, refused=False, share=0.0)
    assert limit.latency == pytest.approx(0.06)


def test_refusals_do_not_count_before_acceptances_can_come() -> None:
    server = Server()
    server.answer("x" * 9)
    assert not server.blocked
    server.answer("x" * 30)
    assert server.blocked


def test_after_a_pause_there_are_no_limits() -> None:
    server = on_trial()
    server.limit.pause(server.now)
    assert server.limit.rate == inf
    server.answer(".")

    assert server.state() is State.UNLIMITED


def test_an_acceptance_of_a_request_sent_before_a_pause_does_not_end_it() -> None:
    server = steady()
    server.limit.pause(server.now + 1.0)
    server.limit.answered(server.now, server.now + 0.5, 1, refused=False, share=0.0)

    assert server.state() is State.PAUSED


def test_one_refusal_right_after_a_pause_is_enough_for_the_next() -> None:
    server = steady()
    server.limit.pause(server.now + 0.015)
    server.answer("x")
    assert not server.blocked
    server.answer("x")

    assert server.blocked


def test_an_outage_during_a_trial_is_found_after_sixteen_refusals() -> None:
    server = on_trial("x.x.")
    server.answer("x" * 15)
    assert not server.blocked
    server.answer("x")
    assert server.blocked
