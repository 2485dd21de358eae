"""The two DynamoDB tables, as `darkroom setup` makes them and as an operator may declare them elsewhere."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pipeline.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Attributes = dict[str, str]
"""DynamoDB's types by attribute, the hash key first."""

_FILLING = 600.0
"""Seconds to wait for an index that is added to a table: DynamoDB makes one at a time."""


def create_tables(client: "DynamoDBClient", media_table: str, tasks_table: str) -> None:
    """Create the tables where missing, on demand capacity, and wait until they can be used.

    Existing ones get the indexes that they lack. All are sparse: only rows that are owed have `wakeShard` and `wakeAt`,
    only rows with a lease have `leaseUntil`, only dead letters `deadShard` and `deadAt`, and deleted media have no
    `position`.
    """
    _create(client, media_table, {"id": "S"}, {"project": {"projectId": "S", "position": "N"}})
    of_tasks = {
        "wake": {"wakeShard": "N", "wakeAt": "N"},
        "leased": {"projectId": "S", "leaseUntil": "N"},
        "dead": {"deadShard": "N", "deadAt": "N"},
    }
    _create(client, tasks_table, {"mediaId": "S", "task": "S"}, of_tasks)
    _expire(client, tasks_table, "expiresAt")


def _create(client: "DynamoDBClient", table: str, key: Attributes, indexes: dict[str, Attributes]) -> None:
    with suppress(client.exceptions.ResourceInUseException):  # it is there, or being made by somebody else
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=_definitions(key, *indexes.values()),
            KeySchema=_schema(key),
            GlobalSecondaryIndexes=[_index(name, by) for name, by in indexes.items()],
        )
    _wait(client, table)
    there = {each["IndexName"] for each in client.describe_table(TableName=table)["Table"]["GlobalSecondaryIndexes"]}
    for name in indexes.keys() - there:
        client.update_table(
            TableName=table,
            AttributeDefinitions=_definitions(key, *indexes.values()),
            GlobalSecondaryIndexUpdates=[{"Create": _index(name, indexes[name])}],
        )
        _wait(client, table)


def _wait(client: "DynamoDBClient", table: str) -> None:
    """Until the table and its indexes can be used; filling an index of a large table takes its time."""
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    deadline = time.monotonic() + _FILLING
    while not _filled(client, table):
        if time.monotonic() > deadline:
            raise UnavailableError(f"dynamodb: an index of {table} is still being filled; run the set-up again later")
        time.sleep(0.5)


def _filled(client: "DynamoDBClient", table: str) -> bool:
    indexes = client.describe_table(TableName=table)["Table"]["GlobalSecondaryIndexes"]
    return all(index["IndexStatus"] == "ACTIVE" for index in indexes)


def _definitions(*named: Attributes) -> Any:  # noqa: ANN401 - a list of the stubs' typed dicts
    return [{"AttributeName": name, "AttributeType": kind} for each in named for name, kind in each.items()]


def _index(name: str, by: Attributes) -> Any:  # noqa: ANN401 - one of the stubs' typed dicts
    return {"IndexName": name, "KeySchema": _schema(by), "Projection": {"ProjectionType": "ALL"}}


def _schema(key: Attributes) -> Any:  # noqa: ANN401 - a list of the stubs' typed dicts
    return [{"AttributeName": name, "KeyType": role} for name, role in zip(key, ("HASH", "RANGE"), strict=False)]


def _expire(client: "DynamoDBClient", table: str, attribute: str) -> None:
    description = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if description.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        specification: Any = {"Enabled": True, "AttributeName": attribute}
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)
