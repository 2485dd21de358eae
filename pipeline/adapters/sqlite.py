"""Records in SQLite: one file for the threads and processes of one machine, or `:memory:` for one process.

A row is a JSON document; what is searched for is read off it by generated columns. Conditions are evaluated by
`changes.holds` inside a write transaction, so they mean exactly what they mean in DynamoDB.
"""

import json
import random
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, cast

from pipeline.changes import Change, Check, Key, RefusedError, Row, Update, apply, ensure_runnable, holds
from pipeline.errors import PermanentError, UnavailableError

MEMORY = ":memory:"
MOST_BYTES = 400 * 1024
"""DynamoDB's limit of an item, kept here so that nothing works on a laptop only."""

_BUSY_SECONDS = 5.0
_EXPIRY_CHANCE = 0.01
_EXPIRY_BATCH = 1000

# synchronous = FULL, not the NORMAL that is usual with WAL: NORMAL may lose the last commits when the power fails, and
# an upload that was answered with 201 must not be lost. fullfsync does on macOS what fsync does elsewhere.
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA checkpoint_fullfsync = ON;
CREATE TABLE IF NOT EXISTS media (
    id TEXT PRIMARY KEY,
    row TEXT NOT NULL,
    projectId TEXT AS (json_extract(row, '$.projectId')),
    position INTEGER AS (json_extract(row, '$.position'))
);
CREATE INDEX IF NOT EXISTS project ON media (projectId, position) WHERE position IS NOT NULL;
CREATE TABLE IF NOT EXISTS tasks (
    mediaId TEXT,
    task TEXT,
    row TEXT NOT NULL,
    wakeShard INTEGER AS (json_extract(row, '$.wakeShard')),
    wakeAt INTEGER AS (json_extract(row, '$.wakeAt')),
    expiresAt INTEGER AS (json_extract(row, '$.expiresAt')),
    PRIMARY KEY (mediaId, task)
);
CREATE INDEX IF NOT EXISTS wake ON tasks (wakeShard, wakeAt) WHERE wakeAt IS NOT NULL;
CREATE INDEX IF NOT EXISTS expiry ON tasks (expiresAt) WHERE expiresAt IS NOT NULL;
CREATE INDEX IF NOT EXISTS dead ON tasks (json_extract(row, '$.deadShard'), json_extract(row, '$.deadAt'))
    WHERE json_extract(row, '$.deadShard') IS NOT NULL;
CREATE INDEX IF NOT EXISTS leased ON tasks (json_extract(row, '$.projectId'), json_extract(row, '$.leaseUntil'))
    WHERE json_extract(row, '$.leaseUntil') IS NOT NULL;
