"""Requests in flight by throughput, over servers whose latency is a function of that.

Covered: the start, the knee, what a higher level must bring, rounds, probes, a server that changes.
Left out: chance (test_servers.py).
"""

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from math import exp2

import pytest

from fleetpatch.rules.pacing.hill_climb import HillClimb
from fleetpatch.rules.pacing.tuning import Tuning
from tests.rules.pacing.climbing import Rounds, answers, climbed, elastic, knee, limits_after


def test_it_begins_with_sixteen_and_doubles() -> None:
    climb = HillClimb(Tuning(), Tuning().start, 128, 0.0)

    limits = [limit for _, limit in answers(climb, lambda _level: 0.02, 1.0)]

    assert list(dict.fromkeys([16, *limits])) == [16, 32, 64, 128]


def test_it_never_exceeds_the_ceiling() -> None:
    climb = HillClimb(Tuning(), Tuning().start, 20, 0.0)

    assert max(limit for _, limit in answers(climb, lambda _level: 0.02, 20.0)) == 20
    assert climbed(lambda _level: 0.02, ceiling=3).limit <= 3


@pytest.mark.parametrize("at", [4, 16, 40, 100])
def test_it_settles_at_the_knee(at: int) -> None:
    assert at <= climbed(knee(at), 40.0).settled <= 1.45 * at


def test_more_in_flight_must_bring_six_hundredths_of_itself() -> None:
    assert climbed(elastic(0.07), 60.0).settled == 128
    assert climbed(elastic(0.05), 60.0).settled <= 16


def test_levels_that_are_compared_are_two_fifths_apart() -> None:
    climb = HillClimb(Tuning(), Tuning().start, 128, 0.0)

    limits = {limit for at, limit in answers(climb, knee(16), 20.0) if at > 2.0}

    assert limits == {11, 16, 22}


def compared(latency: Callable[[int], float], seconds: float) -> list[int]:
    """The limits, each once, in their order."""
    climb = HillClimb(Tuning(), Tuning().start, 128, 0.0)
    limits = [limit for _, limit in answers(climb, latency, seconds)]
    return list(dict.fromkeys(limits))


def test_the_last_doubling_says_where_the_first_comparison_goes() -> None:
    assert compared(elastic(0.08), 3.0)[:4] == [16, 32, 64, 45]
    assert compared(elastic(0.04), 3.0)[:4] == [16, 32, 64, 23]


def test_after_a_start_both_directions_are_tried_at_once() -> None:
    climb = HillClimb(Tuning(), Tuning().start, 128, 0.0)
    first = dict[int, float]()
    for at, limit in answers(climb, knee(32), 8.0):
        first.setdefault(limit, at)

    # 64 bring nothing more than 32, so fewer are tried before more.
    assert list(first)[:5] == [16, 32, 64, 23, 45]
    assert first[45] < 1.5


def test_a_slow_server_is_judged_after_a_second() -> None:
    climb = HillClimb(Tuning(), Tuning().start, 8, 0.0)
    lowered = [at for at, limit in answers(climb, lambda _level: 0.2, 30.0) if limit < 8]

    # After the start four seconds pass, in rounds of one second.
    assert lowered[0] == pytest.approx(6.2, abs=0.3)


def test_a_limit_that_is_not_reached_proves_nothing() -> None:
    nearly, little = (HillClimb(Tuning(), Tuning().start, 128, 0.0) for _ in range(2))
    for _ in answers(nearly, lambda _level: 0.02, 5.0, share=0.75):
        pass
    limits = [limit for _, limit in answers(little, lambda _level: 0.02, 5.0, share=0.6)]

    assert nearly.settled > 64
    assert max(limits) == 32


@pytest.mark.parametrize("workers", [24, 33, 40])
def test_fewer_are_tried_where_there_is_not_enough_work_for_more(workers: int) -> None:
    climb = HillClimb(Tuning(), Tuning().start, 128, 0.0)
    for _ in answers(climb, knee(8), 20.0, most=workers):
        pass

    assert climb.settled <= 12


def limits_with(left: float) -> tuple[int, int]:
    """Return the highest limit of a second, and what settles; 32 in flight are 1,600 a second."""
    climb = HillClimb(Tuning(), Tuning().start, 128, 0.0)
    highest = max(limit for _, limit in answers(climb, lambda _: 0.02, 1.0, left=left))
    return highest, climb.settled


def test_no_higher_limit_is_tried_for_less_than_a_second_of_work() -> None:
    assert limits_with(left=1500) == (32, 32)


def test_a_higher_limit_that_was_tried_is_kept_though_it_leaves_less_than_a_second_of_work() -> (
    None
):
    assert limits_with(left=1700) == (64, 64)


