"""A contender: relabels the same Jobs with lightkube's asynchronous client.

Prints one JSON object: the number of objects, and the seconds of its own loop.
"""

import argparse
import asyncio
import json
import sys
import time

from lightkube import AsyncClient, KubeConfig
from lightkube.resources.batch_v1 import Job
from lightkube.types import PatchType


async def relabel(options: argparse.Namespace) -> int:
    """Set the label on all selected Jobs; return their number."""
    key, _, value = options.label.partition("=")
    patch = {"metadata": {"labels": {key: value}}}
    selector_key, _, selector_value = options.selector.partition("=")
    client = AsyncClient(KubeConfig.from_env())
    listed = client.list(Job, namespace="*", labels={selector_key: selector_value}, chunk_size=500)
    found = [job.metadata async for job in listed if job.metadata]
    jobs = iter([(str(one.namespace), str(one.name)) for one in found])

    async def work() -> int:
        count = 0
        for namespace, name in jobs:
            await client.patch(Job, name, patch, namespace=namespace, patch_type=PatchType.MERGE)
            count += 1
        return count

    return sum(await asyncio.gather(*(work() for _ in range(options.concurrency))))


def main() -> None:
    """Read the arguments, run the loop on KUBECONFIG's cluster, print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--selector", required=True, metavar="KEY=VALUE")
    parser.add_argument("--label", required=True, metavar="KEY=VALUE")
    parser.add_argument("--concurrency", type=int, default=32)
    options = parser.parse_args()
    started = time.perf_counter()
    objects = asyncio.run(relabel(options))
    json.dump({"objects": objects, "seconds": time.perf_counter() - started}, sys.stdout)


if __name__ == "__main__":
    main()
