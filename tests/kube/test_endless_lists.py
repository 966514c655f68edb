"""Endless lists end in an error, after a bounded number of requests with pauses between them.

Covered: repeated tokens, pages without new objects, expiries, and their mixtures; long lists that
advance are read to their end, restarts included; what is remembered of a list.
Left out: everything else about lists (test_lists.py).
"""

from collections.abc import Callable
from itertools import count, cycle

import pytest

from fleetpatch.errors import ClusterError
from fleetpatch.kube.listing import EXPIRIES, REPEATS, ListProgress
from fleetpatch.model.ports import Page
from fleetpatch.model.target import Seen
from tests.kube.peers import JOBS, Peer, Request, VirtualClock, opened, page, status

Answers = Callable[[Request], bytes]
FEW = 120
"""Requests that any of these lists may need at most."""


async def listed(answers: Answers, clock: VirtualClock | None = None) -> tuple[list[Page], Peer]:
    async with opened(answers, clock=clock, random=lambda: 0.5) as (api, peer):
        pages = api.pages(JOBS, namespace="ns", selector="", field_selector="")
        return [page async for page in pages], peer


async def ends(answers: Answers, message: str) -> VirtualClock:
    clock = VirtualClock()
    asked = count(1)

    def bounded(request: Request) -> bytes:
        assert next(asked) < FEW, "it goes on and on"
        return answers(request)

    with pytest.raises(ClusterError, match=message) as caught:
        await listed(bounded, clock)
    assert "listing jobs.batch in ns" in str(caught.value)
    assert "\n" not in str(caught.value)
    return clock


def new_tokens(*names: str) -> Answers:
    """Answer with the same objects each time, with a new token."""
    numbers = count()
    return lambda _: page(*names, token=f"t{next(numbers)}")


def alternating(*answers: Callable[[], bytes]) -> Answers:
    turns = cycle(answers)
    return lambda _: next(turns)()


async def test_empty_pages_with_new_tokens_end_in_an_error() -> None:
    clock = await ends(new_tokens(), f"{REPEATS + 1} pages had no new objects")

    assert len(clock.slept) == REPEATS


async def test_the_same_objects_with_new_tokens_end_in_an_error() -> None:
    clock = await ends(new_tokens("a", "b"), "no new objects")

    assert len(clock.slept) > REPEATS / 2


async def test_the_same_objects_in_another_order_are_not_new() -> None:
    orders, numbers = cycle([("a", "b", "c"), ("c", "a"), ("b",), ()]), count()

    await ends(lambda _: page(*next(orders), token=f"t{next(numbers)}"), "no new objects")


async def test_two_alternating_tokens_end_in_an_error() -> None:
    names = count()
    tokens = cycle(["x", "y"])

    await ends(lambda _: page(f"n{next(names)}", token=next(tokens)), "the same page again")


async def test_a_long_cycle_of_tokens_ends_in_an_error() -> None:
    names, tokens = count(), cycle([f"t{number}" for number in range(50)])

    await ends(lambda _: page(f"n{next(names)}", token=next(tokens)), "the same page again")


async def test_alternating_expiries_and_pages_end_in_an_error() -> None:
    names, tokens = count(), count()
    expired = lambda: status(410, metadata={"continue": f"fresh{next(tokens)}"})  # noqa: E731
    shown = lambda: page(f"n{next(names)}", token=f"t{next(tokens)}")  # noqa: E731

    clock = await ends(alternating(shown, expired), f"expired {EXPIRIES + 1} times")

    assert len(clock.slept) == EXPIRIES


async def test_alternating_expiries_without_a_token_and_pages_end_in_an_error() -> None:
    tokens = count()
    shown = lambda: page("a", token=f"t{next(tokens)}")  # noqa: E731

    clock = await ends(alternating(shown, lambda: status(410)), "started again 3 times")

    assert len(clock.slept) == 3


async def test_alternating_expiries_empty_and_repeated_pages_end_in_an_error() -> None:
    tokens = count()
    answers = [
        lambda: page("a", token=f"t{next(tokens)}"),
        lambda: page(token=f"t{next(tokens)}"),
        lambda: status(410, metadata={"continue": f"t{next(tokens)}"}),
    ]

    await ends(alternating(*answers), "listing")


async def test_a_list_that_advances_slowly_is_read_to_its_end() -> None:
    pages = [page(*([f"n{at}"] if at % 2 else []), token=f"t{at}") for at in range(200)]
    left = iter([*pages, page("last")])

    shown, peer = await listed(lambda _: next(left))

    assert len(peer.requests) == 201
    assert sum(len(one.items) for one in shown) == 101


async def test_a_list_that_starts_again_may_show_everything_once_more() -> None:
    first = [page(f"n{at}", token=f"t{at}") for at in range(50)]
    left = iter([*first, status(410), *first, page("last")])

    shown, _peer = await listed(lambda _: next(left))

    assert len({seen.name for one in shown for seen in one.items}) == 51


def seen(uid: str) -> Seen:
    return Seen("ns", uid, uid, "1")


def test_many_objects_are_remembered_in_a_mebibyte() -> None:
    progress = ListProgress()
    pages = [[seen(f"uid-{at + one}") for one in range(500)] for at in range(0, 200_000, 500)]

    assert all(progress.has_new_objects(page) for page in pages)
    assert not any(progress.has_new_objects(page) for page in pages)
    assert len(progress._uids) == 2**20


def test_after_clear_objects_and_tokens_are_new_again() -> None:
    progress = ListProgress()
    assert progress.has_new_objects([seen("a")])
    assert progress.is_new_token("t")
    assert not progress.is_new_token("t")

    progress.clear()

    assert progress.has_new_objects([seen("a")])
    assert progress.is_new_token("t")
