"""The two DynamoDB tables, as `darkroom setup` makes them and as an operator may declare them elsewhere."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def create_tables(client: "DynamoDBClient", media_table: str, tasks_table: str) -> None:
    """Create the tables where missing, on demand capacity, and wait until they can be used.

    Existing ones stay as they are. The wake index is sparse: only rows that are owed have `wakeShard` and `wakeAt`.
    Deleted media have no `position`, so the project index does not list them.
    """
    _create(client, media_table, {"id": "S"}, "project", {"projectId": "S", "position": "N"})
    _create(client, tasks_table, {"mediaId": "S", "task": "S"}, "wake", {"wakeShard": "N", "wakeAt": "N"})
    _expire(client, tasks_table, "expiresAt")


def _create(client: "DynamoDBClient", table: str, key: dict[str, Any], index: str, by: dict[str, Any]) -> None:
    with suppress(client.exceptions.ResourceInUseException):  # it is there, or being made by somebody else
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in (key | by).items()],
            KeySchema=_schema(key),
            GlobalSecondaryIndexes=[
                {"IndexName": index, "KeySchema": _schema(by), "Projection": {"ProjectionType": "ALL"}}
            ],
        )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def _schema(key: dict[str, Any]) -> Any:  # noqa: ANN401 - a list of the stubs' typed dicts
    return [{"AttributeName": name, "KeyType": role} for name, role in zip(key, ("HASH", "RANGE"), strict=False)]


def _expire(client: "DynamoDBClient", table: str, attribute: str) -> None:
    description = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if description.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        specification: Any = {"Enabled": True, "AttributeName": attribute}
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)
