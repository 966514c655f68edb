"""Figures of the pace in the simulator: goodput, refused share, time to find, to yield, to recover.

    python -m bench.pacing_figures [--seeds 100]

Prints, for stray refusals, goodput beside a plain loop of 32 workers over so many seeds; then the
figures that the ablation compares. Everything is virtual time.
"""

import argparse
import random
import statistics
from collections.abc import Callable
from math import inf
from typing import Any

from fleetpatch.model.pace import Ceilings
from tests.rules.pacing.simulated_servers import ACCEPTED, FairQueue, Reply, Server
from tests.rules.pacing.simulated_time import Processor, World
from tests.rules.pacing.simulator import Client, Open, Record, governed, simulate

SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)
STRAY_SECONDS = 10.0
_LIMITS = Ceilings(None, 1, 32, adaptive=True)
_WIDE = Ceilings(None, 1, 128, adaptive=True)


def server(seed: int, **what: Any) -> Server:
    """Return a server in a world of its own."""
    return Server(World(), random.Random(seed), **what)


def stray(share: float, retry_after: float | None, seed: int) -> float:
    """Goodput under stray refusals, of that of a plain loop; 32 workers both, 50 ms."""

    def goodput(gate: Any, luck: int) -> float:
        there = server(luck, stray=share, retry_after=retry_after, latency=0.05)
        client = Client(there.world, there, gate, 32, inf, luck)
        there.world.run(STRAY_SECONDS)
        return client.record.goodput(0.0, STRAY_SECONDS)

    return goodput(governed(_LIMITS, seed), seed) / goodput(Open(), seed + 1000)


class _NearServer:
    """A server beside its client; requests, and far more so connections, take their CPU time."""

    def __init__(self) -> None:
        self.world, self.in_flight, self._connections = World(), 0, 0
        self._processor = Processor(self.world)

    def arrive(self, answer: Callable[[Reply], None]) -> None:
        """Take a request; it needs a connection of its own."""
        self.in_flight += 1
        is_new = self.in_flight > self._connections
        self._connections += is_new
        self._processor.cost = 0.0008 + 0.0014 * is_new

        def leave() -> None:
            self.in_flight -= 1
            answer(ACCEPTED)

        self._processor.run(lambda: self.world.after(0.01, leave))


def _rate(there: Server | _NearServer, ceilings: Ceilings, requests: int) -> float:
    """Requests a second until the last of so many is answered."""
    client = Client(there.world, there, governed(ceilings), 128, requests)
    there.world.run(60.0)
    return client.record.goodput()


def _near(requests: int) -> float:
    """The rate of so many requests, of that with 32 in flight."""
    fixed = Ceilings(None, 1, 32, adaptive=False)
    return _rate(_NearServer(), _WIDE, requests) / _rate(_NearServer(), fixed, requests)


def _far(requests: int) -> float:
    """The rate of so many requests that take 50 ms, of that with 128 in flight."""
    fixed = Ceilings(None, 1, 128, adaptive=False)
    ours, theirs = server(1, latency=0.05), server(1, latency=0.05)
    return _rate(ours, _WIDE, requests) / _rate(theirs, fixed, requests)


