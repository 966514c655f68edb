"""Claims the targets of a run as rows, for lanes on workers, which decode them.

The coordinator passes most of a target on as it is stored. To decode and to encode it again would
cost as much as the claim.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fleetpatch.engine.writer import JournalWriter
from fleetpatch.journal.rows import TargetRow
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.resource import Resource


class RowJournal(Protocol):
    """What a lane on a worker uses of the run file; its methods raise RunFileError."""

    @property
    def resources(self) -> Mapping[int, Resource]:
        """The resources by their numbers in rows."""
        ...

    async def claim(
        self, cluster: str, *, limit: int, last: int | None, after: int
    ) -> Sequence[TargetRow]:
        """See `Journal.claim`."""
        ...

    async def release(self, cluster: str, ids: Sequence[int]) -> None:
        """See `Journal.release`; `ids` are of claimed targets."""
        ...

    async def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[TargetRow]:
        """See `Journal.in_doubt`."""
        ...


class TargetRows:
    """Implements `RowJournal` for an open run file, one call at a time by `writer`."""

    def __init__(self, run_file: RunFile, writer: JournalWriter) -> None:
        self._run_file, self._writer = run_file, writer

    @property
    def resources(self) -> Mapping[int, Resource]:
        """The resources by their numbers in rows."""
        return self._run_file.resources

    async def claim(
        self, cluster: str, *, limit: int, last: int | None, after: int
    ) -> Sequence[TargetRow]:
        """See `Journal.claim`."""
        return await self._writer.write(
            lambda: self._run_file.claim_rows(cluster, limit=limit, last=last, after=after)
        )

    async def release(self, cluster: str, ids: Sequence[int]) -> None:
        """See `Journal.release`; `ids` are of claimed targets."""
        await self._writer.write(lambda: self._run_file.release_ids({cluster: ids}))

    async def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[TargetRow]:
        """See `Journal.in_doubt`."""
        return await self._writer.write(
            lambda: self._run_file.rows_in_doubt(cluster, after=after, limit=limit)
        )
