"""Reads the objects that a run has changed, before its undo is planned.

So the preview of an undo shows what has drifted and what is back already, and an undo sends only
what is to be put back.
"""

from collections.abc import Collection, Sequence

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.object_reader import Found, NotRead, ObjectReader
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.unread import ObjectId, UnreadTargets
from fleetpatch.model.change import Change, Restoration, reads_whole
from fleetpatch.model.ports import Draft
from fleetpatch.model.run import ListedTarget
from fleetpatch.rules.planning.undo import compared, draft_of


class UndoSurvey:
    """Adds a draft to `planned` for each object that `undone` has changed.

    `settled` are the clusters and uids of those that earlier undos have settled. They are left out:
    if such an object has the values of the run again, another writer has set them.
    """

    def __init__(
        self,
        undone: RunFile,
        planned: RunFile,
        change: Change,
        settings: Settings,
        settled: Collection[ObjectId],
    ) -> None:
        self._writer = JournalWriter(planned)
        self._change = change
        self._restoration = Restoration(reads_whole(change))
        self._settings, self._settled = settings, settled
        self._found_in: set[str] = set()
        self._reader = ObjectReader(
            UnreadTargets(undone),
            JournalWriter(undone),
            self._add,
            self._restoration.whole,
            is_read=self._is_changed,
        )

    async def run(self, clusters: Sequence[ReadCluster], names: Sequence[str], reads: int) -> None:
        """Read the objects of `clusters`, up to `reads` at a time in each.

        `names` are all clusters of the run. The targets of a cluster that fails, or that could not
        be opened, are planned as the run has left them: what has drifted there is found when they
        are patched. Raises the error of the first cluster if all that have such objects fail.
        """
        failed = await self._reader.run(clusters, names, reads)
        if failed and len(failed) >= sum(cluster.name in self._found_in for cluster in clusters):
            raise failed[0]
        for error in failed:
            self._settings.warn(f"{error}; its objects are read when they are put back")

    def _is_changed(self, listed: ListedTarget) -> bool:
        return self._draft_of(listed) is not None

    def _draft_of(self, listed: ListedTarget) -> Draft | None:
        if (listed.target.cluster, listed.target.uid) in self._settled:
            return None
        return draft_of(self._change, listed.target, listed.settlement)

    async def _add(self, found: Found) -> None:
        drafts = []
        for listed, reading in found:
            draft = self._draft_of(listed)
            if draft is None:
                continue
            # A right to patch does not include the right to read: the PATCH shows what is there.
            if not isinstance(reading, NotRead):
                draft = compared(draft, reading, self._restoration)
            drafts.append(draft)
            self._found_in.add(draft.cluster)
        if drafts:
            await self._writer.add(drafts)
            self._settings.progress.planned(len(drafts))
