"""What is DynamoDB's alone: lost replies, writers that meet, a store that is away, its clock and its tables."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest

from pipeline.adapters import dynamodb
from pipeline.adapters.dynamodb import DynamoRecords
from pipeline.adapters.tables import create_tables
from pipeline.changes import Absent, Change, Compare, Key, RefusedError, Update
from pipeline.errors import UnavailableError
from tests.backends import Backend
from tests.contract.conftest import MEDIA, TASKS, opened
from tests.contract.flaky import Canned, Fate, Flaky, flaky

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(params=["dynamodb_ministack", "dynamodb_local"])
def backend(request: pytest.FixtureRequest) -> Backend:
    server: Backend = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def proxy(backend: Backend) -> Iterator[Flaky]:
    with flaky(backend.url) as proxy:
        yield proxy


@pytest.fixture
def records(backend: Backend, proxy: Flaky) -> DynamoRecords:
    records = opened({**backend.env, "AWS_ENDPOINT_URL_DYNAMODB": proxy.url})
    records.ping()
    proxy.seen.clear()
    return records


@pytest.fixture
def client(backend: Backend) -> "DynamoDBClient":
    """The SDK's, for what the adapter has no use for."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in backend.env.items():
            patch.setenv(name, value)
        return boto3.client("dynamodb")


def fresh() -> Key:
    return Key("tasks", f"media_{uuid4().hex}", "validate")


def cancelled(*codes: str) -> Canned:
    """The reply to a transaction that these reasons cancelled."""
    reasons = [{"Code": code} for code in codes]
    kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    return Canned(400, json.dumps({"__type": kind, "CancellationReasons": reasons}).encode())


def error(kind: str, status: int = 400) -> Canned:
    return Canned(status, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{kind}"}).encode())


def both(one: Key, other: Key) -> list[Change]:
    return [Update(one, add={"n": 1}), Update(other, Absent("never"), add={"n": 1})]


def test_a_transaction_whose_reply_was_lost_runs_once(records: DynamoRecords, proxy: Flaky) -> None:
    one, other = fresh(), fresh()
    proxy.spoil(Fate.LOST, "TransactWriteItems")
    records.write(both(one, other))
    assert len(proxy.seen) == 2
    assert records.get(one) == {"n": 1} | one.attributes


def test_a_write_whose_replies_were_all_lost_is_unavailable_and_was_run(records: DynamoRecords, proxy: Flaky) -> None:
    one, other = fresh(), fresh()
    proxy.spoil(Fate.LOST, "TransactWriteItems", times=3)
    with pytest.raises(UnavailableError):
        records.write(both(one, other))
    assert records.get(other) == {"n": 1} | other.attributes


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_writers_that_meet_try_again(records: DynamoRecords, proxy: Flaky, reason: str) -> None:
    one, other = fresh(), fresh()
    proxy.spoil(cancelled("None", reason), "TransactWriteItems", times=3)
    records.write(both(one, other))
    assert len(proxy.seen) == 4
    assert records.get(one) == {"n": 1} | one.attributes


def test_a_single_write_that_meets_a_transaction_tries_again(records: DynamoRecords, proxy: Flaky) -> None:
    key = fresh()
    proxy.spoil(error("TransactionConflictException"), "UpdateItem", times=2)
    assert records.update(Update(key, add={"n": 1}))["n"] == 1


def test_writers_that_keep_meeting_are_unavailable_in_the_end(
    records: DynamoRecords, proxy: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb, "_PAUSES", (0.01, 0.01))
    proxy.spoil(cancelled("TransactionConflict", "None"), "TransactWriteItems", times=9)
    with pytest.raises(UnavailableError):
        records.write(both(fresh(), fresh()))
    assert len(proxy.seen) == 3


def test_a_condition_that_failed_beside_a_conflict_is_a_refusal(records: DynamoRecords, proxy: Flaky) -> None:
    proxy.spoil(cancelled("TransactionConflict", "ConditionalCheckFailed"), "TransactWriteItems")
    with pytest.raises(RefusedError) as refusal:
        records.write(both(fresh(), fresh()))
    assert refusal.value.failed == {1: None}


@pytest.mark.parametrize(
    "reply",
    [
        error("ProvisionedThroughputExceededException"),
        error("ThrottlingException"),
        error("InternalServerError", 500),
        error("ResourceNotFoundException"),
        error("AccessDeniedException"),
        error("ExpiredTokenException"),
    ],
    ids=["throughput", "throttled", "broken", "no table", "denied", "expired"],
)
def test_what_no_file_is_to_blame_for_is_unavailable(records: DynamoRecords, proxy: Flaky, reply: Canned) -> None:
    proxy.spoil(reply, "GetItem", times=3)
    with pytest.raises(UnavailableError):
        records.get(fresh())


def test_a_short_outage_is_not_noticed(records: DynamoRecords, proxy: Flaky) -> None:
    proxy.spoil(Fate.REFUSED, "GetItem")
    proxy.spoil(error("InternalServerError", 500), "GetItem")
    assert records.get(fresh()) is None


def test_a_store_that_is_away_is_unavailable_soon(backend: Backend) -> None:
    with flaky(backend.url) as gone:
        records = opened({**backend.env, "AWS_ENDPOINT_URL_DYNAMODB": gone.url})
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        records.update(Update(fresh(), Compare("epoch", "=", 1), set={"n": 1}))
    assert time.monotonic() - begun < 12


def test_the_clock_is_the_stores_not_the_machines(records: DynamoRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 300 * 10**9)
    assert abs(records.now() - real() / 1e6) < 2500


def test_tables_are_made_once_and_as_declared(backend: Backend, client: "DynamoDBClient") -> None:
    create_tables(client, MEDIA, TASKS)
    tasks = client.describe_table(TableName=TASKS)["Table"]
    assert tasks["TableStatus"] == "ACTIVE"
    assert {index["IndexName"] for index in tasks["GlobalSecondaryIndexes"]} == {"wake", "leased", "dead"}
    assert tasks["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    expiry = client.describe_time_to_live(TableName=TASKS)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "expiresAt"
    assert backend.url


def test_tables_from_before_an_index_get_it(records: DynamoRecords, client: "DynamoDBClient") -> None:
    media, tasks = f"media-{uuid4().hex}", f"tasks-{uuid4().hex}"
    definitions = {"mediaId": "S", "task": "S", "wakeShard": "N", "wakeAt": "N"}
    client.create_table(
        TableName=tasks,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in definitions.items()],  # type: ignore[typeddict-item]
        KeySchema=[{"AttributeName": "mediaId", "KeyType": "HASH"}, {"AttributeName": "task", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "wake",
                "KeySchema": [
                    {"AttributeName": "wakeShard", "KeyType": "HASH"},
                    {"AttributeName": "wakeAt", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    create_tables(client, media, tasks)
    old = replace(records, media_table=media, tasks_table=tasks)
    old.update(Update(Key("tasks", "media_1", "poster"), set={"deadShard": 3, "deadAt": 5}))
    assert [row["task"] for row in old.dead(3)] == ["poster"]
    create_tables(client, media, tasks)
