"""What a run file keeps of the plan's tables: the rows of some, and the keys that have no row.

It is written before the seal and read by later processes: `where` is asked again after a conflict,
and the files of the tables may have changed.
"""

from collections.abc import Iterable

from fleetpatch.journal.runfile import RunFile


def tables_of(run: RunFile) -> bytes:
    """Return the tables that `where` looks up, as they were noted; empty if there are none."""
    found = next(iter(run.database.rows("SELECT content FROM tables")), None)
    return bytes(found[0]) if found else b""


def note_tables(run: RunFile, content: bytes) -> None:
    """Store the tables that `where` looks up; before the seal only."""
    with run.database.transaction() as connection:
        connection.execute("INSERT INTO tables VALUES (?)", (content,))


def missing_keys_of(run: RunFile) -> list[tuple[str, str, int]]:
    """Return table, key and number of lookups of each key without a row, as they were noted."""
    rows = run.database.rows("SELECT name, key, count FROM missing_keys ORDER BY rowid")
    return [(str(name), str(key), int(count)) for name, key, count in rows]


def note_missing_keys(run: RunFile, keys: Iterable[tuple[str, str, int]]) -> None:
    """Store the keys that expressions looked up and did not find; before the seal only."""
    with run.database.transaction() as connection:
        connection.executemany("INSERT INTO missing_keys VALUES (?, ?, ?)", keys)
