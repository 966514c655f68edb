"""Queries of a run file: its summary, its targets, counts and samples.

Each query reads one state of the file, even while the run is being applied. Nothing is cached.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from fleetpatch.journal import codec, meta, waves
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog
from fleetpatch.journal.schema import CLAIMED
from fleetpatch.model.live import ReasonSample
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason, Settlement, by_outcome
from fleetpatch.model.run import ListedTarget, Standing, Summary, Tally
from fleetpatch.model.target import Target
from fleetpatch.model.verification import VerifyResult

_JOINED: Final = "FROM targets t LEFT JOIN outcomes o ON o.target = t.id"
# Whether a target is claimed matters only while it is open. Before the first claim none is: that is
# asked once, and not for each target.
_CLAIMED_OPEN: Final = f"""
CASE WHEN o.target IS NULL AND EXISTS (SELECT 1 FROM claims) THEN {CLAIMED} ELSE 0 END
"""  # noqa: S608 # of our own constants
_CELLS: Final = f"""
SELECT t.cluster, t.resource, t.namespace, o.reason, {_CLAIMED_OPEN}, count(*) {_JOINED}
GROUP BY 1, 2, 3, 4, 5
"""
_DEPENDENT_CELLS: Final = f"""
SELECT t.cluster, t.resource, t.namespace, o.reason, {_CLAIMED_OPEN}, count(*) {_JOINED}
JOIN dependents d ON d.target = t.id GROUP BY 1, 2, 3, 4, 5
"""
_LISTED: Final = f"""
SELECT {CLAIMED}, {codec.OUTCOME_COLUMNS}, {codec.TARGET_COLUMNS} {_JOINED}
"""
# The values are one JSON list, since SQLite limits the number of parameters.
_IN_CLUSTERS: Final = "t.cluster IN (SELECT value FROM json_each(?))"
_OF_KINDS: Final = "t.resource IN (SELECT value FROM json_each(?))"
_IN_NAMESPACES: Final = "t.namespace IN (SELECT value FROM json_each(?))"
_VERIFIED: Final = """
t.id IN (SELECT target FROM verified WHERE result IN (SELECT value FROM json_each(?)))
"""
_NAMESPACES_OF: Final = """
SELECT DISTINCT namespace FROM targets WHERE id IN (SELECT value FROM json_each(?)) ORDER BY 1
"""
# Only what was not found has no uid.
_NOT_FOUND: Final = """
SELECT o.detail FROM targets t JOIN outcomes o ON o.target = t.id WHERE t.uid = ''
ORDER BY t.id LIMIT ?
"""
_COUNT_NOT_FOUND: Final = "SELECT count(*) FROM targets WHERE uid = ''"
_NAMED: Final = """
SELECT DISTINCT cluster, resource, name FROM targets
WHERE name IN (SELECT value FROM json_each(?))
"""
# A claimed target was to be patched, too, even if it has ended since.
_SAMPLES: Final = f"""
SELECT {codec.TARGET_COLUMNS} {_JOINED}
WHERE t.resource = ? AND (o.target IS NULL OR {CLAIMED}) ORDER BY t.id LIMIT ?
"""
# An outcome without an attempt and without a read was recorded when the run was planned.
_PLANNED: Final = f"""
SELECT count(*) {_JOINED} WHERE o.target IS NULL OR o.attempts + o.reads > 0
"""
_ENDED: Final = """
SELECT t.cluster, t.uid FROM targets t JOIN outcomes o ON o.target = t.id
JOIN reasons r ON r.reason = o.reason WHERE r.outcome = ?
"""
_STORED_IN_PART: Final = """
SELECT EXISTS (
    SELECT 1 FROM outcomes o JOIN reasons r ON r.reason = o.reason
    WHERE o.wrote IS NOT NULL AND r.outcome IN ('failed', 'skipped')
)
"""
_SPAN: Final = "SELECT (SELECT min(claimed_at) FROM claims), (SELECT max(settled_at) FROM outcomes)"

_TARGET_FROM: Final = 2 + codec.OUTCOME_COLUMNS.count(",")
"""The index in a row of `_LISTED` at which the target's columns begin."""