def test_no_comparison_begins_for_less_than_a_second_of_work() -> None:
    climb = climbed(knee(16))
    settled = climb.settled

    found = answers(climb, knee(16), 20.0, start=20.0, left=700)

    assert {limit for now, limit in found if now > 21.0} == {settled}


def comparisons(climb: HillClimb, seconds: float) -> list[float]:
    """The times at which the settled limit was left after more than a second."""
    begun, settled_at = list[float](), 0.0
    for now, limit in answers(climb, knee(16), seconds):
        if limit != climb.settled:
            if now - settled_at > 1.0:
                begun.append(now)
            settled_at = now
    return begun


def test_comparisons_that_change_nothing_are_four_seconds_apart() -> None:
    begun = comparisons(HillClimb(Tuning(), Tuning().start, 128, 0.0), 40.0)

    pauses = [later - earlier for earlier, later in pairwise(begun)]
    assert 4.0 <= min(pauses) <= max(pauses) < 5.0


def round_of(every: float) -> tuple[int, float]:
    """Return the answers and the seconds of a round that ends in a comparison."""
    rounds = Rounds()
    rounds.compare(0.5, 0.5)
    rounds.play(400.0)
    began, count, latency = rounds.now, 0, 0.04
    while not rounds.compares:
        count += 1
        rounds.now += every
        rounds.climb.accepted(max(began, rounds.now - latency), 16, rounds.now)
    return count, rounds.now - began


def test_a_round_takes_sixty_answers() -> None:
    assert round_of(every=0.01)[0] == 60


def test_a_round_takes_from_a_seventh_of_a_second_to_a_second() -> None:
    assert round_of(every=0.001)[1] == pytest.approx(0.15, abs=0.002)
    assert round_of(every=0.03)[1] == pytest.approx(1.0, abs=0.04)


def started(latencies: Sequence[float]) -> int:
    """Play a start: 4, 8 with throughput 100, 16 with these latencies; return what settles."""
    climb = HillClimb(Tuning(), 4, 16, 0.0)
    for sent_at, latency in [(0.0, 0.08)] * 4 + [(1.0, 0.08)] * 8:
        climb.accepted(sent_at, climb.limit, sent_at + latency)
    for latency in latencies:
        climb.accepted(2.0, 16, 2.0 + latency)
    return climb.settled


def test_slow_start_goes_on_while_throughput_grows_by_three_tenths_of_what_is_in_flight() -> None:
    def latency(growth: float) -> float:
        return 0.16 / exp2(growth)

    assert started([latency(0.33)] * 16) == 16
    assert started([latency(0.27)] * 16) == 8


def test_a_lead_of_two_rounds_decides() -> None:
    assert Rounds().compare(0.99) == 16
    assert Rounds().compare(0.99, 0.9, 0.99) == 16
    assert Rounds().compare(0.99, 0.9, 0.99, 0.99) == 11


def test_a_throughput_that_changes_by_a_step_is_compared_at_once() -> None:
    steady, changed = Rounds(), Rounds()
    for rounds, share in ((steady, 0.8), (changed, 0.7)):
        rounds.compare(0.5, 0.5)
        assert not rounds.compares
        rounds.play(share * 1000.0)
        rounds.play(share * 1000.0)

    assert not steady.compares
    assert changed.compares


def test_a_round_in_which_the_server_changes_is_compared_with_nothing() -> None:
    rounds = Rounds()
    rounds.compare(0.5, 0.5)

    rounds.play(600.0)
    assert not rounds.compares
    rounds.play(450.0)
    rounds.play(450.0)
    rounds.play(450.0)
    rounds.play(450.0)

    assert rounds.climb.settled == 11, "one step lower, after two rounds"


def test_after_a_change_of_the_server_both_directions_are_tried_at_once() -> None:
    rounds = Rounds(ceiling=64)
    rounds.compare(0.5, 0.5, 0.5, 0.5)
    assert not rounds.compares

    rounds.play(400.0)
    rounds.play(400.0)
    assert rounds.climb.limit == 23
    for throughput in (200.0, 400.0, 200.0, 400.0):
        rounds.play(throughput)
    assert rounds.climb.limit == 45


def test_a_restart_forgets_that_the_server_has_just_changed() -> None:
    rounds = Rounds()
    rounds.compare(0.5, 0.5)
    rounds.play(600.0)
    rounds.climb.start(16, rounds.now)
    rounds.play(1000.0)

    rounds.play(600.0)

    assert not rounds.compares, "a round in which the server changes again"


