"""How well the pace finds itself on a real API server; its audit log counts the requests.

    python -m bench.pace_cluster [fleet] [fleet-1000] [fleet-250] [overload] [flows]

`fleet` carries the default plan out on 5,000 Jobs beside a sweep of fixed concurrencies, in turns
and in rounds, and `fleet-1000` and `fleet-250` on so many; rates are those that fleetpatch reports.
`overload` does so as an ordinary user of a server that takes few requests at a time, and answers
all others 429 with Retry-After; beside it runs what is done today, 32 in flight, each tried again
by itself. `flows` measures the latency of another user (`bench.two_flows`). Exits with 1 where a
goal is missed.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from bench.audited_server import Arena, arena
from bench.goals import Goal, Scenario, run
from bench.ledger import Ledger
from bench.two_flows import flows
from tests.control_plane import JOB_KINDS

_FEW_WRITES = 8
_FEW = (
    f"--max-mutating-requests-inflight={_FEW_WRITES}",
    "--max-requests-inflight=16",
    "--enable-priority-and-fairness=false",
)
_DEFAULT = "default plan"


def _fixed(concurrency: int) -> str:
    return f"{{adaptive: false, concurrency: {concurrency}}}"


class _Turn(NamedTuple):
    """What was sent, and the seconds that fleetpatch reports for it, connections included."""

    sent: Ledger
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.sent.arrivals) / self.seconds


def fleet(jobs: int, rounds: int) -> Iterator[Goal]:
    """The default plan on so many Jobs beside fixed concurrencies.

    The medians of five rounds differ by a tenth, and the best of several is too high by that.
    """
    paces = {_DEFAULT: "{}"} | {f"fixed {n}": _fixed(n) for n in (8, 16, 32, 64)}
    with arena(jobs) as server:
        turns = _compete(server, paces, rounds)
    rates = _medians({name: [one.rate for one in turns[name]] for name in paces})
    share = rates.pop(_DEFAULT) / max(rates.values())
    yield Goal("rate of the default plan, of the best fixed", share, share >= 0.95)


def overload() -> Iterator[Goal]:
    """8 writes in flight and no more: what goes beyond is refused, and costs a second's pause."""
    paces = {_DEFAULT: "{}"} | {f"fixed {n}": _fixed(n) for n in (_FEW_WRITES // 2, _FEW_WRITES)}
    with arena(15_000, _FEW) as server:
        turns = _compete(server, paces, rounds=3)
        plain = server.written("alice", JOB_KINDS["jobs.batch"], seconds=10)
    goodput = _medians({name: [one.sent.goodput for one in turns[name]] for name in paces})
    refused = statistics.median(one.sent.refused for one in turns[_DEFAULT])
    ours, best = goodput.pop(_DEFAULT), max(goodput.values())
    yield Goal("goodput, of the best that is never refused", ours / best, ours >= 0.95 * best)
    yield Goal("refused", refused, refused <= 0.02)
    share = plain.rate(0, plain.seconds) / best
    print(f"    beside it, 32 in flight: goodput {share:.2f}, refused {plain.refused:.2f}")


def _compete(server: Arena, paces: Mapping[str, str], rounds: int) -> Mapping[str, Sequence[_Turn]]:
    """All paces in turns, round by round, another one first in each."""
    turns: dict[str, list[_Turn]] = {name: [] for name in paces}
    for number in range(rounds):
        for name in _turned(list(paces), number):
            seconds = server.fleetpatch(paces[name])
            turns[name].append(_Turn(server.patched(), seconds))
    return turns


def _medians(rates: Mapping[str, Sequence[float]]) -> dict[str, float]:
    for name, found in rates.items():
        print(f"    {name}: " + ", ".join(f"{rate:.0f}" for rate in found) + " a second")
    return {name: statistics.median(found) for name, found in rates.items()}


def _turned(names: list[str], number: int) -> list[str]:
    """The same names, another one first in each round."""
    first = number % len(names)
    return names[first:] + names[:first]


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "fleet": partial(fleet, 5000, rounds=11),
        "fleet-1000": partial(fleet, 1000, rounds=21),
        "fleet-250": partial(fleet, 250, rounds=41),
        "overload": overload,
        "flows": flows,
    }
)

if __name__ == "__main__":
    run(__doc__, SCENARIOS)
