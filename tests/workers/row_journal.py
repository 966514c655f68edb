"""The targets of a run file in memory as rows."""

from collections.abc import Mapping, Sequence

from fleetpatch.engine.writer import JournalWriter
from fleetpatch.journal.codec import text_of
from fleetpatch.journal.rows import TargetRow
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target
from tests.fakes import JOBS

_CLUSTER, _JOBS = 3, 5
"""Numbers in the rows; a run file may have any."""


class FakeRows:
    """Implements `RowJournal` for the writer of a `FakeJournal` whose targets are Jobs."""

    resources: Mapping[int, Resource] = {_JOBS: JOBS}

    def __init__(self, writer: JournalWriter) -> None:
        self._writer = writer
        self._claimed: dict[int, Target] = {}

    async def claim(
        self, cluster: str, *, limit: int, last: int | None, after: int
    ) -> Sequence[TargetRow]:
        claimed = await self._writer.claim(cluster, limit=limit, last=last, after=after)
        self._claimed |= {target.id: target for target in claimed}
        return [row_of(target) for target in claimed]

    async def release(self, cluster: str, ids: Sequence[int]) -> None:
        released = [self._claimed[number] for number in ids]
        assert {target.cluster for target in released} <= {cluster}
        await self._writer.release(released)

    async def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[TargetRow]:
        found = await self._writer.in_doubt(cluster, after=after, limit=limit)
        return [row_of(target) for target in found]


def row_of(target: Target) -> TargetRow:
    """Return the row of a target that has none of what is optional."""
    assert (target.wanted, target.earlier, target.computed) == (None, None, None)
    return TargetRow(
        target.id,
        _CLUSTER,
        _JOBS,
        target.namespace,
        target.name,
        target.uid,
        target.resource_version,
        sum(1 << block for block in target.blocks),
        text_of(target.before),
        None,
        None,
        None,
        None,
    )
