"""Conditional writes as data, and what they mean.

A rule of the protocol is written once, as a `Change`; each store runs it. `holds` and `apply` are the meaning,
DynamoDB's: a comparison with an absent attribute is false, an update of an absent row creates it, ADD counts from zero.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Row = dict[str, Any]
Operator = Literal["=", "<", "<=", ">="]
_OPERATORS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Key:
    """Names a row: the media table has a hash key alone, the tasks table a range key as well."""

    table: Literal["media", "tasks"]
    hash: str
    range: str | None = None

    @property
    def attributes(self) -> dict[str, str]:
        """The key attributes as they are stored."""
        return {"id": self.hash} if self.range is None else {"mediaId": self.hash, "task": self.range}


@dataclass(frozen=True)
class Compare:
    """`name op value`."""

    name: str
    op: Operator
    value: int | str


@dataclass(frozen=True)
class Absent:
    """The attribute, and for a key attribute the row, is not there."""

    name: str


@dataclass(frozen=True)
class Every:
    """All terms hold."""

    terms: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Either:
    """At least one term holds."""

    terms: "tuple[Condition, ...]"


Condition = Compare | Absent | Every | Either


@dataclass(frozen=True)
class Put:
    """Write a whole row if the condition holds of the one that is there."""

    key: Key
    row: Row
    condition: Condition


@dataclass(frozen=True)
class Update:
    """Change attributes of a row if the condition holds; without a condition it creates the row when it is absent."""

    key: Key
    condition: Condition | None = None
    set: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """Write nothing, but let the transaction fail unless the condition holds."""

    key: Key
    condition: Condition


Change = Put | Update | Check

MOST_CHANGES = 100
"""DynamoDB's limit of a transaction."""


class RefusedError(Exception):
    """A condition did not hold, and nothing was written.

    `failed` maps the index of each refused change to the row found there (None if absent or not told).
    """

    def __init__(self, failed: Mapping[int, Row | None]) -> None:
        """Keep what was found."""
        super().__init__(f"refused: {sorted(failed)}")
        self.failed = failed


def ensure_runnable(changes: Sequence[Change]) -> None:
    """Raise ValueError for what cannot be one transaction: more than `MOST_CHANGES`, or one row twice."""
    if len(changes) > MOST_CHANGES:
        raise ValueError(f"{len(changes)} changes are more than the {MOST_CHANGES} of one transaction")
    if len({change.key for change in changes}) < len(changes):
        raise ValueError("a transaction changes no row twice")


def holds(condition: Condition | None, row: Row | None) -> bool:
    """Whether the condition is true of the row; `row` None is an absent one."""
    match condition:
        case None:
            return True
        case Compare(name, op, value):
            return row is not None and name in row and bool(_OPERATORS[op](row[name], value))
        case Absent(name):
            return row is None or name not in row
        case Every(terms):
            return all(holds(term, row) for term in terms)
        case Either(terms):
            return any(holds(term, row) for term in terms)


def apply(change: Change, row: Row | None) -> Row | None:
    """The row after the change, its condition taken as true."""
    match change:
        case Put(key, new, _):
            return {**new, **key.attributes}
        case Update(key, _, assigned, added, removed):
            old = row or {}
            sums = {name: old.get(name, 0) + by for name, by in added.items()}
            new = {**old, **assigned, **sums, **key.attributes}
            return {name: value for name, value in new.items() if name not in removed}
        case Check():
            return row
