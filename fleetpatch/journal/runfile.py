"""The run file, open: the port `Journal`, and what a run as a whole writes beside it.

Order of things: `create`, `add` page by page, `seal`; then `claim` and `record` in turns, in this
process or a later one (`open`), and `set_state` as the run moves. The format and what it promises
stand in `fleetpatch.journal.schema`.

A method that writes does so in one transaction, and is durable when it returns; one that raises
RunFileError has written nothing. Calls may come from any thread but must not overlap. The cluster
of a call is one of the run's own; any other is a KeyError.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from fleetpatch.errors import RunFileError
from fleetpatch.journal import claims, codec, files, meta, seal, waves
from fleetpatch.journal.database import Database
from fleetpatch.journal.errors import PLAN_AGAIN, RESUME, fault
from fleetpatch.journal.schema import CLAIMED
from fleetpatch.journal.survey import SurveyTable
from fleetpatch.journal.waves import WaveStanding
from fleetpatch.model.answer import NO_WARNINGS
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason, Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunInfo, RunState, Usage
from fleetpatch.model.target import Target
from fleetpatch.model.units import Amount

_NEXT: Final = f"""
SELECT {codec.TARGET_COLUMNS} FROM targets t WHERE t.id BETWEEN ? AND ? AND NOT {CLAIMED}
AND NOT EXISTS (SELECT 1 FROM outcomes WHERE target = t.id) ORDER BY t.id LIMIT ?
"""  # noqa: S608 # of our own constants alone
_SETTLE: Final = "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REOPENED: Final = "attempts > 0 AND instr(' ' || ? || ' ', ' ' || reason || ' ')"
_REOPEN: Final = f"DELETE FROM outcomes WHERE {_REOPENED}"  # noqa: S608 # of our own constants
_KEEP_WRITES: Final = f"""
INSERT OR REPLACE INTO earlier_writes
SELECT target, wrote, coalesce(replaced, (SELECT before FROM targets WHERE id = target))
FROM outcomes WHERE wrote IS NOT NULL AND {_REOPENED}
"""  # noqa: S608 # of our own constants
_IN_DOUBT: Final = f"""
SELECT {codec.TARGET_COLUMNS} FROM claims k JOIN targets t ON t.id BETWEEN k.first AND k.last
WHERE k.first BETWEEN ? AND ? AND t.id > ?
AND NOT EXISTS (SELECT 1 FROM outcomes WHERE target = t.id)
ORDER BY k.first, t.id LIMIT ?
"""  # noqa: S608 # of our own constants alone


@dataclass(slots=True)
class _Part:
    """A cluster's targets: `first` to `last`, of which none before `next` is pending."""

    id: int
    first: int
    last: int
    next: int


