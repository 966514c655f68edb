"""Waves in the run file: targets numbered wave by wave, so that each is a range of every cluster.

The seal draws the order (`fleetpatch.rules.running.waves`) and stores the end of each wave in
`meta.waves`. The state of a wave follows from claims and outcomes. It is not stored, so a crash
between two waves cannot make it wrong.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

import msgspec

from fleetpatch.journal import codec
from fleetpatch.journal.database import Database
from fleetpatch.journal.schema import CLAIMED
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.run import WaveProgress
from fleetpatch.model.units import Amount
from fleetpatch.rules.running.waves import shuffle_key, spread

Ends: TypeAlias = Mapping[str, int]
"""The id of the last target of a wave in each cluster."""

Range: TypeAlias = tuple[int, int]
"""The first and the last id of some targets."""

_KEY: Final = "waves"
_read: Final = msgspec.json.Decoder(list[dict[str, int]]).decode
# A dependent is in the wave of the selected object that owns it, if that has one.
_LEADERS: Final = (
    "CREATE TEMP TABLE draft_leaders (draft INTEGER PRIMARY KEY, leader INTEGER)",
    """
    INSERT INTO draft_leaders SELECT d.id, o.id
    FROM drafts d JOIN drafts o ON o.cluster = d.cluster AND o.uid = d.owner
    WHERE d.owner IS NOT NULL AND d.ends IS NULL AND o.ends IS NULL ORDER BY d.id
    """,
)
_DRAWN: Final = "ends IS NULL AND id NOT IN (SELECT draft FROM draft_leaders)"
_STRATA: Final = f"""
SELECT cluster, namespace, count(*) FROM drafts WHERE {_DRAWN} GROUP BY cluster, namespace
"""  # noqa: S608 # of our own constants alone
# Temporary, since the ids of the targets show the waves once they are numbered.
_DRAFT_WAVES: Final = "CREATE TEMP TABLE draft_waves (draft INTEGER PRIMARY KEY, wave INTEGER)"
# Sorted by the key: inserts in a random order would change another page for each draft.
_DRAW: Final = f"""
INSERT INTO draft_waves
SELECT id, wave_of(cluster, namespace, row_number() OVER (
    PARTITION BY cluster, namespace ORDER BY shuffle_key(uid), uid) - 1)
FROM drafts WHERE {_DRAWN} ORDER BY id
"""  # noqa: S608 # of our own constants alone
_FOLLOW: Final = """
INSERT INTO draft_waves SELECT l.draft, w.wave
FROM draft_leaders l JOIN draft_waves w ON w.draft = l.leader ORDER BY l.draft
"""
_SIZES: Final = """
SELECT d.cluster, w.wave, count(*) FROM draft_waves w JOIN drafts d ON d.id = w.draft GROUP BY 1, 2
"""
# Targets that needed no patch when planned have an outcome without attempts and reads. They are not
# counted: a wave that consists of them alone needs no pause.
_PROGRESS: Final = f"""
SELECT count(*) FILTER (WHERE o.target IS NULL), count(*) FILTER (WHERE {CLAIMED}), count(*),
    max(o.settled_at) FILTER (WHERE e.outcome = ?), max(o.settled_at)
