"""What replies say about load."""

import pytest

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.rules.answers.reply_signal import ReplySignal, signal_of


@pytest.mark.parametrize(
    ("reply", "signal"),
    [
        (Answer(200), ReplySignal.ACCEPTED),
        (Answer(409), ReplySignal.ACCEPTED),
        (Answer(429), ReplySignal.REFUSED),
        (Answer(503), ReplySignal.REFUSED),
        (Answer(408), ReplySignal.LATE),
        (Answer(504), ReplySignal.LATE),
        (Answer(500), ReplySignal.NOTHING),
        (NoAnswer(Silence.TIMEOUT), ReplySignal.LATE),
        (NoAnswer(Silence.RESET), ReplySignal.NOTHING),
    ],
)
def test_what_a_reply_says_about_load(reply: Reply, signal: ReplySignal) -> None:
    assert signal_of(reply) is signal
