"""One connection to one run file: transactions, queries, and errors as RunFileError."""

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

So large that most runs never reach it, since a copy that is made during a checkpoint is useless:
see "Copies" in `fleetpatch.journal.schema`. A commit of one outcome takes 8 KB, one of fifty 19 KB,
so it is reached after 8,000 to 170,000 targets.
"""


class Database:
    """An open SQLite connection whose errors are all RunFileError.

    `then` is the advice that ends their messages: see `fleetpatch.journal.errors`. The block of a
    transaction may use `connection` directly; its errors are converted as well.
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
        """Commit all of the block durably, or nothing of it."""
        with explained(self.path, self.then):
            self._refuse_moved()
            # Takes the write lock now: a deferred transaction could fail after it has read.
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
        """Let the block read a single state of the file, whatever is written meanwhile."""
        with explained(self.path, self.then):
            self.connection.execute("BEGIN")
        try:
            yield
        finally:
            with explained(self.path, self.then):
                self.connection.execute("COMMIT")

    def rows(self, query: str, *parameters: Any) -> Iterator[Row]:
        """Stream the rows of a query.

        Not by `yield from`, which closes the cursor with a generator that was not read to its end:
        that raises where the connection was closed before.
        """
        with explained(self.path, self.then):
            for row in self.connection.execute(query, parameters):  # noqa: UP028 # see above
                yield row

    @contextmanager
    def sensible(self) -> Iterator[None]:
        """Raise RunFileError where the block cannot decode what the file holds."""
        try:
            yield
        except UNREADABLE as error:
            raise fault(self.path, DAMAGED) from error

    def meta(self) -> Meta:
        """Read and check all facts of the table `meta`."""
        with self.sensible():
            return codec.meta(dict(self.rows("SELECT key, value FROM meta")))

    def put(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Set facts of `meta`, within a transaction."""
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts)

    def go_live(self) -> None:
        """Switch to write-ahead logging, and store in the file which file that log belongs to."""
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
        """Move the write-ahead log into the file once it is longer than WAL_LIMIT."""
        with explained(self.path, self.then):
            if files.wal_of(self.path).stat().st_size > WAL_LIMIT:
                self._checkpoint()

    def close(self) -> None:
        """Leave a single file that can be copied and read anywhere, and close the connection.

        While another process reads, or after an error, the log stays beside the file, as after a
        crash. Nothing is lost then.
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
        """Raise RunFileError where the path no longer leads to the open file.

        SQLite would go on writing to it, but the next process would not find what it wrote.
        """
        if self._identity and files.identity(self.path) != self._identity:
            raise fault(
                self.path,
                "was replaced while it was written; put the old file back, then resume the run",
            )

    def _checkpoint(self) -> None:
        """Move the log into the file. Readers are not waited for: while there is one, it stays."""
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
