"""The capacity of the sandbox: a rate, requests in flight, changes, records, and bad input.

Left out: how clients behave under it (bench/pace.py).
"""

from typing import Any

import pytest

from fleetpatch.sandbox.chaos.capacity import Capacity
from fleetpatch.sandbox.chaos.profiles import Chaos
from fleetpatch.sandbox.server import SandboxOptions
from tests.sandbox.serving import SandboxThread

PATH = "/apis/batch/v1/namespaces/{namespace}/jobs/{name}"


def statuses(server: SandboxThread, count: int) -> list[int]:
    listed = server.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    metadata = listed[0]["metadata"]
    path = PATH.format(namespace=metadata["namespace"], name=metadata["name"])
    return [server.client.request("GET", path).status for _ in range(count)]


def serving(capacity: Capacity) -> SandboxThread:
    return SandboxThread(SandboxOptions(jobs=5, chaos=Chaos(capacity=capacity)))


def test_requests_beyond_the_rate_are_refused_except_lists() -> None:
    # The rate is so low that the bucket does not refill during the test.
    with serving(Capacity(rate=0.001, burst=3, retry_after=7)) as server:
        assert statuses(server, 5) == [200, 200, 200, 429, 429]


def test_the_capacity_can_be_changed_and_requests_are_recorded() -> None:
    with serving(Capacity(refuses=True)) as server:
        assert statuses(server, 2) == [429, 429]
        changed: Any = server.client.request("POST", "/_sandbox/capacity", {"refuses": False})
        assert (changed.status, changed.body["refuses"]) == (200, False)
        assert server.client.request("POST", "/_sandbox/capacity", {"rate": -1}).status == 400
        arrivals = server.client.request("GET", "/_sandbox/arrivals").body["arrivals"]
        assert [status for _, status, _ in arrivals] == [429, 429]


@pytest.mark.parametrize(("in_flight", "seconds"), [(1, 0.02), (8, 0.02), (16, 0.04)])
def test_beyond_the_knee_requests_take_longer(in_flight: int, seconds: float) -> None:
    assert Capacity(latency=0.02, knee=8).seconds(in_flight, 0.5) == pytest.approx(seconds)
    assert Capacity(latency=0.02, knee=16, share=0.5).seconds(in_flight, 0.5) == pytest.approx(
        seconds
    )