FROM targets t LEFT JOIN outcomes o ON o.target = t.id LEFT JOIN reasons e ON e.reason = o.reason
WHERE t.id BETWEEN ? AND ? AND (o.target IS NULL OR o.attempts + o.reads > 0)
"""  # noqa: S608 # of our own constants alone


class _Waves(msgspec.Struct):
    promote: str | None = None


class _Plan(msgspec.Struct):
    waves: _Waves | None = None


_plan: Final = msgspec.json.Decoder(_Plan)


def draw(
    database: Database, clusters: Mapping[int, str], sizes: Sequence[Amount], seed: str
) -> dict[int, tuple[int, ...]]:
    """Draw the wave of each staged draft into the temporary table `draft_waves`.

    The sizes count selected objects; what they own is in the same wave. Returns for each cluster
    how many of its targets are done after each wave. Raises Refused if the sizes make too many
    waves.
    """
    connection = database.connection
    connection.execute(_DRAFT_WAVES)
    if not sizes:
        return {}
    for statement in _LEADERS:
        connection.execute(statement)
    counts = {
        (clusters[cluster], namespace): count
        for cluster, namespace, count in database.rows(_STRATA)
    }
    # Each namespace of each cluster is a stratum, so that every wave has some of all of them.
    plan = spread(counts, sizes, seed)

    def wave_of(cluster: int, namespace: str, rank: int) -> int:
        return plan.wave((clusters[cluster], namespace), rank)

    connection.create_function(
        "shuffle_key", 1, lambda uid: shuffle_key(seed, uid), deterministic=True
    )
    connection.create_function("wave_of", 3, wave_of, deterministic=True)
    connection.execute(_DRAW)
    followers = connection.execute(_FOLLOW).rowcount
    connection.execute("DROP TABLE draft_leaders")
    if not followers:
        return {number: plan.clusters.get(name, ()) for number, name in clusters.items()}
    counted = {(cluster, wave): count for cluster, wave, count in database.rows(_SIZES)}
    waves = range(1, len(plan.ends) + 1)
    return {
        number: tuple(accumulate(counted.get((number, wave), 0) for wave in waves))
        for number in clusters
    }


def store(database: Database, done: Mapping[int, Sequence[int]]) -> None:
    """Store the last id of each wave in each cluster, within the seal's transaction.

    The targets must be numbered already; they follow each other wave by wave.
    """
    first: dict[int, int] = dict(database.rows("SELECT id, first FROM clusters"))
    ends: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for cluster, counts in done.items():
        for wave, count in enumerate(counts):
            ends[wave][cluster] = first[cluster] - 1 + count
    if ends:
        database.put([(_KEY, json.dumps([ends[wave] for wave in sorted(ends)]))])


def load(database: Database, clusters: Mapping[int, str]) -> tuple[Ends, ...]:
    """Read the ends of the waves; empty if the run has none."""
    text = database.meta().get(_KEY)
    with database.decoding():
        waves = _read(text) if text else []
        return tuple({clusters[int(key)]: last for key, last in wave.items()} for wave in waves)


def are_promoted_by_hand(plan: str) -> bool:
    """Return whether the canonical JSON of a plan has waves with `promote: manual`."""
    try:
        section = _plan.decode(plan).waves
    except msgspec.DecodeError:
        return False
    return section is not None and section.promote == "manual"


def ranges(waves: Sequence[Ends], number: int, all_ids: Mapping[str, Range]) -> dict[str, Range]:
    """Return the ids of the wave `number`, from 1; `all_ids` are those of whole clusters."""
    # A wave begins after the end of the one before it, the first with the cluster's range.
    before = waves[number - 2] if number > 1 else {}
    return {
        name: (before[name] + 1 if name in before else all_ids[name][0], last)
        for name, last in waves[number - 1].items()
    }


def progress(database: Database, ids: Iterable[Range]) -> WaveProgress:
    """Query the wave that consists of these ranges of ids, one for each cluster."""
    open_targets = claimed = targets = 0
    successes: list[float] = []
    ends: list[float] = []
    for first, last in ids:
        (row,) = database.rows(_PROGRESS, Outcome.APPLIED.value, first, last)
        open_targets += row[0]
        claimed += row[1]
        targets += row[2]
        with database.decoding():
            success, end = codec.moment(row[3]), codec.moment(row[4])
        successes += [success] if success is not None else []
        ends += [end] if end is not None else []
    # A wave in which everything failed or was skipped has no success to count the pause from.
    over_at = max(successes or ends, default=None)
    return WaveProgress(open_targets, claimed, targets, over_at)
