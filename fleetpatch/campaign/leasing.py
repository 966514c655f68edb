"""The Lease of a run: where a plan asks for one, it is held while the run is carried out."""

import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fleetpatch.campaign.stopping import Stop
from fleetpatch.engine.halt import Halt
from fleetpatch.engine.tenure import Tenure, Terms
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.lock import Lock
from fleetpatch.model.ports import Clock, Events
from fleetpatch.model.text import clean


def tenure_of(
    lock: Lock, fleet: Sequence[ApiServer], clock: Clock, log: Events, stop: Stop
) -> Tenure:
    """Prepare to hold the Lease that `lock` names, in the fleet's first cluster.

    A loss stops the run, and a stop ends the waiting.
    """
    waiting = Halt(clock)
    stop.listen(lambda _cause: waiting.call())
    terms = Terms(f"{lock.lease} in cluster {fleet[0].name}", _identity(), int(lock.duration))
    leases = fleet[0].lease(lock.namespace, lock.name)
    return Tenure(terms, leases, clock, log, waiting, stop.request)


@asynccontextmanager
async def tenancy(tenure: Tenure | None) -> AsyncIterator[None]:
    """Hold the Lease while the block runs, if there is one to hold.

    Where the run is stopped before it is had, the block runs without it, and its lanes find
    themselves stopped. Raises Locked and ClusterError.
    """
    if tenure is None or not await tenure.acquire():
        yield
        return
    async with tenure.kept():
        yield


def _identity() -> str:
    """`host_pid_random`: two processes never share it, even if their hosts' names are the same."""
    return clean(f"{os.uname().nodename}_{os.getpid()}_{secrets.token_hex(4)}")