def _set(there: Server, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(there, name, value)


def _stalled(there: Server, seed: int) -> Record:
    """Ask this server with a client that has the CPU for half of the time."""
    processor = Processor(there.world, random.Random(seed), cost=0.0002, stall=0.03)
    return simulate(there, 20.0, processor=processor)


def _elastic(exponent: float, seed: int) -> float:
    """Goodput where throughput grows by this exponent, of that with 64 in flight."""

    def goodput(ceilings: Ceilings, seed: int) -> float:
        there = server(seed, contention=1.0 - exponent, latency=0.003)
        return simulate(there, 10.0, ceilings).goodput(2.0, 10.0)

    fixed = goodput(Ceilings(None, 1, 64, adaptive=False), seed + 100)
    return goodput(Ceilings(None, 1, 128, adaptive=True), seed) / fixed


def _seconds_until(record: Record, start: float, rate: float) -> float:
    """Seconds from `start` until half a second has this goodput."""
    for step in range(120):
        at = start + step / 4
        if record.goodput(at, at + 0.5) >= rate:
            return step / 4
    return inf


def figures(seeds: int = 4) -> dict[str, float]:
    """The figures of docs/pacing.md: medians, or the worst where it says so."""
    return {
        **_random_refusals(seeds),
        **_buckets(),
        "flat gain: goodput": statistics.mean(_elastic(0.1, seed) for seed in range(2 * seeds)),
        **_limits_in_flight(),
        **_limits_and_random_refusals(2 * seeds),
        **_knee(2 * seeds),
        **_fallen_rate(2 * seeds),
        "250 requests, near: rate": _near(250),
        "1,000 requests, near: rate": _near(1000),
        "1,000 requests, far: rate": _far(1000),
        **_outage(),
        "fair queue: refused": _beside_a_neighbour().refused(),
    }


def _random_refusals(seeds: int) -> dict[str, float]:
    ratios = [
        stray(share, wait, seed)
        for share in (0.02, 0.05, 0.1)
        for wait in (None, 1.0)
        for seed in range(seeds)
    ]
    return {
        "random refusals: goodput": statistics.mean(ratios),
        "random refusals: worst": min(ratios),
    }


def _buckets() -> dict[str, float]:
    """Token buckets, also for a client that stalls."""
    found = [
        (rate, simulate(server(seed, rate=rate, burst=max(10, rate // 10), latency=0.002), 20.0))
        for rate in (100, 500, 1000)
        for seed in range(2)
    ]
    stalled = [
        (rate, _stalled(server(seed, rate=rate, burst=rate // 10, latency=0.002), seed))
        for rate in (100, 500)
        for seed in range(3)
    ]
    return {
        "bucket: worst goodput": min(one.goodput(5, 20) / rate for rate, one in found),
        "bucket: worst refused": max(one.refused() for _, one in found),
        "stalled client: goodput": statistics.mean(
            one.goodput(5, 20) / rate for rate, one in stalled
        ),
    }


def _limits_in_flight() -> dict[str, float]:
    found = [
        (wall / 0.02, simulate(server(seed, wall=wall, retry_after=1.0), 20.0))
        for wall in (4, 8, 32)
        for seed in range(2)
    ]
    return {
        "limit in flight: worst goodput": min(one.goodput(5, 20) / best for best, one in found),
        "limit in flight: worst refused": max(one.refused() for _, one in found),
    }


def _limits_and_random_refusals(seeds: int) -> dict[str, float]:
    """A bucket and a limit in flight, which refuse one request in twenty at any pace."""
    bucket = {"rate": 200, "burst": 20}, 200.0
    wall = {"wall": 8}, 400.0
    records = [
        (0.95 * best, simulate(server(seed, stray=0.05, **limit), 40.0))
        for limit, best in (bucket, wall)
        for seed in range(seeds)
    ]
    goodput = statistics.mean(one.goodput(5, 40) / best for best, one in records)
    refused = statistics.mean(one.refused(5, 40) for _, one in records)
    return {
        "limit and random refusals: goodput": goodput,
        "limit and random refusals: refused": refused,
    }


def _knee(seeds: int) -> dict[str, float]:
    """A knee, half of whose capacity is taken away for a while."""
    found = [_halved(seed) for seed in range(seeds)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def _halved(seed: int) -> dict[str, float]:
    there, (taken, back) = server(seed, knee=16), _moments(seed, 12.0, 30.0)
    changes = (taken, _set(there, "knee", 8)), (back, _set(there, "knee", 16))
    record = simulate(there, 66.0, _WIDE, *changes)
    before, during = record.in_flight(taken - 3, taken), record.in_flight(taken + 3, back)
    return {
        "knee: goodput": record.goodput(2, 12) / 800,
        "knee: p95 latency": record.latency(0.95, 2, 12) / 0.024,
        "half capacity: in flight": during / before,
        "half capacity: s to recover": _seconds_until(record, back, 720),
    }


def _moments(seed: int, *earliest: float) -> list[float]:
    """Return moments up to eight seconds later, by chance: a direction is tried as often."""
    chance = random.Random(seed)
    return [moment + 8.0 * chance.random() for moment in earliest]


def _fallen_rate(seeds: int) -> dict[str, float]:
    """A rate of which more than half is taken away for a while."""
    found = [_after_a_fall(seed) for seed in range(seeds)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def _after_a_fall(seed: int) -> dict[str, float]:
    there = server(seed, rate=400, burst=40, latency=0.005)
    fall, rise = _moments(seed, 10.0, 28.0)
    changes = (fall, _set(there, "rate", 150)), (rise, _set(there, "rate", 400))
    record = simulate(there, 66.0, _WIDE, *changes)
    return {
        "fallen rate: refused": record.refused(fall, rise),
        "fallen rate: s to recover": _seconds_until(record, rise, 360),
    }


def _outage() -> dict[str, float]:
    there = server(3, refuses=True, retry_after=1.0)
    ends = (10.0, _set(there, "refuses", False))
    record = simulate(there, 20.0, Ceilings(None, 1, 64, adaptive=True), ends, workers=64)
    return {
        "outage: requests a s": sum(one.at < 10 for one in record.answers) / 10,
        "outage: s to recover": _seconds_until(record, 10, 0.9 * 64 / 0.02),
    }


def _beside_a_neighbour() -> Record:
    """Ask a server with fair queues, which also has a noisy neighbour."""
    world = World()
    queue = FairQueue(world, random.Random(1))
    world.after(0.0, lambda: queue.neighbour(450.0))
    return simulate(queue, 20.0)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100)
    seeds = parser.parse_args().seeds
    print("| stray share | Retry-After | mean | median | worst of 20 | worst |")
    print("|---|---|---|---|---|---|")
    for share in SHARES:
        for wait in (None, 1.0):
            ratios = sorted(stray(share, wait, seed) for seed in range(seeds))
            row = statistics.mean(ratios), statistics.median(ratios), ratios[seeds // 20], ratios[0]
            shown = " | ".join(f"{ratio:.2f}" for ratio in row)
            print(f"| {share:.1%} | {'none' if wait is None else '1 s'} | {shown} |", flush=True)
    for name, figure in figures().items():
        print(f"{name}: {figure:.2f}")


if __name__ == "__main__":
    main()
