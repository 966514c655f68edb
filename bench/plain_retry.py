"""A contender: a fixed number of PATCHes in flight, each retried on its own when it is refused.

This is common practice today: exponential backoff with full jitter for each object, or the server's
Retry-After if that is longer, without coordination between workers. Prints a line when all objects
are listed, and at the end the number of those that were labelled, and the seconds it took.
"""

import argparse
import asyncio
import json
import random
import ssl
import sys
import time
from collections.abc import Iterator

import aiohttp

from bench.job_requests import PATCH_HEADERS, listed, patch_of

_BASE, _CAP, _ATTEMPTS = 0.25, 30.0, 20
"""Seconds of the first and of the longest backoff, and attempts for each object."""


async def relabel(options: argparse.Namespace) -> int:
    """Set the label on all jobs of the kinds; return the number of successes."""
    tls = ssl.create_default_context(cafile=options.ca) if options.ca else False
    connector = aiohttp.TCPConnector(limit=options.concurrency, ssl=tls)
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    async with aiohttp.ClientSession(options.server, connector=connector, headers=headers) as http:
        paths = iter([path for kind in options.kinds for path in await listed(http, kind, "app")])
        print("listed", flush=True)
        until = time.perf_counter() + options.seconds
        body = patch_of(options.label)
        workers = (_work(http, paths, body, until) for _ in range(options.concurrency))
        return sum(await asyncio.gather(*workers))


async def _work(
    http: aiohttp.ClientSession, paths: Iterator[str], body: bytes, until: float
) -> int:
    count = 0
    for path in paths:
        for attempt in range(_ATTEMPTS):
            # The scenario may be shorter than what the server would take.
            if time.perf_counter() >= until:
                return count
            async with http.patch(path, data=body, headers=PATCH_HEADERS) as answer:
                await answer.read()
            if answer.status == 200:
                count += 1
                break
            # Full jitter: a random wait between 0 and the ceiling.
            ceiling = min(_CAP, _BASE * 2**attempt)
            asked = float(answer.headers.get("Retry-After", 0))
            await asyncio.sleep(max(asked, random.uniform(0, ceiling)))
    return count


def main() -> None:
    """Read the arguments, run the loop, print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--token", default="")
    parser.add_argument("--kinds", nargs="+", required=True, metavar="PATH")
    parser.add_argument("--label", required=True, metavar="KEY=VALUE")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3600, help="stop after so long")
    options = parser.parse_args()
    started = time.perf_counter()
    objects = asyncio.run(relabel(options))
    json.dump({"objects": objects, "seconds": time.perf_counter() - started}, sys.stdout)


if __name__ == "__main__":
    main()
