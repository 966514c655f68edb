"""The pacer: the line before a cluster, in virtual time.

Covered: the plan's rate as a property over any arrivals, the order of the line, the burst, no rate,
waiters that are cancelled or halted, the ceiling of requests in flight, the pause of all where
everything is refused, what is reported of changes, ceilings that change while requests are sent.
Left out: workers that have no target yet (test_idle_workers.py), what a server's answers do to the
pace (tests/rules/pacing), how it is shared by the tasks of a lane (test_pipeline.py).
"""

import asyncio
from collections.abc import Sequence

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.answer import Answer, NoAnswer, Silence
from fleetpatch.model.pace import Ceilings, Pace, PaceCause
from tests.fakes import VirtualClock, failure, ok, seen_job

FINE = ok(seen_job())
TOLERANCE = 1e-6


async def passes(
    rate: float | None, burst: int, arrivals: Sequence[float]
) -> list[tuple[int, float]]:
    """Who passed when, in the order of passing; `arrivals` are seconds, sorted."""
    clock = VirtualClock()
    pacer, halt = Pacer(clock, Ceilings(rate, burst)), Shutdown(clock)
    passed: list[tuple[int, float]] = []

    async def arrive(number: int, at: float) -> None:
        await clock.sleep(at)
        permit = await pacer.admit(halt)
        assert permit is not None
        passed.append((number, clock.monotonic()))
        pacer.answered(permit, FINE)

    async with anyio.create_task_group() as tasks:
        for number, at in enumerate(arrivals):
            tasks.start_soon(arrive, number, at)
    return passed


ARRIVALS = st.lists(st.floats(0.001, 20), min_size=1, max_size=40).map(sorted)


@given(rate=st.floats(0.1, 1000), burst=st.integers(1, 20), arrivals=ARRIVALS)
def test_no_window_holds_more_than_burst_and_rate_allow(
    rate: float, burst: int, arrivals: list[float]
) -> None:
    times = [at for _, at in asyncio.run(passes(rate, burst, arrivals))]

    assert len(times) == len(arrivals)
    for first, start in enumerate(times):
        for last, end in enumerate(times[first:], first):
            assert last - first + 1 <= burst + rate * (end - start) + TOLERANCE * rate


@given(rate=st.floats(0.1, 1000), burst=st.integers(1, 20), arrivals=ARRIVALS)
def test_who_comes_first_passes_first(rate: float, burst: int, arrivals: list[float]) -> None:
    order = [number for number, _ in asyncio.run(passes(rate, burst, arrivals))]

    assert order == sorted(order)


async def test_no_request_waits_longer_than_the_rate_demands() -> None:
    passed = await passes(2.0, 2, [1.0] * 5)

    assert [(number, round(at, 6)) for number, at in passed] == [
        (0, 1.0),
        (1, 1.0),
        (2, 1.5),
        (3, 2.0),
        (4, 2.5),
    ]


async def test_idle_time_fills_the_bucket_up_to_the_burst_and_no_further() -> None:
    times = [round(at, 6) for _, at in await passes(1.0, 2, [2.0, 2.0, 1000.0, 1000.0, 1000.0])]

    assert times == [2.0, 2.0, 1000.0, 1000.0, 1001.0]


async def test_without_a_rate_everybody_passes_at_once() -> None:
    times = [at for _, at in await passes(None, 1, [1.0] * 1000)]

    assert times == [1.0] * 1000


async def test_a_waiter_that_is_cancelled_stops_no_other_one() -> None:
    clock = VirtualClock()
    pacer, halt = Pacer(clock, Ceilings(1.0)), Shutdown(clock)
    assert await pacer.admit(halt)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pacer.admit, halt)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert await pacer.admit(halt)

    assert clock.monotonic() == 1.0


async def test_a_permit_that_is_not_used_goes_to_the_next_in_line_at_once() -> None:
    clock = VirtualClock()
    pacer, halt = Pacer(clock, Ceilings(concurrency=1)), Shutdown(clock)
    permit = await pacer.admit(halt)
    assert permit is not None

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pacer.admit, halt)
        await anyio.wait_all_tasks_blocked()
        pacer.unused(permit)
        await anyio.wait_all_tasks_blocked()
        assert pacer.in_flight == 1


async def test_a_halt_empties_the_line_at_once() -> None:
    clock = VirtualClock()
    pacer, halt = Pacer(clock, Ceilings(0.001)), Shutdown(clock)
    assert await pacer.admit(halt)
    gone: list[object] = []

    async def wait() -> None:
        gone.append(await pacer.admit(halt))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await clock.sleep(5)
        halt.request()

    assert gone == [None, None, None]
    assert clock.monotonic() == 5


