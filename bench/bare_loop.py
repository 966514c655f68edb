"""The baseline: the least that an aiohttp program must do to set a label on every selected Job.

It lists metadata page by page, then keeps PATCHes in flight and reads the answers. It has no
retries, no guard against other writers, no record and no log; the first error ends it. It prints
one JSON object: the number of objects, and the seconds of its own loop, without the start of the
interpreter.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import Iterator

import aiohttp

from bench.job_requests import PATCH_HEADERS, listed, patch_of


async def relabel(options: argparse.Namespace) -> int:
    """Set the label on all selected Jobs; return their number."""
    tls = ssl.create_default_context(cafile=options.ca) if options.ca else False
    # As many connections as workers, so that none waits for another one's answer.
    connector = aiohttp.TCPConnector(limit=options.concurrency, ssl=tls)
    token = os.environ.get("BENCH_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(options.server, connector=connector, headers=headers) as http:
        paths = iter(await listed(http, "/apis/batch/v1/jobs", options.selector))
        body = patch_of(options.label)
        counts = await asyncio.gather(
            *(_work(http, paths, body) for _ in range(options.concurrency))
        )
    return sum(counts)


async def _work(http: aiohttp.ClientSession, paths: Iterator[str], body: bytes) -> int:
    """Patch jobs from the shared iterator until it is empty; return their number."""
    count = 0
    for path in paths:
        async with http.patch(path, data=body, headers=PATCH_HEADERS) as answer:
            answer.raise_for_status()
            await answer.read()
        count += 1
    return count


def main() -> None:
    """Read the arguments, run the loop, print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--ca", help="certificate authority of the server, a file")
    parser.add_argument("--selector", required=True)
    parser.add_argument("--label", required=True, metavar="KEY=VALUE")
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    started = time.perf_counter()
    objects = asyncio.run(relabel(options))
    json.dump({"objects": objects, "seconds": time.perf_counter() - started}, sys.stdout)


if __name__ == "__main__":
    main()
