"""What a number of answers proves.

Covered: the likelihood ratio, the share, the rate, a limit of requests in flight. Left out: what
follows from them (test_refusals.py).
"""

from math import inf, log

import pytest

from fleetpatch.rules.pacing.refusals import SequentialTest


def test_refusals_are_evidence_for_the_higher_share_and_acceptances_for_the_lower() -> None:
    test = SequentialTest(0.02, 0.06, 0.0)

    test.count(1, refused=True)
    assert test.evidence == pytest.approx(log(3))
    test.count(1, refused=False)
    assert test.evidence == pytest.approx(log(3) + log(0.94 / 0.98))
    assert test.share == 0.5


def test_the_rate_is_that_of_accepted_requests_since_the_start() -> None:
    test = SequentialTest(0.02, 0.06, 10.0)
    for number in range(20):
        test.count(1, refused=number % 4 == 0)

    assert test.rate(12.0) == pytest.approx(7.5)


def test_a_server_that_refuses_only_above_a_number_in_flight_has_that_limit() -> None:
    test = SequentialTest(0.02, 0.06, 0.0)
    for in_flight in (1, 2, 3, 4, 3):
        test.count(in_flight, refused=in_flight > 3)

    assert test.in_flight_limit == 3
    test.count(2, refused=True)
    assert test.in_flight_limit == inf


def test_a_restart_forgets_everything() -> None:
    test = SequentialTest(0.02, 0.06, 0.0)
    test.count(5, refused=True)
    test.restart(3.0)

    assert (test.answers, test.refusals, test.evidence, test.start) == (0, 0, 0.0, 3.0)
    test.count(5, refused=False)
    assert test.in_flight_limit == inf