def summary(run: RunFile) -> Summary:
    """Summarize the whole run file."""
    database = run.database
    # One snapshot: counts that are read one after the other would not add up in a live run.
    with database.snapshot(), database.decoding():
        state, cause, cause_code = meta.state(database)
        started, ended = map(codec.moment, next(database.rows(_SPAN)))
        counts = _Counts(run)
        counts.fold(database.rows(_CELLS))
        tally = Tally.of(counts.all.items())
        # The query reads all outcomes if it finds nothing.
        is_partial = tally.failed + tally.skipped and next(database.rows(_STORED_IN_PART))[0]
        doubtful = database.rows("SELECT name FROM clusters WHERE inconsistent ORDER BY id")
        return Summary(
            info=run.info,
            run_file=str(run.path),
            reference=catalog.reference(run.path),
            state=state,
            cause=cause,
            cause_code=cause_code,
            tally=tally,
            reasons=by_outcome(counts.reasons),
            by_cluster=_tallies(counts.clusters),
            by_kind=_tallies(dict(sorted(counts.kinds.items()))),
            by_namespace=_tallies(dict(sorted(counts.namespaces.items()))),
            usage=meta.usage(database),
            warnings=meta.warnings(database),
            inconsistent=tuple(name for (name,) in doubtful),
            started=started,
            ended=ended,
            undone_by=meta.undone_by(database),
            undone_in_part=meta.undone_in_part(database),
            outdated=database.outdated,
            partly=meta.partly(database),
            awaits_promotion=_awaits_promotion(run),
            waves=tuple(map(run.wave, range(1, len(run.waves) + 1))),
            steering=run.steering,
            planning=meta.planning(database),
            verification=meta.verification(database),
            stored_in_part=bool(is_partial),
        )


def with_state(run: RunFile, counted: Summary) -> Summary:
    """Return a summary with the state that the run file has now, if nothing else has changed."""
    state, cause, cause_code = meta.state(run.database)
    partly = meta.partly(run.database)
    return replace(counted, state=state, cause=cause, cause_code=cause_code, partly=partly)


def _awaits_promotion(run: RunFile) -> bool:
    """Return whether the first wave with open targets begins only by hand, and has not begun."""
    if not run.waves or not waves.are_promoted_by_hand(run.info.plan):
        return False
    for number in range(1, len(run.waves) + 1):
        wave = run.wave(number)
        if wave.open:
            return number > 1 and not wave.claimed
    return False


class Places(msgspec.Struct, frozen=True):
    """Clusters, kinds (`jobs.batch`) and namespaces of targets; None means all."""

    clusters: Collection[str] | None = None
    kinds: Collection[str] | None = None
    namespaces: Collection[str] | None = None


def targets(
    run: RunFile,
    standings: Collection[Standing] | None = None,
    *reasons: Reason | None,
    places: Places = Places(),  # noqa: B008 - immutable
    verified: Collection[VerifyResult] = (),
) -> Iterator[ListedTarget]:
    """Stream the targets in the order of the plan, filtered by standing, reason and place.

    `standings` None means all, and so do no reasons; reasons that are None are ignored. `verified`
    are results of the latest verification; it keeps those that do not hold.
    """
    # Read row by row: a run may have hundreds of thousands of targets.
    where, values = _conditions(standings, reasons)
    for condition, allowed in _allowed(run, places):
        where += f" AND {condition}"
        values.append(msgspec.json.encode(allowed).decode())
    if verified:
        where += f" AND {_VERIFIED}"
        values.append(msgspec.json.encode([result.value for result in verified]).decode())
    rows = run.database.rows(f"{_LISTED} WHERE {where} ORDER BY t.id", *values)
    return _listed(run, rows)


def _listed(run: RunFile, rows: Iterable[codec.Row]) -> Iterator[ListedTarget]:
    with run.database.decoding():
        for row in rows:
            claimed, outcome = row[0], row[1:_TARGET_FROM]
            target = codec.target(row[_TARGET_FROM:], run.clusters, run.resources)
            ended = None if outcome[0] is None else codec.settlement(outcome)
            yield ListedTarget(target, _standing(ended.reason if ended else None, claimed), ended)


def by_id(run: RunFile, ids: Sequence[int]) -> Iterator[ListedTarget]:
    """Stream the targets with these ids, in the order of the plan."""
    where = f"t.id IN ({', '.join('?' * len(ids))}) ORDER BY t.id"
    return _listed(run, run.database.rows(f"{_LISTED} WHERE {where}", *ids))


