"""HTTP as current API servers speak it: refusals at a start, under load and at a shutdown.

Covered: what each answer of `tests.kube.server_answers` means for a PATCH, for the pace, and for a
list. Left out: other answers (test_patch, test_lists, tests/rules/answers/test_verdicts).
"""

from typing import NamedTuple

import pytest

from fleetpatch.errors import ClusterError
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.answer import Answer
from fleetpatch.model.plan.retry import RetrySection
from fleetpatch.model.ports import Page
from fleetpatch.rules.answers.reply_signal import ReplySignal, signal_of
from fleetpatch.rules.answers.verdicts import Verdict, judge
from fleetpatch.rules.running.backoff import retry_after
from tests.kube import server_answers
from tests.kube.patches import BODY, patched
from tests.kube.peers import (
    JOBS,
    VirtualClock,
    an_object,
    http,
    in_turn,
    opened,
    page,
    target,
)

RETRIED = frozenset(RetrySection().statuses)


class Meaning(NamedTuple):
    """What an answer to a PATCH means; `wait` is the time that the server asks for, in seconds."""

    verdict: Verdict
    signal: ReplySignal
    wait: float | None = None


MEANINGS = {
    "STORAGE_INITIALIZING": Meaning(Verdict.RETRY, ReplySignal.REFUSED, 1),
    "PRIORITY_AND_FAIRNESS": Meaning(Verdict.RETRY, ReplySignal.REFUSED, 4),
    "SHUTTING_DOWN": Meaning(Verdict.RETRY, ReplySignal.REFUSED, 5),
    "SHUT_DOWN": Meaning(Verdict.RETRY, ReplySignal.REFUSED, 1),
    "TIMEOUT": Meaning(Verdict.IN_DOUBT, ReplySignal.LATE),
    "SERVER_TIMEOUT": Meaning(Verdict.RETRY, ReplySignal.NOTHING, 2),
    "INTERNAL_ERROR_WITH_HEADER": Meaning(Verdict.RETRY, ReplySignal.NOTHING, 3),
    "BAD_GATEWAY": Meaning(Verdict.IN_DOUBT, ReplySignal.NOTHING, 3),
    "EXPIRED": Meaning(Verdict.STOP, ReplySignal.ACCEPTED),
    "GONE": Meaning(Verdict.STOP, ReplySignal.ACCEPTED),
}


async def listed(api: ApiServer) -> list[Page]:
    pages = api.pages(JOBS, namespace="ns", selector="", field_selector="")
    return [each async for each in pages]


@pytest.mark.parametrize("name", MEANINGS)
async def test_an_answer_to_a_patch_has_its_meaning(name: str) -> None:
    reply = await patched(in_turn(getattr(server_answers, name)))

    assert (
        Meaning(judge(reply, RETRIED).verdict, signal_of(reply), retry_after(reply, now=0.0))
        == MEANINGS[name]
    )


async def test_the_text_of_a_refusal_is_shown_without_its_headers() -> None:
    reply = await patched(in_turn(server_answers.PRIORITY_AND_FAIRNESS))

    assert isinstance(reply, Answer)
    assert reply.message == "Too many requests, please try again later."


@pytest.mark.parametrize("name", ["SHUTTING_DOWN", "SHUT_DOWN"])
async def test_after_the_refusal_of_a_server_that_shuts_down_a_new_connection_is_made(
    name: str,
) -> None:
    answers = in_turn(getattr(server_answers, name), http(200, an_object()))

    async with opened(answers) as (api, peer):
        await api.patch(target(), BODY, dry_run=False)
        reply = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(reply, Answer)
    assert reply.status == 200
    assert (len(peer.requests), peer.connections) == (2, 2)


@pytest.mark.parametrize(
    ("name", "wait"),
    [
        ("STORAGE_INITIALIZING", 1),
        ("PRIORITY_AND_FAIRNESS", 4),
        ("SHUTTING_DOWN", 5),
        ("SHUT_DOWN", 1),
        ("SERVER_TIMEOUT", 2),
        ("INTERNAL_ERROR_WITH_HEADER", 3),
        ("BAD_GATEWAY", 3),
    ],
)
async def test_a_list_waits_as_long_as_the_server_asks(name: str, wait: float) -> None:
    clock = VirtualClock()
    answers = in_turn(getattr(server_answers, name), page("a"))

    async with opened(answers, clock=clock) as (api, peer):
        pages = await listed(api)

    assert [seen.name for each in pages for seen in each.items] == ["a"]
    assert len(peer.requests) == 2
    assert clock.slept == [pytest.approx(wait, abs=0.5)]


async def test_a_gateway_error_without_a_retry_after_ends_a_list() -> None:
    answers = in_turn(http(502, b"bad gateway"), page("a"))

    async with opened(answers) as (api, peer):
        with pytest.raises(ClusterError, match="502"):
            await listed(api)

    assert len(peer.requests) == 1


@pytest.mark.parametrize("name", ["EXPIRED", "GONE", "GONE_AS_TEXT", "EXPIRED_WITH_EMPTY_TOKEN"])
async def test_a_list_starts_again_after_a_410_without_a_token(name: str) -> None:
    answers = in_turn(page("a", token="t1"), getattr(server_answers, name), page("a", "b"))

    async with opened(answers) as (api, peer):
        pages = await listed(api)

    assert [seen.name for seen in pages[-1].items] == ["a", "b"]
    assert pages[-1].inconsistent
    assert "continue" not in peer.requests[-1].query


async def test_a_list_goes_on_with_the_token_of_a_410() -> None:
    answers = in_turn(page("a", token="t1"), server_answers.expired_with_token("t2"), page("b"))

    async with opened(answers) as (api, peer):
        pages = await listed(api)

    assert [seen.name for each in pages for seen in each.items] == ["a", "b"]
    assert peer.requests[-1].query["continue"] == "t2"