class InFlight:
    """Sends requests that take `seconds` each; `most` of them were in flight at once."""

    def __init__(self, pacer: Pacer, clock: VirtualClock, seconds: float) -> None:
        self._pacer, self._clock, self._seconds = pacer, clock, seconds
        self._halt = Shutdown(clock)
        self._now = self.most = 0

    async def send(self, count: int) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(self._send)

    async def _send(self) -> None:
        permit = await self._pacer.admit(self._halt)
        assert permit is not None
        self._now += 1
        self.most = max(self.most, self._now)
        await self._clock.sleep(self._seconds)
        self._now -= 1
        self._pacer.answered(permit, FINE)


async def test_no_more_are_in_flight_than_the_ceiling_allows() -> None:
    clock = VirtualClock()
    requests = InFlight(Pacer(clock, Ceilings(concurrency=3)), clock, 1.0)

    await requests.send(12)

    assert (requests.most, clock.monotonic()) == (3, 4)


async def storm(pacer: Pacer, clock: VirtualClock, targets: int, until: float) -> list[float]:
    """When requests were sent to a server that answers 429 with Retry-After 1 until then."""
    halt, sent = Shutdown(clock), list[float]()

    async def deliver() -> None:
        while True:
            permit = await pacer.admit(halt)
            assert permit is not None
            sent.append(clock.monotonic())
            busy = clock.monotonic() < until
            await clock.sleep(0.01)
            answer: Answer = failure(429, "TooManyRequests", retry_after="1") if busy else FINE
            pacer.answered(permit, answer)
            if not busy:
                return

    async with anyio.create_task_group() as tasks:
        for _ in range(targets):
            tasks.start_soon(deliver)
    return sent


async def test_where_everything_is_refused_everybody_pauses_and_they_come_back_one_by_one() -> None:
    clock = VirtualClock()
    pacer = Pacer(clock, Ceilings(concurrency=64, adaptive=True), random=lambda: 0.5)

    sent = await storm(pacer, clock, 64, until=10.0)

    during = [at for at in sent if at < 10.0]
    assert len(during) <= 64 + 10
    assert len(sent) - len(during) == 64


async def test_a_refusal_delays_only_its_own_target() -> None:
    clock = VirtualClock()
    pacer, halt = Pacer(clock, Ceilings(concurrency=4, adaptive=True)), Shutdown(clock)
    permit = await pacer.admit(halt)
    assert permit is not None
    pacer.answered(permit, failure(429, "TooManyRequests", retry_after="30"))

    assert await pacer.admit(halt)
    assert clock.monotonic() == 0.0


async def test_a_pause_is_reported_at_once_with_its_end_and_not_over_and_over() -> None:
    clock = VirtualClock()
    told: list[tuple[float, Pace]] = []
    pacer = Pacer(
        clock,
        Ceilings(concurrency=64, adaptive=True),
        random=lambda: 0.0,
        on_change=lambda _old, new: told.append((clock.monotonic(), new)),
    )

    await storm(pacer, clock, 64, until=3.0)

    at, pace = told[0]
    assert pace.cause is PaceCause.RETRY_AFTER
    assert pace.until == pytest.approx(at + 1.0)
    assert at < 1.0, "as soon as the first pause begins"
    assert len(told) < 10


async def test_the_ceiling_of_a_slow_server_is_reported_though_answers_come_together() -> None:
    clock, reported = VirtualClock(), list[Pace]()
    ceilings = Ceilings(concurrency=8)
    pacer = Pacer(clock, ceilings, on_change=lambda _old, new: reported.append(new))

    await InFlight(pacer, clock, 2.0).send(60)

    assert [pace.cause for pace in reported] == [PaceCause.CONCURRENCY]


async def test_workers_that_wait_for_their_retries_are_reported() -> None:
    clock, reported = VirtualClock(), list[Pace]()
    ceilings = Ceilings(concurrency=8)
    pacer = Pacer(clock, ceilings, on_change=lambda _old, new: reported.append(new))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(pacer.idle_workers.back_off, 30.0, Shutdown(clock))
        for _ in range(6):
            await InFlight(pacer, clock, 1.0).send(1)

    assert [pace.cause for pace in reported] == [PaceCause.BACKOFF]


