"""A Dask cluster of two workers, as a program; prints the address of its scheduler when it is up.

It ends when its stdin is closed. Its connections have no TLS. Dask is imported once: the workers
are forked before there is an event loop or a thread.
"""

import asyncio
import multiprocessing
import sys

import dask.config
from distributed import Scheduler, Worker

# Workers need the agent, so it is imported before they are forked.
from fleetpatch.workers import agent as _agent  # noqa: F401
from fleetpatch.workers.dask import keep_quiet
from tests.control_plane.processes import free_ports

_HOST = "127.0.0.1"
_WORKERS = 2
_SETTINGS = {
    # For its dashboard Dask samples stacks and event loops all the time, which is most of the CPU
    # time of an idle cluster.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    # Without a dashboard there are HTTP servers, too.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


def work(scheduler: str, name: int) -> None:
    """Be a worker until the scheduler ends."""
    asyncio.run(_work(scheduler, name))


async def _work(scheduler: str, name: int) -> None:
    async with Worker(scheduler, name=name, nthreads=1, host=_HOST, memory_limit=0) as worker:
        await worker.finished()


async def schedule(port: int) -> None:
    """Be the scheduler until stdin is closed."""
    async with Scheduler(
        host=_HOST, port=port, dashboard=False, dashboard_address=f"{_HOST}:0"
    ) as scheduler:
        while len(scheduler.workers) < _WORKERS:  # noqa: ASYNC110 - Dask has no event of it
            await asyncio.sleep(0.02)
        print(scheduler.address, flush=True)  # noqa: T201 - read by the tests
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    keep_quiet()
    [port] = free_ports(1)
    forks = multiprocessing.get_context("fork")
    with dask.config.set(_SETTINGS):
        for name in range(_WORKERS):
            worker = forks.Process(target=work, args=(f"tcp://{_HOST}:{port}", name), daemon=True)
            worker.start()
        asyncio.run(schedule(port))
