"""How well the pace finds itself, counted at the server.

    python -m bench.pace [overload] [knee] [squeeze] [rate] [storm] [stray]

Each scenario serves a sandbox with a limit that the client does not know, carries a plan out on
it, and holds the server's ledger against goals; it exits with 1 where one is missed. What is done
today (`bench.plain_retry`, 32 in flight) runs beside it where that tells something.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bench.goals import Goal, Scenario, run
from bench.ledger import Arena, Ledger, Run, apply, arena

JOBS = ("/apis/batch/v1/jobs",)
KINDS = (
    *JOBS,
    "/apis/batch.volcano.sh/v1alpha1/jobs",
    *(f"/apis/kubeflow.org/v1/{kind}" for kind in ("tfjobs", "mxjobs", "pytorchjobs")),
)


def overload() -> Iterator[Goal]:
    """A token bucket of X requests a second that answers 429, X unknown to the client."""
    for rate, seconds in ((100, 25), (500, 25), (1000, 20)):
        with arena(rate * seconds, rate=rate, burst=max(10, rate // 10)) as server:
            apply(server, "adaptive")
            ledger, _ = server.ledger()
            yield Goal(f"{rate}/s: goodput", ledger.goodput / rate, ledger.goodput >= 0.9 * rate)
            yield Goal(f"{rate}/s: refused", ledger.refused, ledger.refused <= 0.05)
            _plain(server, seconds=10)
            plain, _ = server.ledger()
            share = plain.rate(0, plain.seconds) / rate
            print(f"    beside it, 32 in flight: goodput {share:.2f}, refused {plain.refused:.2f}")


def knee() -> Iterator[Goal]:
    """A server that is ever slower beyond 16 in flight; half of it is taken away meanwhile."""
    with arena(8_000, latency=0.02, jitter=0.2, knee=16) as server:
        best = 0.0
        for concurrency in (8, 16, 32, 64):
            pace = f"{{adaptive: false, concurrency: {concurrency}, rate: 5000/s}}"
            apply(server, f"fixed-{concurrency}", pace)
            ledger, _ = server.ledger()
            best = max(best, ledger.rate(1.0, ledger.seconds - 0.5))
        apply(server, "adaptive")
        ledger, _ = server.ledger()
        reached, slowest = ledger.goodput / best, ledger.latency(0.95) / (0.02 * 1.2)
        yield Goal("throughput, of the best fixed", reached, reached >= 0.9)
        yield Goal("p95, times the unloaded", slowest, slowest <= 2.0)


def squeeze() -> Iterator[Goal]:
    """Half of the capacity goes, and comes back."""
    with arena(24_000, latency=0.02, jitter=0.2, knee=16) as server:
        run = Run(server, "squeezed")
        taken = _after(server, 8.0, share=0.5)
        given = _after(server, 8.0, share=1.0)
        run.wait()
        ledger, start = server.ledger()
        before = ledger.in_flight(taken - start - 3, taken - start)
        during = ledger.in_flight(taken - start + 3, given - start)
        back = ledger.rate(given - start + 10, ledger.seconds - 0.5)
        full = ledger.rate(taken - start - 3, taken - start)
        yield Goal("in flight after 3 s, of before", during / before, during <= 0.8 * before)
        yield Goal("throughput 10 s after, of before", back / full, back >= 0.9 * full)


def rate() -> Iterator[Goal]:
    """The plan's own rate: 200/s with a burst of 20, over 20 s."""
    with arena(4000) as server:
        server.change(latency=0.001)
        apply(server, "rate", "{rate: 200/s, burst: 20}")
        ledger, _ = server.ledger()
        overall = len(ledger.arrivals) / ledger.seconds / 200
        yield Goal("requests, of the rate", overall, 0.98 <= overall <= 1.02)
        busiest = ledger.busiest(1.0)
        yield Goal("busiest second", busiest, busiest <= 220)


def storm() -> Iterator[Goal]:
    """For 10 s every request is answered 429 with Retry-After 1; then the server is well again."""
    with arena(6000, latency=0.02, refuses=True, retryAfter=1) as server:
        run = Run(server, "storm", "{concurrency: 64}")
        recovered = _after(server, 10.0, refuses=False)
        summary = run.wait()
        ledger, start = server.ledger()
        most = ledger.between(0, recovered - start).busiest(1.0)
        after = ledger.between(recovered - start, ledger.seconds + 1)
        yield Goal("busiest second of the storm", most, most <= 64 + 10)
        yield Goal("refused afterwards", after.refused, after.refused <= 0.01)
        share = summary["retries"] / summary["requests"]["patch"]
        yield Goal("retries", share, share <= 0.1 and summary["state"] == "finished")


def stray() -> Iterator[Goal]:
    """Refusals at random that no pace avoids, beside a loop in which only the refused worker waits.

    Both have 32 in flight and take turns on one server, whose latency is 100 ms.
    """
    for status, retry_after in ((503, 1), (503, None), (429, 1), (429, None)):
        for share in (0.005, 0.01, 0.02, 0.05, 0.1):
            rule: dict[str, Any] = {"status": status, "rate": share}
            if retry_after is not None:
                rule["retryAfter"] = retry_after
            with arena(2000, [rule], latency=0.1, jitter=0.2) as server:
                apply(server, "adaptive", "{concurrency: 32}", budget="100%")
                ours, _ = server.ledger()
                _plain(server, seconds=120, kinds=KINDS)
                plain, _ = server.ledger()
            ratio = _bulk(ours) / _bulk(plain)
            waits = "none" if retry_after is None else str(retry_after)
            what = f"{status}, {share:.1%}, Retry-After {waits}: goodput, of the plain loop"
            yield Goal(what, ratio, ratio >= 0.9)


def _bulk(ledger: Ledger) -> float:
    """Objects a second until 95 % are done: the last few wait for their own backoff alone."""
    done = [one.at for one in ledger.arrivals if one.status < 300]
    last = int(0.95 * len(done))
    return last / done[last]


def _after(server: Arena, seconds: float, **capacity: Any) -> float:
    """Change the capacity so long after the first arrival, or after the last change."""
    subprocess.run(["sleep", str(seconds)], check=True)
    return server.change(**capacity)


def _plain(server: Arena, seconds: float, kinds: Sequence[str] = JOBS) -> None:
    config = json.loads(server.kubeconfig.read_text())
    token = config["users"][0]["user"]["token"]
    words = ["--server", server.server, "--token", token, "--seconds", str(seconds)]
    words += ["--label", "bench.example.com/turn=plain", "--kinds", *kinds]
    command = [sys.executable, "-m", "bench.plain_retry", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "overload": overload,
        "knee": knee,
        "squeeze": squeeze,
        "rate": rate,
        "storm": storm,
        "stray": stray,
    }
)


if __name__ == "__main__":
    run(__doc__, SCENARIOS)