def test_a_server_that_changes_again_and_again_does_not_keep_a_comparison_from_its_end() -> None:
    rounds = Rounds()

    rounds.play(500.0)
    rounds.play(600.0)
    assert rounds.compares
    rounds.play(300.0)

    assert not rounds.compares
    assert rounds.climb.settled == 16


def test_after_a_pause_it_doubles_from_one_and_tries_the_best_limit_known_before_more() -> None:
    climb = climbed(knee(20))
    best = climb.settled
    climb.start(1, 0.0)

    limits = [limit for _, limit in answers(climb, knee(20), 2.0)]

    # After the doubling `best` is compared with 16 and 32.
    assert list(dict.fromkeys([1, *limits])) == [1, 2, 4, 8, 16, best, 2 * best, 32]
    assert climb.settled == best


def test_a_server_that_has_changed_is_followed() -> None:
    climb = HillClimb(Tuning(), Tuning().start, 128, 0.0)
    capacity, limits = {"now": 32}, dict[float, int]()
    for now, limit in answers(climb, lambda level: 0.02 * max(1.0, level / capacity["now"]), 40.0):
        capacity["now"] = 16 if 10.0 < now < 20.0 else 32
        limits[now] = limit

    lowered = next((at, limit) for at, limit in limits.items() if at > 10.0 and limit < 32)
    assert lowered[0] < 12.5
    assert lowered[1] == 23, "one step lower"
    assert next(at for at, limit in limits.items() if at > 20.0 and limit >= 31) < 32.0


def test_slow_start_begins_again_where_a_ceiling_is_raised_that_was_the_limit() -> None:
    climb = climbed(lambda _level: 0.02, 10.0, ceiling=2)
    assert climb.settled == 2

    climb.change_ceiling(128, adaptive=True, now=10.0)

    assert limits_after(climb, lambda _level: 0.02, 1.0)[:7] == [2, 4, 8, 16, 32, 64, 128]


def test_a_restart_forgets_the_throughput_whatever_becomes_of_the_ceiling() -> None:
    climb = climbed(lambda _level: 0.02, 10.0, ceiling=64)
    climb.start(1, 10.0)

    climb.change_ceiling(1, adaptive=True, now=10.0)
    climb.change_ceiling(64, adaptive=True, now=10.0)

    assert limits_after(climb, lambda _level: 0.02, 1.0)[:7] == [1, 2, 4, 8, 16, 32, 64]


def limits_of_a_start_with(ceiling: int) -> list[int]:
    """The limits of a start in turn, where the ceiling changes from 128 while 64 are tried."""
    climb, limits = HillClimb(Tuning(), Tuning().start, 128, 0.0), [Tuning().start]
    for now, limit in answers(climb, lambda _level: 0.02, 1.0):
        if limit == 64 and limits[-1] < 64:
            climb.change_ceiling(ceiling, adaptive=True, now=now)
        limits.append(limit)
    return [limit for limit, _ in groupby(limits)]


@pytest.mark.parametrize("ceiling", [100, 128, 256])
def test_a_ceiling_that_is_changed_does_not_end_slow_start(ceiling: int) -> None:
    assert limits_of_a_start_with(ceiling)[:4] == [16, 32, 64, min(ceiling, 128)]


def test_a_ceiling_that_is_lowered_below_what_slow_start_tries_is_reached() -> None:
    assert limits_of_a_start_with(ceiling=50) == [16, 32, 64, 32, 50]


def test_after_a_restart_up_to_the_ceiling_no_fewer_are_tried_at_once() -> None:
    climb = climbed(lambda _level: 0.02, 3.0)
    climb.start(1, 11.0)

    assert max(limits_after(climb, lambda _level: 0.02, 2.0, start=11.0)) == 128
    assert climb.limit == 128


def test_a_ceiling_above_what_was_found_changes_nothing() -> None:
    climb = climbed(knee(16))
    before = climb.settled

    climb.change_ceiling(256, adaptive=True, now=20.0)

    assert climb.limit == climb.settled == before
    assert not climb.is_starting


def test_a_ceiling_that_is_changed_during_a_pause_leaves_the_restart_at_one() -> None:
    climb = climbed(knee(32))
    climb.start(1, 30.0)

    climb.change_ceiling(64, adaptive=True, now=25.0)
    assert climb.limit == 1
    climb.change_ceiling(8, adaptive=True, now=26.0)
    assert (climb.limit, climb.settled) == (1, 8)


def test_the_ceiling_of_a_fixed_pace_holds_at_once() -> None:
    climb = HillClimb(Tuning(), 4, 4, 0.0)
    for ceiling in (64, 2, 8):
        climb.change_ceiling(ceiling, adaptive=False, now=1.0)

        assert climb.limit == ceiling
