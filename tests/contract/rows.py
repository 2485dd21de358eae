"""Rows of one test's own, and what is refused of them."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from pipeline.changes import Absent, Change, Condition, Either, Key, Put, RefusedError, Row
from pipeline.ports import Records

ANYTHING = Either((Absent("task"), Absent("nothing")))
THREADS = 16


def fresh(task: str = "validate") -> Key:
    return Key("tasks", f"media_{uuid4().hex}", task)


def put(key: Key, condition: Condition = ANYTHING, **row: object) -> Put:
    return Put(key, dict(row), condition)


def stored(records: Records, key: Key, **row: object) -> Key:
    records.write([Put(key, dict(row), ANYTHING)])
    return key


def refused(records: Records, changes: Sequence[Change]) -> dict[int, Row | None]:
    with pytest.raises(RefusedError) as refusal:
        records.write(changes)
    return dict(refusal.value.failed)
