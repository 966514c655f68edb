"""One connection to one run file: transactions, and rows with their errors explained."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from fleetpatch.journal import codec, files
from fleetpatch.journal.codec import Row
from fleetpatch.journal.errors import DAMAGED, RESUME, explained, fault
from fleetpatch.journal.rows import UNREADABLE, Meta

WAL_LIMIT: Final = 64 * 2**20
"""Bytes of write-ahead log from which its content is moved into the file itself.

So much that most runs never do it under way: see "Copies" in `fleetpatch.journal.schema`. A commit
of one outcome takes 8 KB, one of fifty 19 KB, so it is reached after 8,000 to 170,000 targets.
"""


class Database:
    """An open SQLite connection that raises RunFileError and nothing else.

    `then` is what its errors advise: see `fleetpatch.journal.errors`.

    A transaction's block may use `connection` itself; the transaction explains its errors.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, outdated: bool = False
    ) -> None:
        self.path = path
        self.connection = connection
        self.outdated = outdated
        self.then = RESUME
        self._identity = ""

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block is committed, durably, or none of it."""
        with explained(self.path, self.then):
            self._refuse_moved()
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that the block reads is of one moment, whatever a writer does meanwhile."""
        with explained(self.path, self.then):
            self.connection.execute("BEGIN")
        try:
            yield
        finally:
            with explained(self.path, self.then):
                self.connection.execute("COMMIT")

    def rows(self, query: str, *parameters: Any) -> Iterator[Row]:
        """Stream the rows of a query.

        Not by `yield from`: it would hand a half-read stream's end on to the cursor, whose `close`
        raises where the connection was closed before.
        """
        with explained(self.path, self.then):
            for row in self.connection.execute(query, parameters):  # noqa: UP028 # see above
                yield row

    @contextmanager
    def sensible(self) -> Iterator[None]:
        """Refuse the file where what the block decodes makes no sense."""
        try:
            yield
        except UNREADABLE as error:
            raise fault(self.path, DAMAGED) from error

    def meta(self) -> Meta:
        """All facts of the table `meta`, checked."""
        with self.sensible():
            return codec.meta(dict(self.rows("SELECT key, value FROM meta")))

    def put(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Set facts of `meta`, within a transaction."""
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts)

    def go_live(self) -> None:
        """Turn to write-ahead logging, and note in the file itself which file has that log."""
        with explained(self.path, self.then):
            mode = self.connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise fault(
                self.path, "its file system cannot share memory; use a --state-dir on a local disk"
            )
        self._identity = files.identity(self.path)
        with self.transaction():
            self.put([("writing", self._identity)])
        self._checkpoint()

    def trim(self) -> None:
        """Move the write-ahead log into the file once it is long and nobody reads by it."""
        with explained(self.path, self.then):
            if files.wal_of(self.path).stat().st_size > WAL_LIMIT:
                self._checkpoint()

    def close(self) -> None:
        """Leave one file behind that can be copied and read anywhere; then end the connection.

        With a reader still there, or after an error, the log stays beside the file and all is as
        after a crash: complete.
        """
        try:
            if self._identity:
                with self.transaction():
                    self.put([("writing", 0)])
                self._identity = ""
                self._checkpoint()
                self._leave_log()
        finally:
            self.connection.close()

    def _refuse_moved(self) -> None:
        """A file that was removed or moved away can be written, but not found again."""
        if self._identity and files.identity(self.path) != self._identity:
            raise fault(
                self.path,
                "was replaced while it was written; put the old file back, then resume the run",
            )

    def _checkpoint(self) -> None:
        """Do not wait for readers: while one is there, the log simply stays."""
        with explained(self.path, self.then):
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self.connection.execute(f"PRAGMA busy_timeout = {files.PATIENCE * 1000:.0f}")

    def _leave_log(self) -> None:
        with explained(self.path, self.then):
            self.connection.execute("PRAGMA busy_timeout = 0")
            try:
                self.connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
