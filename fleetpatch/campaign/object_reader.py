"""Reads the objects of a run's targets as they are now; nothing is changed.

Where a run has many targets of a kind in a namespace, they are listed page by page; the others are
read by their names, a bounded number at a time. An object that a list does not show is read as
well: a list that was cut by the server may lack objects, and one with a selector does not show an
object that the selector does not match any more.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import anyio
import msgspec

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import ClusterError, RunFileError, SurroundingsError, UnreachableError
from fleetpatch.journal.unread import Place, UnreadTargets
from fleetpatch.model.answer import Answer, one_line_with_reason
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import ListedTarget
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.identity import verified_reply
from fleetpatch.rules.answers.verdicts import is_gone

MAX_READ_BY_NAME: Final = 100
"""Targets of a kind in a namespace up to which each is read by its name."""

_READS: Final = 16
"""GETs at a time for each cluster, at most."""
_UNANSWERED: Final = 2
"""Lists without an answer in a row after which no further ones are requested."""
_CHUNK: Final = 500
"""Targets that are read between two commits."""


class NotRead(msgspec.Struct, frozen=True):
    """An object could not be read, and why."""

    why: str = ""


Reading: TypeAlias = Seen | NotRead | None
"""An object as it is now; None if it does not exist."""

Found: TypeAlias = Sequence[tuple[ListedTarget, Reading]]


class ObjectList(msgspec.Struct, frozen=True):
    """A list that may show many targets of a kind; `namespace` None lists all."""

    resource: Resource
    namespace: str | None
    selector: str = ""
    field_selector: str = ""


Lists: TypeAlias = Callable[[Sequence[Place]], Iterator[ObjectList]]
"""Returns the lists that show targets in these places of a cluster."""


def no_lists(_places: Sequence[Place]) -> Iterator[ObjectList]:
    """Return no lists."""
    return iter(())


def _all(_listed: ListedTarget) -> bool:
    return True


class ObjectReader(msgspec.Struct, frozen=True):
    """Reads the objects of the targets in `unread`, and calls `found` with some at a time.

    `writer` is that of the run file of `unread`. `whole` reads more than metadata, `managed` the
    managedFields. `lists` are requested before the lists of single namespaces. A target for which
    `is_read` is False is not read by its name, and is found as NotRead.
    """

    unread: UnreadTargets
    writer: JournalWriter
    found: Callable[[Found], Awaitable[None]]
    whole: bool
    managed: bool = False
    lists: Lists = no_lists
    is_read: Callable[[ListedTarget], bool] = _all

    async def run(
        self, clusters: Sequence[ReadCluster], names: Sequence[str], reads: int
    ) -> list[SurroundingsError]:
        """Read the objects of `clusters`, up to `reads` at a time in each.

        `names` are all clusters of the run; the objects of one that fails, or that could not be
        opened, are found as NotRead. Returns the errors of the clusters that failed.
        """
        failed: dict[str, SurroundingsError] = {}

        async def read(cluster: ReadCluster) -> None:
            try:
                await self._read_cluster(cluster, min(reads, _READS))
            except RunFileError:
                raise
            except SurroundingsError as error:
                failed[cluster.name] = error

        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                for cluster in clusters:
                    tasks.start_soon(read, cluster)
        opened = {cluster.name for cluster in clusters}
        for name in names:
            closed = "" if name in opened else f"cluster {name} could not be opened"
            why = NotRead(str(failed.get(name, closed)))
            while rest := await self._rest(name):
                await self.found([(one, why) for one in rest])
        return list(failed.values())

    async def _read_cluster(self, cluster: ReadCluster, reads: int) -> None:
        with suppress(UnreachableError):
            await self._read_lists(cluster)
        limiter = anyio.CapacityLimiter(reads)
        while rest := await self._rest(cluster.name):
            await self._read_each(cluster, rest, limiter)

    async def _read_lists(self, cluster: ReadCluster) -> None:
        """Read the lists. Raises UnreachableError after several without an answer in a row.

        Each of those takes minutes, and a cluster may have lists of a thousand namespaces.
        """
        unanswered = 0
        async for one in self._lists_of(cluster):
            try:
                await self._list(cluster, one)
                unanswered = 0
            except UnreachableError:
                unanswered += 1
                if unanswered == _UNANSWERED:
                    raise

    async def _lists_of(self, cluster: ReadCluster) -> AsyncIterator[ObjectList]:
        for one in self.lists(await self._places(cluster)):
            yield one
        # What is left when those have been read.
        for place in await self._places(cluster):
            if place.targets > MAX_READ_BY_NAME:
                yield ObjectList(place.resource, place.namespace or None)

    async def _list(self, cluster: ReadCluster, listed: ObjectList) -> None:
        pages = cluster.pages(
            listed.resource,
            namespace=listed.namespace,
            selector=listed.selector,
            field_selector=listed.field_selector,
            whole=self.whole,
            managed=self.managed,
        )
        try:
            async for page in pages:
                seen = {one.uid: one for one in page.items}
                take = partial(self.unread.take, cluster.name, list(seen))
                taken = await self.writer.write(take)
                if taken:
                    await self.found([(one, seen[one.target.uid]) for one in taken])
        except UnreachableError:
            raise
        except ClusterError:
            return  # without the right to list, or after a list that did not end, they are read

    async def _read_each(
        self, cluster: ReadCluster, chunk: Sequence[ListedTarget], limiter: anyio.CapacityLimiter
    ) -> None:
        readings: list[Reading] = [NotRead()] * len(chunk)

        async def read(target: Target, position: int) -> None:
            async with limiter:
                readings[position] = await self._read(cluster, target)

        why = NotRead()
        try:
            with unwrapped_group():
                async with anyio.create_task_group() as tasks:
                    for position, one in enumerate(chunk):
                        if self.is_read(one):
                            tasks.start_soon(read, one.target, position)
        except SurroundingsError as error:
            why = NotRead(str(error))
            raise
        finally:
            # What was taken is not left out, whatever has happened to the cluster.
            with anyio.CancelScope(shield=True):
                known = [why if reading == NotRead() else reading for reading in readings]
                await self.found(list(zip(chunk, known, strict=True)))

    async def _read(self, cluster: ReadCluster, target: Target) -> Reading:
        reply = await cluster.get_with_retries(target, whole=self.whole)
        match answer := verified_reply(target, reply, written=False):
            case Answer(status=200, seen=seen) if seen is not None:
                return seen
            case Answer() if is_gone(answer):
                return None
            case _:
                return NotRead(one_line_with_reason(answer))

    async def _places(self, cluster: ReadCluster) -> list[Place]:
        return await self.writer.write(lambda: self.unread.places(cluster.name))

    async def _rest(self, cluster: str) -> list[ListedTarget]:
        return await self.writer.write(lambda: self.unread.next(cluster, _CHUNK))
