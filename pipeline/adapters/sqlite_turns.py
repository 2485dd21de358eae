"""One transaction among those of the SQLite records that share a commit: what it reads, decides and writes."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from pipeline.changes import Change, Check, Key, RefusedError, Row, apply, holds
from pipeline.errors import PermanentError

MOST_BYTES = 400 * 1024
"""DynamoDB's limit of an item, kept here so that nothing works on a laptop only."""

_READ = {
    "media": "SELECT row FROM media WHERE id = ?",
    "tasks": "SELECT row FROM tasks WHERE mediaId = ? AND task = ?",
}
_STORE = {
    "media": "INSERT INTO media (id, row) VALUES (?, ?) ON CONFLICT DO UPDATE SET row = excluded.row",
    "tasks": "INSERT INTO tasks (mediaId, task, row) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET row = excluded.row",
}
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(eq=False)
class Turn:
    """One transaction, and how it ended: with the rows after it, or with an error."""

    changes: Sequence[Change]
    rows: list[Row | None] = field(default_factory=list)
    error: Exception | None = None
    over: bool = False

    def run(self, connection: sqlite3.Connection) -> None:
        """Write all or nothing; what is wrong with this one alone must not keep others from being committed."""
        try:
            self.rows, texts = self._outcome(connection)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - raised to whoever asked
            self.error = error
            return
        for change, text in zip(self.changes, texts, strict=True):
            if text is not None:
                connection.execute(_STORE[change.key.table], (*_names(change.key), text))

    def _outcome(self, connection: sqlite3.Connection) -> tuple[list[Row | None], list[str | None]]:
        keys = [change.key for change in self.changes]
        names = [name for key in keys for name in _names(key)]
        (texts,) = connection.execute(_reading(tuple(key.table for key in keys)), names)
        found: list[Row | None] = [None if text is None else json.loads(text) for text in texts]
        pairs = list(zip(self.changes, found, strict=True))
        failed = {index: row for index, (change, row) in enumerate(pairs) if not holds(change.condition, row)}
        if failed:
            raise RefusedError(failed)
        rows = [apply(change, row) for change, row in pairs]
        return rows, [
            None if isinstance(change, Check) else _text(row) for change, row in zip(self.changes, rows, strict=True)
        ]


def read(connection: sqlite3.Connection, key: Key) -> Row | None:
    """One row as it is."""
    found = connection.execute(_READ[key.table], _names(key)).fetchone()
    return None if found is None else cast("dict[str, Any]", json.loads(found[0]))


@lru_cache(maxsize=64)
def _reading(tables: tuple[str, ...]) -> str:
    """One statement for the rows of a transaction: each lets go of the interpreter several times."""
    return f"SELECT {', '.join(f'({_READ[table]})' for table in tables)}"


def _names(key: Key) -> tuple[str, ...]:
    return (key.hash,) if key.range is None else (key.hash, key.range)


def _text(row: Row | None) -> str:
    text = _ENCODER.encode(row)
    if len(text.encode()) > MOST_BYTES:
        raise PermanentError("record_too_large", "There is more to say about this file than can be kept.")
    return text
