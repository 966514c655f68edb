"""Each exchange with a server is counted by its verb and its status, against real local servers.

Covered: every verb, answers, all kinds of silence, a cancelled request, durations. Left out: the
arithmetic of the counts (tests/model/test_traffic.py).
"""

import asyncio
from typing import Any

import pytest

from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection
from fleetpatch.model.lease import LeaseRecord
from fleetpatch.model.traffic import Traffic, bucket_of
from tests.kube.patches import BODY
from tests.kube.peers import (
    JOBS,
    Act,
    Request,
    VirtualClock,
    an_object,
    http,
    in_turn,
    opened,
    page,
    status,
    target,
)

OK = http(200, an_object())


async def traffic_of_patches(*answers: bytes | Act, **options: Any) -> Traffic:
    async with opened(in_turn(*answers), **options) as (api, _peer):
        for _ in answers:
            await api.patch(target(), BODY)
        return api.traffic


async def test_patches_are_counted_by_status() -> None:
    traffic = await traffic_of_patches(OK, OK, status(409), Act.RESET)

    assert traffic.answers == {("patch", "200"): 2, ("patch", "409"): 1, ("patch", "reset"): 1}
    assert sum(traffic.durations.values()) == 4


async def test_any_status_of_three_digits_is_counted() -> None:
    traffic = await traffic_of_patches(http(999), http(600), http(204))

    assert traffic.by_status() == {"204": 1, "600": 1, "999": 1}


async def test_a_patch_without_an_answer_in_time_counts_as_a_timeout() -> None:
    traffic = await traffic_of_patches(Act.HANG, timeout=0.5)

    assert traffic.answers == {("patch", "timeout"): 1}
    assert sum(traffic.durations.values()) == 1


async def test_a_patch_that_reached_no_server_has_no_duration() -> None:
    connection = Connection("ctx", "clu", "http://127.0.0.1:1")
    async with ApiServer("test", connection, clock=VirtualClock()) as api:
        await api.patch(target(), BODY)

    assert api.traffic == Traffic({("patch", "unreachable"): 1})


async def test_a_cancelled_request_is_not_counted() -> None:
    async with opened(in_turn(Act.HANG)) as (api, _peer):
        task = asyncio.create_task(api.patch(target(), BODY))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert api.traffic == Traffic()


async def test_reads_lists_and_leases_have_verbs_of_their_own_and_no_durations() -> None:
    def answer(request: Request) -> bytes:
        if "leases" in request.path:
            return status(404)
        return page("a") if request.path.endswith("/jobs") else OK

    async with opened(answer) as (api, _peer):
        await api.get(target())
        async for _ in api.pages(JOBS, namespace="ns", selector="", field_selector=""):
            pass
        lease = api.lease("ops", "relabel")
        record = LeaseRecord("a", 30, "2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z", 1)
        await lease.read()
        await lease.create(record)
        await lease.update(record, "7")

    assert api.traffic == Traffic({("get", "200"): 1, ("list", "200"): 1, ("lease", "404"): 3})


async def test_the_duration_is_that_of_the_whole_exchange() -> None:
    clock = VirtualClock()

    def answer_later(_request: Request) -> bytes:
        clock.now += 0.2
        return OK

    async with opened(answer_later, clock=clock) as (api, _peer):
        api._transport.meter.now = clock.monotonic
        await api.patch(target(), BODY)

    assert api.traffic.durations == {bucket_of(0.2): 1}
    assert api.traffic.seconds == pytest.approx(0.2)
