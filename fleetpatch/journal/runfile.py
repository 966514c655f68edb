"""An open run file: implements the port `Journal`, from the survey to the last outcome.

The calls come in this order: `create`, `add` for each page, `seal`. Then `claim` and `record`
alternate, in this process or a later one (`open`), and `set_state` stores each change of state.
`fleetpatch.journal.facts` has the state and all else that concerns the run as a whole, and
`fleetpatch.journal.schema` documents the format and its guarantees.

A method that writes does so in one transaction, durable when it returns; one that raises
RunFileError has written nothing. Calls may come from any thread but must not overlap. A cluster
that is not one of the run raises KeyError.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec
from msgspec.structs import replace

from fleetpatch.errors import RunFileError
from fleetpatch.journal import claims, codec, meta, outcomes, sqlite_file, timeline, waves
from fleetpatch.journal.database import Database
from fleetpatch.journal.errors import PLAN_AGAIN, RESUME, TRY_AGAIN, run_file_error, undo_again
from fleetpatch.journal.facts import RunFacts
from fleetpatch.journal.owned import OwnedObjects
from fleetpatch.journal.rows import TargetRow
from fleetpatch.journal.runs import heartbeat
from fleetpatch.journal.runs.heartbeat import Heartbeats
from fleetpatch.journal.survey import RenamedObject, SharedObject, SurveyTable
from fleetpatch.model.answer import NO_WARNINGS
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason, Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import ClusterInfo, RunInfo, Usage, WaveProgress
from fleetpatch.model.target import Target
from fleetpatch.model.timeline import Timeline
from fleetpatch.model.units import Amount

_Claimed = TypeVar("_Claimed", Target, TargetRow)


class _ClusterRange(msgspec.Struct):
    """The target ids of one cluster: `first` to `last`; no target before `next` is pending.

    `next` only saves time: without it each claim would search the whole range again.
    """

    id: int
    first: int
    last: int
    next: int


def _of_range(span: _ClusterRange, rows: list[TargetRow]) -> list[TargetRow]:
    """Return rows of this range. Raises LookupError if one is of another cluster."""
    # The client of a range's cluster would send its PATCH.
    if not {one.cluster for one in rows} <= {span.id}:
        raise LookupError
    return rows


class RunFile(RunFacts):
    """One open run file; a context manager that closes it.

    `path` is the path of the file, `info` what was fixed at its creation. `clusters` and
    `resources` map the numbers in its rows to values; `fleetpatch.journal.queries` uses them.
    `new_usage`, `new_warnings` and `new_timeline` are set by the session; each returns what is new
    since its last call, and `record` adds it to the file together with the outcomes. `waves` holds,
    wave by wave, the id of the last target in each cluster; it is empty for a run without waves.
    `heartbeats` show others that the file is in use; who opens it for a session sets them.
    """

    def __init__(self, database: Database, info: RunInfo, now: Callable[[], float]) -> None:
        """Use `create` or `open` instead."""
        super().__init__(database, info)
        self._now = now
        self.new_usage: Callable[[], Usage] = Usage
        self.new_warnings: Callable[[], Mapping[str, int]] = dict
        self.new_timeline: Callable[[], Timeline] = Timeline
        self.heartbeats: Heartbeats | None = None
        self._survey: SurveyTable | None = None
        self._load()

    @classmethod
    def create(cls, path: Path, info: RunInfo, *, now: Callable[[], float] = time.time) -> Self:
        """Create a run file in state `planning`. `now` returns the seconds since the epoch."""
        again = undo_again(info.undo_of) if info.undo_of else PLAN_AGAIN
        draft, connection = sqlite_file.create(path, again)
        database = Database(path, connection)
        database.next_step = again
        try:
            meta.create_tables(database, info)
            database.disconnect()
            database.connection = sqlite_file.publish(draft, path, again)
        except BaseException:
            database.disconnect()
            sqlite_file.erase(draft)
            raise
        try:
            run = cls(database, info, now)
            numbers = {name: span.id for name, span in run._ranges.items()}
            run._survey = SurveyTable(database, numbers)
        except BaseException:
            database.disconnect()
            sqlite_file.erase(path)
            raise
        return run

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        write: bool = False,
        check: bool = True,
        now: Callable[[], float] = time.time,
    ) -> Self:
        """Open an existing run file: to read it, or with `write` to continue the run.

        `check` False does not read the whole file, which is faster where many are listed. Raises
        RunFileError if the file is missing, is not a run file, has a newer format or is damaged,
        and with `write` if its survey was interrupted; Locked if it is in use on another machine.
        """
        heartbeat.refuse_elsewhere(path)
        opened = (
            sqlite_file.open_to_write(path)
            if write
            else sqlite_file.open_to_read(path, check=check)
        )
        database = Database(path, opened.connection, outdated=opened.outdated)
        database.next_step = TRY_AGAIN
        try:
            if check:
                meta.verify(database)
            meta.add_missing(database, write=write)
            run = cls(database, meta.info(database), now)
            if write:
                run.require_sealed()
                # Last: a file that is refused must stay as it is, without a log beside it.
                database.enter_wal_mode()
            database.next_step = RESUME
        except BaseException:
            database.disconnect()
            raise
        return run

    def close(self) -> None:
        """Close the connection; all data is in a single file then ("Copies" in the schema)."""
        self.database.close()

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Plan the new run in the block; if the block raises, the file is removed."""
        try:
            yield
        except BaseException:
            self.discard()
            raise
        # From here on the file is kept whatever happens, so messages must not advise a new plan.
        self.database.next_step = RESUME

    def discard(self) -> None:
        """Close the file and remove it; for a plan that was refused."""
        self.database.disconnect()
        sqlite_file.erase(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(RunFileError):  # the block's own error is the one to be seen
            self.close()

    def add(self, drafts: Iterable[Draft]) -> None:
        """Add the drafts of one page; an object that was added before stays one target."""
        self._open_survey().add(drafts)

    def found(self) -> int:
        """Count the objects that were added, each once; before the seal only."""
        return self._open_survey().count()

    def owned(self) -> OwnedObjects:
        """Return the join of objects with their owners; before the seal only."""
        return self._open_survey().owned()

    def shared(self) -> SharedObject | None:
        """Return an object that two clusters contain, if there is any; before the seal only."""
        return self._open_survey().shared()

    def renamed(self) -> RenamedObject | None:
        """Return an object that has two names, if there is any; before the seal only."""
        return self._open_survey().renamed()

    def leave_out(self, clusters: Sequence[ClusterInfo]) -> None:
        """Remove the drafts of the missing ones among the run's `clusters`, and store why."""
        survey = self._open_survey()
        for cluster in clusters:
            if cluster.missing:
                survey.remove(cluster.name)
        if tuple(clusters) == self.info.clusters:
            return  # stored at the creation
        self.info = replace(self.info, clusters=tuple(clusters))
        with self.database.transaction():
            meta.note_missing(self.database, self.info)

    def mark_inconsistent(self, cluster: str) -> None:
        """Store that the survey of `cluster` read pages of more than one version of a list."""
        with self.database.transaction():
            meta.mark_inconsistent(self.database, self._ranges[cluster].id)

    def seal(
        self,
        *,
        sizes: Sequence[Amount] = (),
        seed: str = "",
        digest_of: Callable[[str], str] | None = None,
    ) -> None:
        """End the survey: sort and number the targets, and move to state `planned`.

        `sizes` are those of the run's waves, if it has any; `seed` determines which target belongs
        to which wave. `digest_of` makes the digest of the run from the seal, where it covers that.
        Raises Refused if there would be too many waves.
        """
        self._open_survey().seal(self._now(), sizes, seed, digest_of)
        self._survey = None
        if digest_of:
            self.info = replace(self.info, plan_digest=digest_of(self.sealed))
        # The targets have their ids only now, and clusters and waves their ranges.
        self._load()
        self.database.enter_wal_mode()

    def claim(
        self, cluster: str, *, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """Claim up to `limit` pending targets of a cluster, in the order of their ids.

        Their ids are greater than `after` and at most `last`. Empty if there are none.
        """
        return self._claim(cluster, self._targets_of, limit=limit, last=last, after=after)

    def claim_rows(
        self, cluster: str, *, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[TargetRow]:
        """Claim targets as `claim` does; return rows, which another process decodes."""
        return self._claim(cluster, self._readable, limit=limit, last=last, after=after)

    def _claim(
        self,
        cluster: str,
        read: Callable[[list[TargetRow]], list[_Claimed]],
        *,
        limit: int,
        last: int | None,
        after: int,
    ) -> Sequence[_Claimed]:
        span = self._ranges[cluster]
        first = max(span.next, after + 1)
        last = span.last if last is None else min(last, span.last)
        with self.database.transaction() as connection:
            found = claims.pending(connection, first, last, limit)
            with self.database.decoding():
                claimed = read(_of_range(span, codec.json_rows(found)))
            if claimed:
                claims.add(self.database, [one.id for one in claimed], self._now())
        # With a greater `after`, targets before it may still be pending, so `next` stays.
        if first == span.next:
            span.next = claimed[-1].id + 1 if claimed else max(span.next, last + 1)
        return claimed

    def release(self, targets: Iterable[Target]) -> None:
        """Make claimed targets pending again, for which no PATCH can have been applied."""
        ids: dict[str, list[int]] = {}
        for target in targets:
            ids.setdefault(target.cluster, []).append(target.id)
        self.release_ids(ids)

    def release_ids(self, ids: Mapping[str, Sequence[int]]) -> None:
        """Make targets pending again as `release` does; `ids` are theirs, by their clusters."""
        with self.database.transaction():
            for released in ids.values():
                claims.release(self.database, released)
        for cluster, released in ids.items():
            span = self._ranges[cluster]
            span.next = min([span.next, *released])

    def record(self, settlements: Iterable[Settlement]) -> None:
        """Commit outcomes of claimed targets, with new usage and warnings, in one transaction.

        Raises RunFileError, and writes nothing, if one of the targets has an outcome already.
        """
        now = self._now()
        # Encoded before the transaction, so that it holds the write lock for a short time.
        rows = outcomes.rows_of(settlements, now)
        with self.database.transaction():
            outcomes.add(self.database, rows)
            meta.note_group(self.database, now)
            meta.add_usage(self.database, self.new_usage())
            meta.count_warnings(self.database, self.new_warnings())
            timeline.add(self.database, self.new_timeline())
        # After the transaction, since a checkpoint cannot run within one.
        self.database.trim()

    def count_planning(self, usage: Usage, warnings: Mapping[str, int]) -> None:
        """Add what planning the run has used; its time is kept apart, too."""
        with self.database.transaction():
            meta.add_usage(self.database, usage)
            meta.count_warnings(self.database, warnings)
            meta.note_planning(self.database, usage.elapsed)

    def count(self, usage: Usage, warnings: Mapping[str, int] = NO_WARNINGS) -> None:
        """Add usage and server warnings to the totals of the run, and what else is new."""
        with self.database.transaction():
            meta.add_usage(self.database, usage)
            meta.count_warnings(self.database, warnings)
            timeline.add(self.database, self.new_timeline())

    def reopen(self, *reasons: Reason) -> int:
        """Delete the outcomes of failed targets, all or those with `reasons`; returns their number.

        PATCHes were sent for them, so they are in doubt afterwards and are read before they are
        sent again. What the server stored of the change is kept in `earlier_writes`.
        """
        failures = [one for one in Reason if OUTCOME_OF[one] is Outcome.FAILED]
        with self.database.transaction():
            return outcomes.reopen(self.database, reasons or failures)

    def wave(self, number: int) -> WaveProgress:
        """Return the progress of the wave `number`, counted from 1."""
        return waves.progress(self.database, self.ids_of_wave(number).values())

    def ids_of_wave(self, number: int) -> Mapping[str, waves.Range]:
        """Return the first and the last id of the wave `number`, from 1, in each cluster."""
        return waves.ranges(self.waves, number, self.ids)

    @property
    def ids(self) -> Mapping[str, waves.Range]:
        """The first and the last id of the targets in each cluster."""
        return {name: (span.first, span.last) for name, span in self._ranges.items()}

    def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[Target]:
        """Return claimed targets without an outcome, by id, with ids greater than `after`."""
        return self._in_doubt(cluster, self._targets_of, after=after, limit=limit)

    def rows_in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[TargetRow]:
        """Return what `in_doubt` returns, as rows, which another process decodes."""
        return self._in_doubt(cluster, self._readable, after=after, limit=limit)

    def _in_doubt(
        self,
        cluster: str,
        read: Callable[[list[TargetRow]], list[_Claimed]],
        *,
        after: int,
        limit: int,
    ) -> Sequence[_Claimed]:
        span = self._ranges[cluster]
        found = claims.in_doubt(self.database, span.first, span.last, after=after, limit=limit)
        with self.database.decoding():
            return read(_of_range(span, codec.target_rows(list(found))))

    def targets(self, rows: Iterable[codec.Row]) -> list[Target]:
        """Build the targets of rows of `codec.TARGET_COLUMNS`."""
        with self.database.decoding():
            return self._targets_of(codec.target_rows(list(rows)))

    def _targets_of(self, rows: list[TargetRow]) -> list[Target]:
        return codec.targets(rows, self.clusters, self.resources)

    def _readable(self, rows: list[TargetRow]) -> list[TargetRow]:
        """Check that targets could be built of these rows."""
        codec.require_readable(rows, self.clusters, self.resources)
        return rows

    def _load(self) -> None:
        """Read clusters, resources and waves: they are few, and fixed after the seal."""
        self._ranges = {
            one.name: _ClusterRange(one.id, one.first, one.last, one.first)
            for one in meta.clusters(self.database)
        }
        self.clusters: Mapping[int, str] = {span.id: name for name, span in self._ranges.items()}
        self.resources: Mapping[int, Resource] = meta.resources(self.database)
        self.waves = waves.load(self.database, self.clusters)

    def _open_survey(self) -> SurveyTable:
        if self._survey is None:
            raise run_file_error(
                self.path, "is sealed: its targets are fixed; make a new plan for other targets"
            )
        return self._survey