def named(run: RunFile, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield cluster, kind (`jobs.batch`) and name of the targets with these names."""
    rows = run.database.rows(_NAMED, msgspec.json.encode(sorted(names)).decode())
    with run.database.decoding():
        for cluster, resource, name in rows:
            yield run.clusters[cluster], run.resources[resource].name, str(name)


def not_found(run: RunFile, limit: int) -> Iterator[str]:
    """Yield the details of up to `limit` listed objects that did not exist, in their order."""
    for (detail,) in run.database.rows(_NOT_FOUND, limit):
        yield str(detail)


def count_not_found(run: RunFile) -> int:
    """Count the listed objects that did not exist when the run was planned."""
    return int(next(run.database.rows(_COUNT_NOT_FOUND))[0])


def _allowed(run: RunFile, places: Places) -> Iterator[tuple[str, list[Any]]]:
    """Yield an SQL condition for each column that `places` restricts, with the allowed values."""
    if places.clusters is not None:
        ids = [number for number, name in run.clusters.items() if name in places.clusters]
        yield _IN_CLUSTERS, ids
    if places.kinds is not None:
        ids = [number for number, one in run.resources.items() if one.name in places.kinds]
        yield _OF_KINDS, ids
    if places.namespaces is not None:
        yield _IN_NAMESPACES, sorted(places.namespaces)


def namespaces(run: RunFile) -> list[str]:
    """List the namespaces of the targets."""
    rows = run.database.rows("SELECT DISTINCT namespace FROM targets ORDER BY 1")
    return [str(namespace) for (namespace,) in rows]


def some_namespaces(run: RunFile, rows: int = 5000) -> list[str]:
    """List namespaces of the targets, from a sample of at most so many; quick for any run."""
    ((last,),) = run.database.rows("SELECT coalesce(max(id), 0) FROM targets")
    ids = range(1, last + 1, last // rows + 1)
    found = run.database.rows(_NAMESPACES_OF, msgspec.json.encode(list(ids)).decode())
    return [str(namespace) for (namespace,) in found]


def latest(run: RunFile) -> Iterator[tuple[Target, Settlement]]:
    """Stream the outcomes that were recorded last, in one transaction."""
    where = "o.settled_at = ? ORDER BY t.id"
    rows = run.database.rows(f"{_LISTED} WHERE {where}", meta.latest_group(run.database))
    for one in _listed(run, rows):
        if one.settlement is not None:
            yield one.target, one.settlement


def ended_objects(run: RunFile, outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Stream the cluster and the uid of each target with this outcome."""
    with run.database.decoding():
        for cluster, uid in run.database.rows(_ENDED, outcome.value):
            yield run.clusters[cluster], str(uid)


def recorded_at(run: RunFile) -> float | None:
    """Return when the last outcomes were recorded, in seconds since the epoch; None before."""
    return meta.latest_group(run.database)


def planned(run: RunFile) -> int:
    """Count the targets to be patched: all but those that needed no patch when planned."""
    ((count,),) = run.database.rows(_PLANNED)
    return int(count)


def has_wanted_values(run: RunFile) -> bool:
    """Return whether a target has wanted values of its own."""
    query = "SELECT EXISTS (SELECT 1 FROM targets WHERE wanted IS NOT NULL)"
    ((found,),) = run.database.rows(query)
    return bool(found)


def reason_samples(run: RunFile) -> dict[Reason, ReasonSample]:
    """Return for each reason the first target in plan order that ended with it."""
    firsts = "t.id IN (SELECT min(target) FROM outcomes GROUP BY reason) ORDER BY o.reason"
    return {
        ended.reason: ReasonSample(
            one.target.cluster,
            one.target.kind,
            one.target.namespace,
            one.target.name,
            ended.detail,
        )
        for one in _listed(run, run.database.rows(f"{_LISTED} WHERE {firsts}"))
        if (ended := one.settlement) is not None
    }


def wave_sizes(run: RunFile) -> list[dict[str, int]]:
    """Count the targets of each wave in each cluster; empty for a run without waves."""
    rows = run.database.rows("SELECT name, first - 1 FROM clusters")
    starts: dict[str, int] = dict(rows)
    sizes = []
    for ends in run.waves:
        sizes.append({name: last - starts[name] for name, last in ends.items()})
        starts |= ends
    return sizes


def samples(run: RunFile, count: int) -> Sequence[Target]:
    """Choose up to `count` targets that the run patches, spread over the kinds, in plan order."""
    kinds = [
        run.targets(run.database.rows(_SAMPLES, resource, count)) for resource in run.resources
    ]
    # One of each kind before the second of any, so that few samples show many kinds.
    mixed = (target for row in zip_longest(*kinds) for target in row if target is not None)
    return sorted(islice(mixed, count), key=lambda target: target.id)


_Standings: TypeAlias = dict[Standing, int]


def _no_targets() -> _Standings:
    return defaultdict(int)


class _Counts:
    """Counts of targets by standing: in all, by reason, cluster, kind and namespace.

    One query groups by all of these at once, so that the big tables are read only once.
    """

    def __init__(self, run: RunFile) -> None:
        self._run = run
        self.all = _no_targets()
        self.reasons: dict[Reason, int] = defaultdict(int)
        self.clusters = {name: _no_targets() for name in run.clusters.values()}
        self.kinds: dict[str, _Standings] = defaultdict(_no_targets)
        self.namespaces: dict[str, _Standings] = defaultdict(_no_targets)

    def fold(self, cells: Iterable[codec.Row]) -> None:
        for cell in map(codec.cell, cells):
            standing = _standing(cell.reason, cell.claimed)
            self.all[standing] += cell.count
            self.clusters[self._run.clusters[cell.cluster]][standing] += cell.count
            self.kinds[self._run.resources[cell.resource].name][standing] += cell.count
            self.namespaces[cell.namespace][standing] += cell.count
            if cell.reason is not None:
                self.reasons[cell.reason] += cell.count


def _standing(reason: Reason | None, claimed: int) -> Standing:
    if reason is not None:
        return Standing(OUTCOME_OF[reason].value)
    return Standing.IN_DOUBT if claimed else Standing.PENDING


def _tallies(counts: Mapping[str, _Standings]) -> dict[str, Tally]:
    return {name: Tally.of(standings.items()) for name, standings in counts.items()}


def _conditions(
    standings: Collection[Standing] | None, reasons: Collection[Reason | None]
) -> tuple[str, list[Any]]:
    """Return an SQL condition and its values; `standings` None selects all."""
    terms, values = ["TRUE"], []
    if standings is not None:
        outcomes = [standing.value for standing in standings]
        wanted = [r.value for r, outcome in OUTCOME_OF.items() if outcome.value in outcomes]
        either = [f"o.reason IN ({', '.join('?' * len(wanted))})"]
        # Pending and in doubt are not outcomes: they have no row in `outcomes`.
        if Standing.PENDING in standings:
            either.append(f"(o.target IS NULL AND NOT {CLAIMED})")
        if Standing.IN_DOUBT in standings:
            either.append(f"(o.target IS NULL AND {CLAIMED})")
        terms.append(f"({' OR '.join(either)})")
        values += wanted
    chosen = [reason.value for reason in reasons if reason is not None]
    if chosen:
        terms.append(f"o.reason IN ({', '.join('?' * len(chosen))})")
        values += chosen
    return " AND ".join(terms), values


def dependents(run: RunFile) -> dict[str, Tally]:
    """Count the targets that selected objects own, by kind."""
    counts: dict[str, _Standings] = defaultdict(_no_targets)
    database = run.database
    with database.snapshot(), database.decoding():
        for cell in map(codec.cell, database.rows(_DEPENDENT_CELLS)):
            kind = run.resources[cell.resource].name
            counts[kind][_standing(cell.reason, cell.claimed)] += cell.count
    return {kind: Tally.of(standings.items()) for kind, standings in sorted(counts.items())}


def places(run: RunFile) -> dict[tuple[str, str, str], Tally]:
    """Count the targets by cluster, kind (`jobs.batch`) and namespace, in the order of the plan."""
    counts: dict[tuple[str, str, str], _Standings] = defaultdict(_no_targets)
    database = run.database
    with database.snapshot(), database.decoding():
        for cell in map(codec.cell, database.rows(_CELLS)):
            place = run.clusters[cell.cluster], run.resources[cell.resource].name, cell.namespace
            counts[place][_standing(cell.reason, cell.claimed)] += cell.count
    return {place: Tally.of(standings.items()) for place, standings in counts.items()}
