"""Rows and conditional writes in DynamoDB's wire form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from pipeline.changes import Absent, Check, Compare, Condition, Either, Every, Key, Put, Row, Update

Item = dict[str, Any]
"""Attribute values with their types: `{"size": {"N": "5"}}`."""


def item_of(row: Mapping[str, Any]) -> Item:
    """The item of a JSON-like row."""
    return {name: _typed(value) for name, value in row.items()}


def row_of(item: Mapping[str, Any]) -> Row:
    """The row of an item."""
    return {name: _plain(value) for name, value in item.items()}


def _typed(value: object) -> Item:
    match value:
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": repr(value)}  # the shortest text that reads back as the same number
        case str():
            return {"S": value}
        case list() | tuple():
            return {"L": [_typed(each) for each in value]}
        case Mapping():
            return {"M": item_of(value)}
        case None:
            return {"NULL": True}
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a row")


def _plain(typed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON can say
    [(kind, value)] = typed.items()
    match kind:
        case "N":
            return int(value) if value.lstrip("-").isdecimal() else float(value)
        case "L":
            return [_plain(each) for each in value]
        case "M":
            return row_of(value)
        case "NULL":
            return None
        case _:
            return value


@dataclass(frozen=True)
class _Terms:
    """Placeholders for the names and values of one request: attribute names may be reserved words."""

    names: dict[str, str] = field(default_factory=dict)
    values: Item = field(default_factory=dict)

    def name(self, name: str) -> str:
        placeholder = f"#{name}"
        self.names[placeholder] = name
        return placeholder

    def value(self, value: object) -> str:
        placeholder = f":{len(self.values)}"
        self.values[placeholder] = _typed(value)
        return placeholder

    def condition(self, condition: Condition) -> str:
        match condition:
            case Compare(name, op, value):
                return f"{self.name(name)} {op} {self.value(value)}"
            case Absent(name):
                return f"attribute_not_exists({self.name(name)})"
            case Every(terms):
                return f"({' AND '.join(map(self.condition, terms))})"
            case Either(terms):
                return f"({' OR '.join(map(self.condition, terms))})"
            case _:
                assert_never(condition)

    def update(self, change: Update) -> str:
        assigned = [f"{self.name(name)} = {self.value(value)}" for name, value in change.set.items()]
        added = [f"{self.name(name)} {self.value(by)}" for name, by in change.add.items()]
        removed = [self.name(name) for name in change.remove]
        clauses = {"SET": assigned, "ADD": added, "REMOVE": removed}
        return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)


def request(change: Put | Update | Check, table: str) -> dict[str, Any]:
    """The parameters of PutItem, UpdateItem or a transaction's ConditionCheck that are this change.

    A refusal tells the row that was found.
    """
    terms = _Terms()
    parts: dict[str, Any] = {
        "TableName": table,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "Item" if isinstance(change, Put) else "Key": _target(change),
        "UpdateExpression": terms.update(change) if isinstance(change, Update) else "",
        "ConditionExpression": terms.condition(change.condition) if change.condition else "",
        "ExpressionAttributeNames": terms.names,
        "ExpressionAttributeValues": terms.values,
    }
    return {name: value for name, value in parts.items() if value}


def key_of(key: Key) -> Item:
    """The key attributes as an item."""
    return item_of(key.attributes)


def _target(change: Put | Update | Check) -> Item:
    return item_of({**change.row, **change.key.attributes}) if isinstance(change, Put) else key_of(change.key)
