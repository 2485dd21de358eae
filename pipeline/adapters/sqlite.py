"""Records in SQLite: one file for the threads and processes of one machine, or `:memory:` for one process.

A row is a JSON document; what is searched for is read off it by generated columns. Conditions are evaluated by
`changes.holds` inside a write transaction, so they mean exactly what they mean in DynamoDB.

Threads that write at the same time share one commit, and with it the one flush to the disk that makes it durable.
"""

import json
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pipeline.adapters.sqlite_turns import Turn, read
from pipeline.changes import Change, Key, Row, Update, ensure_runnable
from pipeline.errors import UnavailableError

MEMORY = ":memory:"

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


@dataclass(frozen=True)
class SqliteRecords:
    """The `Records` port; tables are made where they are missing.

    Threads may share it: connections are opened as they are needed and kept for the next who asks; memory has exactly
    one. A file is first opened when it is first used, so a process may fork before that, not after.
    """

    path: Path | str
    _idle: deque[sqlite3.Connection] = field(default_factory=deque, repr=False, compare=False)
    _turns: deque[Turn] = field(default_factory=deque, repr=False, compare=False)
    _writing: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def __post_init__(self) -> None:
        """An in-memory database lives as long as its one connection: everybody waits for that one."""
        if str(self.path) == MEMORY:
            self._idle.append(self._connect())

    def now(self) -> int:
        """The machine's clock: all who use the file share it."""
        return time.time_ns() // 1_000_000

    def get(self, key: Key) -> Row | None:
        """The row, as the last commit left it."""
        with self._connection() as connection:
            return read(connection, key)

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
        with self._writing, self._transaction():
            pass

    def expire(self) -> int:
        """Delete task rows whose `expiresAt` (s since the epoch) has passed, some at a time; returns how many.

        DynamoDB does this by itself; here one write in a hundred does it.
        """
        with self._writing, self._transaction() as connection:
            return self._expire(connection)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; an exception rolls back what was begun on it."""
        with self._writing if str(self.path) == MEMORY else nullcontext():
            try:
                connection = self._take()
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.rollback()
                    self._idle.append(connection)
            except sqlite3.OperationalError as error:  # locked for too long, disk full, file out of reach
                raise UnavailableError(f"sqlite: {error}") from error

    def _run(self, changes: Sequence[Change]) -> list[Row | None]:
        """Wait for the lock; whoever has it runs the transactions of all who wait, and commits them at once."""
        ensure_runnable(changes)
        turn = Turn(changes)
        self._turns.append(turn)
        with self._writing:
            if not turn.over:
                self._commit()
        if turn.error is not None:
            raise turn.error
        return turn.rows

    def _commit(self) -> None:
        turns: list[Turn] = []
        try:
            with self._transaction() as connection:
                for turn in self._waiting():
                    turns.append(turn)
                    turn.run(connection)
                if random.random() < _EXPIRY_CHANCE:  # noqa: S311 - only spreads the work
                    self._expire(connection)
        except BaseException as error:
            # Refusals among them may have been for what has now not happened: nobody knows anything.
            turns.extend(self._waiting())
            for turn in turns:
                turn.error = UnavailableError(str(error))
            if not isinstance(error, UnavailableError):
                raise
        finally:
            for turn in turns:
                turn.over = True

    def _waiting(self) -> Iterator[Turn]:
        """Those who wait now; who comes later is not waited for."""
        for _ in range(len(self._turns)):
            yield self._turns.popleft()

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
            return self._idle.pop()
        except IndexError:
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
