"""One connection to one run file: transactions, queries, and errors as RunFileError."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from fleetpatch.journal import codec, sqlite_file
from fleetpatch.journal.codec import Row
from fleetpatch.journal.errors import DAMAGED, RESUME, as_run_file_error, run_file_error
from fleetpatch.journal.rows import UNREADABLE, Meta

WAL_LIMIT: Final = 64 * 2**20
"""Bytes of write-ahead log from which its content is moved into the file itself.

So large that most runs never reach it, since a copy that is made during a checkpoint is useless:
see "Copies" in `fleetpatch.journal.schema`. A commit of one outcome takes 8 KB, one of fifty 19 KB,
so it is reached after 8,000 to 170,000 targets.
"""


class Database:
    """An open SQLite connection whose errors are all RunFileError.

    `next_step` is the advice at the end of their messages (`fleetpatch.journal.errors`). The block
    of a transaction may use `connection` directly; its errors are converted as well. `outdated` is
    True for a copy of the file that lacks the latest transactions.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, outdated: bool = False
    ) -> None:
        self.path = path
        self.connection = connection
        self.outdated = outdated
        self.next_step = RESUME
        self._identity = ""
        self._in_snapshot = False
        self._meta: Meta | None = None
        self._cursors = WeakSet[sqlite3.Cursor]()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all changes of the block durably, or none of them."""
        with as_run_file_error(self.path, self.next_step):
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
        """Let all reads of the block see one state of the file, whatever is written meanwhile."""
        with as_run_file_error(self.path, self.next_step):
            self.connection.execute("BEGIN")
        self._in_snapshot = True
        try:
            yield
        finally:
            self._in_snapshot, self._meta = False, None
            with as_run_file_error(self.path, self.next_step):
                self.connection.execute("COMMIT")

    def rows(self, query: str, *parameters: Any) -> Iterator[Row]:
        """Stream the rows of a query.

        A reader may stop before the last row.
        """
        # Not `yield from`: when such a generator is collected, that would close the cursor, which
        # raises if the connection was closed before.
        with as_run_file_error(self.path, self.next_step):
            cursor = self.connection.execute(query, parameters)
            self._cursors.add(cursor)
            for row in cursor:  # noqa: UP028
                yield row

    def batches(self, query: str, size: int) -> Iterator[list[Row]]:
        """Yield the rows of a query in lists of up to `size`, to be read to their end."""
        with as_run_file_error(self.path, self.next_step):
            cursor = self.connection.execute(query)
            self._cursors.add(cursor)
            while rows := cursor.fetchmany(size):
                yield rows

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Convert what decoding in the block raises to RunFileError."""
        try:
            yield
        except UNREADABLE as error:
            raise run_file_error(self.path, DAMAGED) from error

    def meta(self) -> Meta:
        """Read and check all facts of the table `meta`; within a snapshot only once."""
        if self._meta is not None:
            return self._meta
        with self.decoding():
            found = codec.meta(dict(self.rows("SELECT key, value FROM meta")))
        self._meta = found if self._in_snapshot else None
        return found

    def put(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Set facts of `meta`, within a transaction."""
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts)

    def require(self, version: int) -> None:
        """Let no tool open the file that reads formats before `version` only.

        Within a transaction.
        """
        (current,) = self.connection.execute("PRAGMA user_version").fetchone()
        self.connection.execute(f"PRAGMA user_version = {max(current, version)}")

    def enter_wal_mode(self) -> None:
        """Switch to write-ahead logging, and store in the file which file that log belongs to."""
        with as_run_file_error(self.path, self.next_step):
            mode = self.connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        # Where SQLite cannot map shared memory it keeps the old mode and raises nothing.
        if mode != "wal":
            raise run_file_error(
                self.path, "its file system cannot share memory; use a --state-dir on a local disk"
            )
        self._identity = sqlite_file.identity(self.path)
        with self.transaction():
            self.put([("writing", self._identity)])
        self._checkpoint()

    def trim(self) -> None:
        """Move the write-ahead log into the file if it is longer than WAL_LIMIT."""
        with as_run_file_error(self.path, self.next_step):
            if sqlite_file.wal_of(self.path).stat().st_size > WAL_LIMIT:
                self._checkpoint()

    def close(self) -> None:
        """Leave a single file that can be copied and read anywhere, and close the connection.

        While another process reads, or after an error, the log stays beside the file, as after a
        crash; no data is lost.
        """
        try:
            # Empty for a file that was only read.
            if self._identity:
                with self.transaction():
                    self.put([("writing", 0)])
                self._identity = ""
                # The log can only be removed when all of it is in the file.
                self._checkpoint()
                self._leave_wal_mode()
        finally:
            self.disconnect()

    def disconnect(self) -> None:
        """Close the connection as it is, without writing anything."""
        # A cursor that was not read to its end keeps its read lock after the connection was closed,
        # until it is collected, since Python 3.12. An error's traceback may keep it for long.
        for cursor in list(self._cursors):
            cursor.close()
        self.connection.close()

    def _refuse_moved(self) -> None:
        """Raise RunFileError if another file is at the path now.

        SQLite would continue to write to the open file, which the next process would not find.
        """
        if self._identity and sqlite_file.identity(self.path) != self._identity:
            raise run_file_error(
                self.path,
                "was replaced while it was written; put the old file back, then resume the run",
            )

    def _checkpoint(self) -> None:
        """Move the log into the file; without effect while another process reads."""
        with as_run_file_error(self.path, self.next_step):
            # Without a timeout of 0 a reader would delay this by `BUSY_TIMEOUT`.
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self.connection.execute(f"PRAGMA busy_timeout = {sqlite_file.BUSY_TIMEOUT * 1000:.0f}")

    def _leave_wal_mode(self) -> None:
        with as_run_file_error(self.path, self.next_step):
            self.connection.execute("PRAGMA busy_timeout = 0")
            try:
                self.connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            except sqlite3.OperationalError as error:
                # Another process reads: the file stays in WAL mode, as after a crash.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
