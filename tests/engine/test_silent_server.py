"""When a server counts as silent: the pace says so, and for how long it must be.

Left out: words (tests/report/test_pace.py); how a lane gives a server up (test_silent_clusters.py).
"""

import pytest

from fleetpatch.engine.silent_server import SHOWN_AFTER, SilentServer
from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.rules.answers.reply_signal import ReplySignal

PACE = Pace(32, 5.0, PaceCause.RATE)
LATE, SOON = SHOWN_AFTER + 0.1, SHOWN_AFTER - 0.1


def cause(server: SilentServer, now: float, pace: Pace = PACE) -> PaceCause:
    return server.explained(pace, now).cause


def test_a_request_without_an_answer_counts_after_three_seconds() -> None:
    server = SilentServer()
    server.sent(0.0)

    assert cause(server, SOON) is PaceCause.RATE
    assert cause(server, LATE) is PaceCause.FAILING


@pytest.mark.parametrize("signal", [ReplySignal.NOTHING, ReplySignal.LATE])
def test_requests_that_fail_count_though_none_is_in_flight(signal: ReplySignal) -> None:
    server = SilentServer()
    for at in range(4):
        server.sent(float(at))
        server.replied(float(at), signal, at + 0.01, 0)

    assert cause(server, LATE) is PaceCause.FAILING


@pytest.mark.parametrize("signal", [ReplySignal.ACCEPTED, ReplySignal.REFUSED])
def test_an_answer_begins_the_wait_anew(signal: ReplySignal) -> None:
    server = SilentServer()
    server.sent(0.0)
    server.sent(0.0)
    server.replied(0.0, signal, 1.0, 1)

    assert cause(server, LATE) is PaceCause.RATE
    assert cause(server, 1.0 + LATE) is PaceCause.FAILING


def test_a_server_that_nothing_is_asked_of_is_not_silent() -> None:
    server = SilentServer()
    server.sent(0.0)
    server.replied(0.0, ReplySignal.ACCEPTED, 0.1, 0)

    assert cause(server, 100.0) is PaceCause.RATE
    server.sent(100.0)
    assert cause(server, 100.0 + SOON) is PaceCause.RATE


def test_a_slow_server_may_take_twice_as_long_as_for_its_last_answer() -> None:
    server = SilentServer()
    server.sent(0.0)
    server.sent(8.0)
    server.replied(0.0, ReplySignal.ACCEPTED, 8.0, 1)

    assert cause(server, 23.0) is PaceCause.RATE
    assert cause(server, 25.0) is PaceCause.FAILING


def test_a_pause_has_a_cause_of_its_own() -> None:
    server = SilentServer()
    server.sent(0.0)
    paused = Pace(1, None, PaceCause.RETRY_AFTER, until=60.0)

    assert cause(server, 50.0, paused) is PaceCause.RETRY_AFTER