class RunFile:
    """One open run file; a context manager that closes it.

    `path` is where it lies, `info` what was fixed at its creation; `clusters` and `resources` give
    meaning to the numbers in its rows, for `fleetpatch.journal.queries`, which reads the rest.
    `meter` gives what was spent, and `warned` what servers warned of, since they were last asked;
    they are asked when outcomes are recorded.
    `waves` tells for each wave and each cluster which target is the last, where there are waves.
    """

    def __init__(self, database: Database, info: RunInfo, wall: Callable[[], float]) -> None:
        """Not for use: see `create` and `open`."""
        self.path = database.path
        self.info = info
        self.database = database
        self._wall = wall
        self.meter: Callable[[], Usage] = Usage
        self.warned: Callable[[], Mapping[str, int]] = dict
        self._survey: SurveyTable | None = None
        self._load()

    @classmethod
    def create(cls, path: Path, info: RunInfo, *, wall: Callable[[], float] = time.time) -> Self:
        """Make a new run file in state `planning`. `wall` tells the seconds since the epoch."""
        database = Database(path, files.create(path))
        database.then = PLAN_AGAIN
        try:
            meta.lay_out(database, info)
            made = cls(database, info, wall)
            made._survey = SurveyTable(database, {n: part.id for n, part in made._parts.items()})
        except BaseException:
            database.connection.close()
            files.erase(path)
            raise
        return made

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        write: bool = False,
        check: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> Self:
        """Open an existing run file: to read it, or (`write`) to go on with it.

        `check` False spares reading the file through, where many are listed. Raises RunFileError
        where it is missing, foreign, of a newer format or damaged, and with `write` where its
        survey was cut.
        """
        opened = files.open_to_write(path) if write else files.open_to_read(path, check=check)
        database = Database(path, opened.connection, outdated=opened.outdated)
        try:
            if check:
                meta.verify(database)
            meta.add_missing(database, write=write)
            run = cls(database, meta.info(database), wall)
            if write:
                run._refuse_unsealed()
                database.go_live()
        except BaseException:
            database.connection.close()
            raise
        return run

    def close(self) -> None:
        """Leave a single file behind (see "Copies" in `fleetpatch.journal.schema`)."""
        self.database.close()

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Plan the new run in the block; where that fails the file is removed."""
        try:
            yield
        except BaseException:
            self.discard()
            raise
        self.database.then = RESUME

    def discard(self) -> None:
        """Close the file and remove it: for a plan that was refused."""
        self.database.connection.close()
        files.erase(self.path)

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

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return meta.state(self.database)[0]

    def set_state(self, state: RunState, cause: str = "", *, partly: bool = False) -> None:
        """Move the run, with the cause in one line. Raises RunFileError before the seal.

        `partly` tells that breakers alone keep it from its end.
        """
        self._refuse_unsealed()
        with self.database.transaction():
            self.database.put([("state", state.value), ("cause", cause), ("partly", int(partly))])

    @property
    def pardoned(self) -> int:
        """How many failures a person has accepted by going on after a halt."""
        return meta.pardoned(self.database)

    def pardon(self, failures: int) -> None:
        """Remember that so many failures, all there are, have been accepted."""
        with self.database.transaction():
            self.database.put([("pardoned", failures)])

    @property
    def releases(self) -> Mapping[str, str]:
        """The Kubernetes version of each cluster ("1.20"), where it was asked for and is known."""
        return meta.releases(self.database)

    def note_releases(self, releases: Mapping[str, str]) -> None:
        """Remember the Kubernetes version of each cluster."""
        with self.database.transaction():
            meta.note_releases(self.database, releases)

    def add(self, drafts: Iterable[Draft]) -> None:
        """Add what one page brought; an object added before stays one target, with both blocks."""
        self._planning().add(drafts)

    def found(self) -> int:
        """Count the objects that were added, each once; before the seal only."""
        return self._planning().count()

    def mark_inconsistent(self, cluster: str) -> None:
        """Remember that the survey of `cluster` saw more than one version of a list."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE clusters SET inconsistent = 1 WHERE id = ?", (self._parts[cluster].id,)
            )

    def seal(self, *, sizes: Sequence[Amount] = (), seed: str = "") -> None:
        """End the survey: sort and number the targets, and move to state `planned`.

        `sizes` are those of the run's waves, if it has any; `seed` draws who is in which. Raises
        Refused where there would be too many.
        """
        self._planning().seal(self._wall(), sizes, seed)
        self._survey = None
        self._load()
        self.database.go_live()

    @property
    def sealed(self) -> str:
        """The checksum that the run was sealed with; empty in a file of an older version."""
        return seal.kept(self.database)

    def is_as_sealed(self) -> bool:
        """Tell whether all that was fixed by the seal is as it was then. Reads all targets."""
        if not self.sealed:
            return not seal.is_required(self.info.tool_version)
        return self.sealed == seal.compute(self.database)

    def set_digest(self, digest: str) -> None:
        """Replace the digest by one that covers the seal."""
        with self.database.transaction():
            self.database.put([("plan_digest", digest)])
        self.info = replace(self.info, plan_digest=digest)

    def has_wanted_values(self) -> bool:
        """Tell whether a target holds wanted values of its own."""
        query = "SELECT EXISTS (SELECT 1 FROM targets WHERE wanted IS NOT NULL)"
        ((found,),) = self.database.rows(query)
        return bool(found)

    def claim(
        self, cluster: str, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """Claim the next pending targets of a cluster, by id, greater than `after`, up to `last`.

        Empty if there are none.
        """
        part = self._parts[cluster]
        first = max(part.next, after + 1)
        last = part.last if last is None else min(last, part.last)
        with self.database.transaction() as connection:
            rows = connection.execute(_NEXT, (first, last, limit)).fetchall()
            targets = self.targets(rows)
            if targets:
                claims.take(self.database, [target.id for target in targets], self._wall())
        if first == part.next:
            part.next = targets[-1].id + 1 if targets else max(part.next, last + 1)
        return targets

    def release(self, targets: Iterable[Target]) -> None:
        """Give back claimed targets of which nothing can have been applied; they are pending."""
        given = list(targets)
        with self.database.transaction():
            claims.give_back(self.database, [target.id for target in given])
        for target in given:
            part = self._parts[target.cluster]
            part.next = min(part.next, target.id)

    def record(self, settlements: Iterable[Settlement]) -> None:
        """Commit outcomes of claimed targets, and what they cost, in one transaction.

        Raises RunFileError, having written nothing, where one of them has ended already.
        """
        now = self._wall()
        rows = [codec.settlement_row(settlement, now) for settlement in settlements]
        with self.database.transaction() as connection:
            connection.executemany(_SETTLE, rows)
            meta.grow(self.database, "outcomes", len(rows))
            meta.note_group(self.database, now)
            meta.spend(self.database, self.meter())
            meta.warn(self.database, self.warned())
        self.database.trim()

    def count(self, usage: Usage, warnings: Mapping[str, int] = NO_WARNINGS) -> None:
        """Add to what the run has cost and what servers warned of, over all its sessions."""
        with self.database.transaction():
            meta.spend(self.database, usage)
            meta.warn(self.database, warnings)

    def reopen(self, *reasons: Reason) -> int:
        """Take back the outcomes of failed targets; returns their number.

        All of them, or those with one of `reasons`. They were sent, so they are in doubt then, and
        will be read before anything else. What they had stored of the change stays on record.
        """
        failures = [one for one in Reason if OUTCOME_OF[one] is Outcome.FAILED]
        wanted = [one.value for one in reasons or failures]
        with self.database.transaction() as connection:
            connection.execute(_KEEP_WRITES, (" ".join(wanted),))
            taken = connection.execute(_REOPEN, (" ".join(wanted),)).rowcount
            meta.grow(self.database, "outcomes", -taken)
            if taken:
                self.database.put([("state", RunState.PAUSED.value), ("cause", "failed reopened")])
        return taken

    def wave(self, number: int) -> WaveStanding:
        """Tell how far the wave `number`, from 0, is."""
        ends = self.waves[number]
        before = self.waves[number - 1] if number else {}
        firsts = {name: before.get(name, self._parts[name].first - 1) + 1 for name in ends}
        return waves.standing(self.database, [(firsts[name], last) for name, last in ends.items()])

    def note_undo(self, run: str) -> None:
        """Remember the id of the run that undid this one."""
        with self.database.transaction():
            self.database.put([("undone_by", run)])

    def in_doubt(self, cluster: str, after: int, limit: int) -> Sequence[Target]:
        """Claimed targets without an outcome whose id is greater than `after`, by id."""
        part = self._parts[cluster]
        return self.targets(self.database.rows(_IN_DOUBT, part.first, part.last, after, limit))

    def targets(self, rows: Iterable[codec.Row]) -> list[Target]:
        """Build the targets of rows of `codec.TARGET_COLUMNS`."""
        with self.database.sensible():
            clusters, resources = self.clusters, self.resources
            return [codec.target(row, clusters, resources) for row in rows]

    def _load(self) -> None:
        """Take in what is small and never changes after the seal."""
        resources = self.database.rows(
            "SELECT id, api_group, version, plural, kind, singular, short_names, namespaced"
            " FROM resources"
        )
        self._parts = {
            one.name: _Part(one.id, one.first, one.last, one.first)
            for one in meta.clusters(self.database)
        }
        self.clusters: Mapping[int, str] = {part.id: name for name, part in self._parts.items()}
        with self.database.sensible():
            self.resources: Mapping[int, Resource] = {
                row[0]: codec.resource(row[1:]) for row in resources
            }
        self.waves = waves.load(self.database, self.clusters)

    def _planning(self) -> SurveyTable:
        if self._survey is None:
            raise fault(
                self.path, "is sealed: its targets are fixed; make a new plan for other targets"
            )
        return self._survey

    def _refuse_unsealed(self) -> None:
        if self.state is RunState.PLANNING:
            raise fault(self.path, "holds no targets: its planning was interrupted; plan again")
