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

PAGE = 500
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1"


async def relabel(options: argparse.Namespace) -> int:
    """Set the label on all selected Jobs; return their number."""
    tls = ssl.create_default_context(cafile=options.ca) if options.ca else False
    # As many connections as workers, so that none waits for another one's answer.
    connector = aiohttp.TCPConnector(limit=options.concurrency, ssl=tls)
    token = os.environ.get("BENCH_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(options.server, connector=connector, headers=headers) as http:
        jobs = iter(await _list(http, options.selector))
        counts = await asyncio.gather(
            *(_work(http, jobs, options.label) for _ in range(options.concurrency))
        )
    return sum(counts)


async def _list(http: aiohttp.ClientSession, selector: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    query = {"labelSelector": selector, "limit": str(PAGE)}
    headers = {"Accept": _METADATA.format("PartialObjectMetadataList")}
    while True:
        async with http.get("/apis/batch/v1/jobs", params=query, headers=headers) as answer:
            answer.raise_for_status()
            page = await answer.json()
        found += [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in page["items"]]
        if not (token := page["metadata"].get("continue")):
            return found
        query["continue"] = token


async def _work(http: aiohttp.ClientSession, jobs: Iterator[tuple[str, str]], label: str) -> int:
    """Patch jobs from the shared iterator until it is empty; return their number."""
    key, _, value = label.partition("=")
    body = json.dumps({"metadata": {"labels": {key: value}}}).encode()
    headers = {
        "Accept": _METADATA.format("PartialObjectMetadata"),
        "Content-Type": "application/merge-patch+json",
    }
    count = 0
    for namespace, name in jobs:
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
        async with http.patch(path, data=body, headers=headers) as answer:
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
