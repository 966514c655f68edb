"""What holds for a pacer whatever happens to it: any arrivals, answers, retries and cancellations.

In virtual time, as properties: the plan's rate in every window, retries included; its ceiling of
requests in flight; nothing sent in a pause of all, and no pause that is too long; first come, first
served; no request left in line for ever. Left out: how well it does (tests/rules/pacing).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import anyio
from hypothesis import example, given
from hypothesis import strategies as st

from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.pace import Ceilings
from tests.fakes import VirtualClock, ok, seen_job

MAX_PAUSE = 5.0
TOLERANCE = 1e-6

REPLIES: st.SearchStrategy[Reply] = st.one_of(
    st.just(ok(seen_job())),
    st.sampled_from([Answer(status) for status in (409, 429, 500, 503, 504)]),
    st.sampled_from([NoAnswer(silence) for silence in Silence]),
    st.builds(
        Answer,
        st.sampled_from([200, 409, 429, 500, 503, 504]),
        retry_after=st.sampled_from(["1", "0", "-3", "2", "9", "86400", "soon"]),
    ),
)


@dataclass(frozen=True)
class Visit:
    """A target: when it comes, and what its requests are answered, each after so many seconds.

    It comes again at once after each answer but the last. `leaves_at`, in seconds after it came:
    its task is cancelled, wherever it stands.
    """

    comes_at: float
    answers: Sequence[tuple[float, Reply]]
    leaves_after: float | None


@dataclass
class Record:
    """What happened: who was admitted when, how many were in flight, what was asked for when."""

    admitted: list[float] = field(default_factory=list)
    most_in_flight: int = 0
    pauses: list[tuple[float, float]] = field(default_factory=list)
    lined_up: list[int] = field(default_factory=list)
    went: list[int] = field(default_factory=list)
    ended: int = 0


VISITS = st.lists(
    st.builds(
        Visit,
        st.floats(0.0, 10.0),
        st.lists(st.tuples(st.floats(0.0, 2.0), REPLIES), min_size=1, max_size=4),
        st.none() | st.floats(0.0, 3.0),
    ),
    min_size=1,
    max_size=30,
)


ASKS_FOR_A_DAY = Visit(0.0, [(1.0, Answer(429, retry_after="86400"))] * 2, leaves_after=None)


async def happen(
    visits: Sequence[Visit], rate: float | None, burst: int, concurrency: int, *, adaptive: bool
) -> Record:
    """Let everything happen, and take note of it."""
    clock, record, in_flight = VirtualClock(), Record(), 0
    pacer = Pacer(
        clock,
        Ceilings(rate, burst, concurrency, adaptive),
        longest_pause=MAX_PAUSE,
        random=lambda: 0.999,
    )
    halt = Shutdown(clock)

    async def send(number: int, seconds: float, reply: Reply) -> None:
        nonlocal in_flight
        record.lined_up.append(number)
        try:
            permit = await pacer.admit(halt)
        except anyio.get_cancelled_exc_class():
            record.lined_up.remove(number)
            raise
        assert permit is not None
        record.went.append(number)
        record.admitted.append(clock.monotonic())
        in_flight += 1
        record.most_in_flight = max(record.most_in_flight, in_flight)
        try:
            await clock.sleep(seconds)
        finally:
            in_flight -= 1
            pacer.answered(permit, reply)
        if (until := pacer.pace.until) is not None:
            record.pauses.append((clock.monotonic(), until))

    async def visit(number: int, what: Visit) -> None:
        await clock.sleep(what.comes_at)
        with anyio.CancelScope() as patience:
            async with anyio.create_task_group() as tasks:
                if what.leaves_after is not None:
                    tasks.start_soon(_cancel_after, clock, what.leaves_after, patience)
                for turn, (seconds, reply) in enumerate(what.answers):
                    await send(10 * number + turn, seconds, reply)
                tasks.cancel_scope.cancel()
        record.ended += 1

    async with anyio.create_task_group() as tasks:
        for number, what in enumerate(visits):
            tasks.start_soon(visit, number, what)
    return record


async def _cancel_after(clock: VirtualClock, seconds: float, scope: anyio.CancelScope) -> None:
    await clock.sleep(seconds)
    scope.cancel()


@given(
    visits=VISITS,
    rate=st.none() | st.floats(0.5, 1000.0),
    burst=st.integers(1, 20),
    concurrency=st.integers(1, 20),
    adaptive=st.booleans(),
)
@example(visits=[ASKS_FOR_A_DAY] * 20, rate=None, burst=1, concurrency=20, adaptive=False)
def test_whatever_happens_the_ceilings_and_pauses_hold_and_no_request_is_left(
    visits: list[Visit], rate: float | None, burst: int, concurrency: int, adaptive: bool
) -> None:
    record = asyncio.run(happen(visits, rate, burst, concurrency, adaptive=adaptive))

    assert record.ended == len(visits)
    assert record.went == record.lined_up
    assert record.most_in_flight <= concurrency
    for begins, ends in record.pauses:
        assert ends - begins <= 1.1 * MAX_PAUSE
        assert not [at for at in record.admitted if begins + TOLERANCE < at < ends - TOLERANCE]
    if rate is not None:
        for first, start in enumerate(record.admitted):
            for last, end in enumerate(record.admitted[first:], first):
                assert last - first + 1 <= burst + rate * (end - start) + TOLERANCE * rate
    assert all(earlier <= later for earlier, later in pairwise(record.admitted))