async def test_a_pause_holds_for_a_waiter_that_was_called_right_before_it() -> None:
    clock = VirtualClock()
    pacer, shutdown = Pacer(clock, Ceilings(concurrency=64), random=lambda: 0.0), Shutdown(clock)
    first = [permit for _ in range(64) if (permit := await pacer.admit(shutdown))]
    admitted = list[float]()

    async def wait() -> None:
        assert await pacer.admit(shutdown)
        admitted.append(clock.monotonic())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        # The answer that makes room, and the refusals behind it, arrive in one step of the loop.
        pacer.answered(first[0], FINE)
        for permit in first[1:]:
            pacer.answered(permit, failure(429, "TooManyRequests", retry_after="5"))

    assert admitted
    assert admitted[0] >= 5.0


async def test_without_the_adaptive_pace_a_silent_server_delays_no_request() -> None:
    clock = VirtualClock()
    pacer, shutdown = Pacer(clock, Ceilings(concurrency=64)), Shutdown(clock)

    for _ in range(100):
        permit = await pacer.admit(shutdown)
        assert permit is not None
        await clock.sleep(1.0)
        pacer.answered(permit, NoAnswer(Silence.TIMEOUT))

    assert clock.monotonic() == 100.0


async def sent_with_a_change(before: Ceilings, after: Ceilings, at: float) -> list[float]:
    """When 60 requests were sent; each is answered after a second, and the ceilings change."""
    clock = VirtualClock()
    pacer = Pacer(clock, before)
    halt, sent = Shutdown(clock), list[float]()

    async def send() -> None:
        permit = await pacer.admit(halt)
        assert permit is not None
        sent.append(clock.monotonic())
        await clock.sleep(1)
        pacer.answered(permit, FINE)

    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(send)
        await clock.sleep(at)
        pacer.change(after)
    return sent


async def test_a_lower_rate_holds_from_the_moment_of_the_change() -> None:
    sent = await sent_with_a_change(
        Ceilings(10.0, 1, 100, adaptive=False), Ceilings(2.0, 1, 100, adaptive=False), at=2.05
    )

    later = [at for at in sent if at > 2.05]
    assert len(sent) - len(later) == 21
    assert later[0] == pytest.approx(2.55)
    assert later[-1] - later[0] == pytest.approx((len(later) - 1) / 2.0)


async def test_a_higher_rate_is_followed_at_once_by_a_request_that_waits_for_an_hour() -> None:
    sent = await sent_with_a_change(
        Ceilings(1 / 3600, 1, 100, adaptive=False), Ceilings(50.0, 1, 100, adaptive=False), at=10.5
    )

    assert sent[0] == 0.0
    assert sent[1] == pytest.approx(10.52)
    assert sent[-1] <= 10.5 + 60 / 50.0


@pytest.mark.parametrize(("before", "after"), [(2, 10), (10, 2), (10, 1)])
async def test_another_concurrency_holds_as_soon_as_requests_are_answered(
    before: int, after: int
) -> None:
    sent = await sent_with_a_change(
        Ceilings(None, 1, before, adaptive=False), Ceilings(None, 1, after, adaptive=False), at=2.5
    )

    assert [sent.count(second) for second in (0.0, 1.0, 2.0)] == [before] * 3
    # Each takes a second, so as many are sent in a second as may be in flight.
    assert sum(4.0 <= at < 5.0 for at in sent) == after


async def test_an_adaptive_pace_never_exceeds_a_ceiling_that_was_lowered() -> None:
    clock = VirtualClock()
    pacer = Pacer(clock, Ceilings(concurrency=64, adaptive=True))
    requests = InFlight(pacer, clock, 0.1)

    await requests.send(500)
    assert requests.most > 5
    pacer.change(Ceilings(None, 1, 5, adaptive=True))
    requests.most = 0
    await requests.send(500)

    assert requests.most == 5


async def test_the_requests_in_flight_can_be_counted() -> None:
    clock = VirtualClock()
    pacer, halt = Pacer(clock, Ceilings(concurrency=4)), Shutdown(clock)
    first, second = await pacer.admit(halt), await pacer.admit(halt)
    assert pacer.in_flight == 2

    assert first is not None
    assert second is not None
    pacer.answered(first, FINE)
    pacer.unused(second)
    assert pacer.in_flight == 0


async def test_a_silent_request_and_a_refused_one_delay_the_next_one_by_a_latency() -> None:
    clock = VirtualClock()
    pacer, halt = Pacer(clock, Ceilings(concurrency=2, adaptive=True)), Shutdown(clock)
    silent, refused = await pacer.admit(halt), await pacer.admit(halt)
    assert silent is not None
    assert refused is not None
    pacer.answered(refused, Answer(503))

    assert await pacer.admit(halt)
    assert clock.monotonic() == pytest.approx(0.1)