"""
# Written as the indexes have it, or SQLite would not use them. They are on expressions because files from before them
# have no such columns.
_LEASED = """
SELECT row FROM tasks
WHERE json_extract(row, '$.projectId') = ?
AND json_extract(row, '$.leaseUntil') > ? AND json_extract(row, '$.leaseUntil') IS NOT NULL
"""
_DEAD = """
SELECT row FROM tasks
WHERE json_extract(row, '$.deadShard') = ? AND json_extract(row, '$.deadShard') IS NOT NULL
ORDER BY json_extract(row, '$.deadAt')
"""
_READ = {
    "media": "SELECT row FROM media WHERE id = ?",
    "tasks": "SELECT row FROM tasks WHERE mediaId = ? AND task = ?",
}
_STORE = {
    "media": "INSERT INTO media (id, row) VALUES (?, ?) ON CONFLICT DO UPDATE SET row = excluded.row",
    "tasks": "INSERT INTO tasks (mediaId, task, row) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET row = excluded.row",
}


@dataclass(frozen=True)
class SqliteRecords:
    """The `Records` port; tables are made where they are missing.

    Threads may share it: connections are opened as they are needed and kept for the next who asks; memory has exactly
    one. A file is first opened when it is first used, so a process may fork before that, not after.
    """

    path: Path | str
    _idle: LifoQueue[sqlite3.Connection] = field(default_factory=LifoQueue, repr=False, compare=False)

    def __post_init__(self) -> None:
        """An in-memory database lives as long as its one connection: everybody waits for that one."""
        if str(self.path) == MEMORY:
            self._idle.put(self._connect())

    def now(self) -> int:
        """The machine's clock: all who use the file share it."""
        return time.time_ns() // 1_000_000

    def get(self, key: Key) -> Row | None:
        """The row, as the last commit left it."""
        with self._connection() as connection:
            return _read(connection, key)

    def update(self, change: Update) -> Row:
        """Run one change and return the new row."""
        return cast("Row", self._run([change])[0])

    def write(self, changes: Sequence[Change]) -> None:
        """Run all changes or none."""
        self._run(changes)

    def tasks(self, media_id: str) -> list[Row]:
        """Every task row of one media, by range key."""
        return self._rows("SELECT row FROM tasks WHERE mediaId = ? ORDER BY task", media_id)

    def overdue(self, shard: int, before: int, limit: int, after: int = 0) -> list[Row]:
        """Rows of the wake index that are due, earliest first."""
        sql = "SELECT row FROM tasks WHERE wakeShard = ? AND wakeAt BETWEEN ? AND ? ORDER BY wakeAt LIMIT ?"
        return self._rows(sql, shard, after, before, limit)

    def leased(self, project_id: str, after: int) -> Iterator[Row]:
        """The project's rows whose lease lasts longer than that."""
        return iter(self._rows(_LEASED, project_id, after))

    def dead(self, shard: int) -> Iterator[Row]:
        """Every row of the dead-letter index, earliest first."""
        return iter(self._rows(_DEAD, shard))

    def standing(self, statuses: Collection[str]) -> Iterator[Row]:
        """Media rows of these statuses."""
        marks = ", ".join("?" for _ in statuses)
        sql = f"SELECT row FROM media WHERE json_extract(row, '$.status') IN ({marks})"  # noqa: S608 - only marks go in
        return iter(self._rows(sql, *map(str, statuses)))

    def project(self, project_id: str, after: int, limit: int) -> list[Row]:
        """Media rows of a project behind the position, in order."""
        sql = "SELECT row FROM media WHERE projectId = ? AND position > ? ORDER BY position LIMIT ?"
        return self._rows(sql, project_id, after, limit)

    def ping(self) -> None:
        """Return if the file can be written now."""
        with self._transaction():
            pass

    def expire(self) -> int:
        """Delete task rows whose `expiresAt` (s since the epoch) has passed, some at a time; returns how many.

        DynamoDB does this by itself; here one write in a hundred does it.
        """
        with self._transaction() as connection:
            return self._expire(connection)

    def close(self) -> None:
        """Close the idle connections."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; an exception rolls back what was begun on it."""
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.rollback()
                self._idle.put(connection)
        except sqlite3.OperationalError as error:  # locked for too long, disk full, file out of reach
            raise UnavailableError(f"sqlite: {error}") from error

    def _run(self, changes: Sequence[Change]) -> list[Row | None]:
        ensure_runnable(changes)
        with self._transaction() as connection:
            found = [_read(connection, change.key) for change in changes]
            pairs = list(zip(changes, found, strict=True))
            failed = {index: row for index, (change, row) in enumerate(pairs) if not holds(change.condition, row)}
            if failed:
                raise RefusedError(failed)
            rows = [apply(change, row) for change, row in pairs]
            for change, row in zip(changes, rows, strict=True):
                if not isinstance(change, Check):
                    _store(connection, change.key, row)
            if random.random() < _EXPIRY_CHANCE:  # noqa: S311 - only spreads the work
                self._expire(connection)
        return rows

    def _expire(self, connection: sqlite3.Connection) -> int:
        sql = "DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM tasks WHERE expiresAt <= ? LIMIT ?)"
        return connection.execute(sql, (self.now() // 1000, _EXPIRY_BATCH)).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")  # takes the write lock before reading, so that what was read holds
            yield connection
            connection.execute("COMMIT")

    def _rows(self, sql: str, *values: object) -> list[Row]:
        with self._connection() as connection:
            return [json.loads(row) for (row,) in connection.execute(sql, values)]

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.get(block=str(self.path) == MEMORY)
        except Empty:
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, _BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                connection.executescript(_SCHEMA)
            except sqlite3.OperationalError:
                # The first switch of a file to WAL does not wait for others who do the same: SQLITE_BUSY at once.
                if time.monotonic() > deadline:
                    connection.close()
                    raise
                time.sleep(0.01)
            else:
                return connection


def _read(connection: sqlite3.Connection, key: Key) -> Row | None:
    found = connection.execute(_READ[key.table], tuple(key.attributes.values())).fetchone()
    return None if found is None else cast("dict[str, Any]", json.loads(found[0]))


def _store(connection: sqlite3.Connection, key: Key, row: Row | None) -> None:
    text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if len(text.encode()) > MOST_BYTES:
        raise PermanentError("record_too_large", "There is more to say about this file than can be kept.")
    connection.execute(_STORE[key.table], (*key.attributes.values(), text))
