"""A fleet of any size without servers: lists and settlements come from a generator.

`GeneratedCluster` implements the part of the port `ListedCluster` that a survey needs. `settle_all`
takes the place of the lanes: it claims targets chunk by chunk and sends their settlements to the
writer, which is all that the process with the run file does for a target.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from fleetpatch.engine.concurrency import put
from fleetpatch.engine.survey import ListQuery
from fleetpatch.engine.writer import Ended, JournalWriter, OutcomeWriter
from fleetpatch.model.answer import Reply
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.ports import Page
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen, Target

JOBS = Resource("batch", "v1", "jobs", "Job", "job")
TFJOBS = Resource("kubeflow.org", "v1", "tfjobs", "TFJob", "tfjob")
KINDS = (JOBS, TFJOBS)

_NAMESPACES = 20
_PAGE = 500
_CHUNK = 256
"""Targets of one claim; a lane with 64 workers claims as many."""


class GeneratedCluster:
    """A cluster with `objects` objects of each kind, which are made while they are listed."""

    def __init__(self, name: str, objects: int) -> None:
        self.name = name
        self.server = f"https://{name}.example:6443"
        self._objects = objects

    async def pages(self, resource: Resource, **_query: object) -> AsyncIterator[Page]:
        """Yield all objects of one kind, in the order of a server: by namespace and name."""
        for first in range(0, self._objects, _PAGE):
            last = min(first + _PAGE, self._objects)
            yield Page([self.seen(resource, number) for number in range(first, last)])

    def seen(self, resource: Resource, number: int) -> Seen:
        """Return one object; one in a hundred has the wanted label already."""
        # As random as the uids of servers: an index over them has no order to profit from.
        digest = hashlib.md5(f"{self.name}/{resource.plural}/{number}".encode()).hexdigest()
        uid = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"
        space = number * _NAMESPACES // self._objects
        round_ = "2" if number % 100 == 0 else "1"
        labels = {"app": "etl", "bench.example.com/round": round_}
        return Seen(f"team-{space:02}", f"etl-{number:07}", uid, str(10**8 + number), labels)

    async def resources(self) -> Sequence[Resource]:
        """Return the kinds."""
        return KINDS

    async def namespaces(self) -> Sequence[str]:
        """Return the names of the namespaces."""
        return [f"team-{number:02}" for number in range(_NAMESPACES)]

    async def get(self, *_request: object, **_options: object) -> Reply:
        """Do not call this: no request is sent."""
        raise NotImplementedError

    async def patch(self, *_request: object, **_options: object) -> Reply:
        """Do not call this: no request is sent."""
        raise NotImplementedError

    async def renew(self) -> bool:
        """Do not call this: no request is sent."""
        raise NotImplementedError


def fleet(clusters: int, targets: int) -> list[GeneratedCluster]:
    """Return a fleet with about so many targets."""
    objects = max(1, targets // clusters // len(KINDS))
    return [GeneratedCluster(f"cluster-{number:03}", objects) for number in range(clusters)]


def list_queries(clusters: Sequence[GeneratedCluster]) -> list[ListQuery]:
    """Return a query for each kind of each cluster."""
    return [
        ListQuery(cluster, 0, kind, None, "app=etl", "") for cluster in clusters for kind in KINDS
    ]


async def settle_all(
    clusters: Sequence[str],
    writer: JournalWriter,
    outcomes: OutcomeWriter,
    on_settled: Callable[[Target, Settlement], None],
) -> None:
    """Claim and settle the pending targets of all clusters, concurrently."""
    outbox, inbox = anyio.create_memory_object_stream[Ended](1024)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcomes.run, inbox)
        async with outbox, anyio.create_task_group() as settling:
            for cluster in clusters:
                settling.start_soon(_settle, cluster, writer, outbox.clone(), on_settled)
        outcomes.record_last()


async def _settle(
    cluster: str,
    writer: JournalWriter,
    outbox: MemoryObjectSendStream[Ended],
    on_settled: Callable[[Target, Settlement], None],
) -> None:
    last = 0
    async with outbox:
        while claimed := await writer.claim(cluster, limit=_CHUNK, last=None, after=last):
            last = claimed[-1].id
            for target in claimed:
                settlement = settlement_of(target)
                on_settled(target, settlement)
                await put(outbox, ((target, settlement),))


def settlement_of(target: Target) -> Settlement:
    """Return how a target ended: one in a thousand was changed by others."""
    if target.id % 1000 == 0:
        detail = "label bench.example.com/round: planned 1, found 7, wanted 2"
        return Settlement(target.id, Reason.DRIFTED, 409, 1, 1, 25.0, None, detail)
    return Settlement(target.id, Reason.PATCHED, 200, 1, 0, 12.5, str(2 * 10**8 + target.id))
