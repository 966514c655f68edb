"""Reads the objects that a run has changed, before its undo is planned.

So the preview of an undo shows what has drifted and what is back already, and an undo sends only
what is to be put back. Where a run has changed many objects of a kind in a namespace, they are
listed page by page; the others are read by their names, a bounded number at a time. An object that
a list does not show is read as well, since a list that was cut by the server may lack objects.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import anyio

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import ClusterError, SurroundingsError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.unread import Place, UnreadTargets
from fleetpatch.model.answer import Answer
from fleetpatch.model.change import Change, Restoration, reads_whole
from fleetpatch.model.ports import Draft
from fleetpatch.model.run import ListedTarget
from fleetpatch.model.target import Target
from fleetpatch.rules.answers.identity import verified_reply
from fleetpatch.rules.answers.verdicts import is_gone
from fleetpatch.rules.planning.undo import compared, draft_of

FEW: Final = 100
"""Targets of a kind in a namespace up to which each is read by its name."""

_READS: Final = 16
"""GETs at a time for each cluster, at most."""
_CHUNK: Final = 500
"""Targets that are read between two commits."""


class UndoSurvey:
    """Adds a draft to `planned` for each object that `undone` has changed."""

    def __init__(
        self, undone: RunFile, planned: RunFile, change: Change, settings: Settings
    ) -> None:
        self._unread = UnreadTargets(undone)
        self._writer = JournalWriter(planned)
        self._change = change
        self._restoration = Restoration(reads_whole(change))
        self._settings = settings

    async def run(self, clusters: Sequence[ReadCluster], names: Sequence[str], reads: int) -> None:
        """Read the objects of `clusters`, up to `reads` at a time in each.

        `names` are all clusters of the run. The targets of a cluster that fails, or that could not
        be opened, are planned as the run has left them: what has drifted there is found when they
        are patched. Raises the error of the first cluster if all of them fail.
        """
        failed: list[SurroundingsError] = []

        async def read(cluster: ReadCluster) -> None:
            try:
                await self._read_cluster(cluster, min(reads, _READS))
            except SurroundingsError as error:
                failed.append(error)

        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                for cluster in clusters:
                    tasks.start_soon(read, cluster)
        if failed and len(failed) == len(clusters):
            raise failed[0]
        for error in failed:
            self._settings.warn(f"{error}; its objects are read when they are put back")
        for name in names:
            for chunk in self._unread.rest(name, _CHUNK):
                await self._add([draft for one in chunk if (draft := self._draft(one))])

    async def _read_cluster(self, cluster: ReadCluster, reads: int) -> None:
        for place in self._unread.places(cluster.name):
            if place.targets > FEW:
                # Without the right to list, or after a list that did not end, they are read.
                with suppress(ClusterError):
                    await self._list(cluster, place)
        limiter = anyio.CapacityLimiter(reads)
        for chunk in self._unread.rest(cluster.name, _CHUNK):
            drafts: list[Draft] = []
            try:
                await self._read_each(cluster, chunk, drafts, limiter)
            finally:
                # What was taken is not left out, whatever has happened to the cluster.
                with anyio.CancelScope(shield=True):
                    await self._add(drafts)

    async def _list(self, cluster: ReadCluster, place: Place) -> None:
        pages = cluster.pages(
            place.resource,
            namespace=place.namespace or None,
            selector="",
            field_selector="",
            whole=self._restoration.whole,
        )
        async for page in pages:
            seen = {one.uid: one for one in page.items}
            taken = self._unread.take(cluster.name, list(seen))
            drafts = [(one.target.uid, draft) for one in taken if (draft := self._draft(one))]
            await self._add([compared(one, seen[uid], self._restoration) for uid, one in drafts])

    async def _read_each(
        self,
        cluster: ReadCluster,
        chunk: Sequence[ListedTarget],
        drafts: list[Draft],
        limiter: anyio.CapacityLimiter,
    ) -> None:
        async def read(target: Target, position: int) -> None:
            async with limiter:
                drafts[position] = await self._compared(cluster, target, drafts[position])

        changed = [(one.target, draft) for one in chunk if (draft := self._draft(one))]
        drafts += [draft for _, draft in changed]
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                for position, (target, _) in enumerate(changed):
                    tasks.start_soon(read, target, position)

    async def _compared(self, cluster: ReadCluster, target: Target, draft: Draft) -> Draft:
        reply = await cluster.current(target, whole=self._restoration.whole)
        match verified_reply(target, reply, written=False):
            case Answer(status=200, seen=seen) if seen is not None:
                return compared(draft, seen, self._restoration)
            case Answer() as answer if is_gone(answer):
                return compared(draft, None, self._restoration)
            # A right to patch does not include the right to read: the PATCH shows what is there.
            case _:
                return draft

    def _draft(self, listed: ListedTarget) -> Draft | None:
        return draft_of(self._change, listed.target, listed.settlement)

    async def _add(self, drafts: Sequence[Draft]) -> None:
        if drafts:
            await self._writer.add(drafts)
            self._settings.progress.planned(len(drafts))
