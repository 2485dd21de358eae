"""Records in DynamoDB: two tables, conditional writes, transactions."""

import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipeline.adapters import aws, dynamodb_http
from pipeline.adapters.aws import Account
from pipeline.adapters.dynamodb_http import AnswerError, DynamoHttp
from pipeline.adapters.items import item_of, key_of, request, row_of
from pipeline.changes import Change, Check, Key, Put, RefusedError, Row, Update, ensure_runnable
from pipeline.errors import PermanentError, UnavailableError

# What `dynamodb_http` does not repeat: two writers met. Seconds; each is shortened by up to half, so that they part.
_PAUSES = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 0.64)
_CONTENTION = frozenset({"TransactionConflictException", "TransactionInProgressException"})
_PASSING_REASONS = frozenset({"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


def connect(media_table: str, tasks_table: str, account: Account | None = None) -> "DynamoRecords":
    """Records in the tables of the account, else of the one that the environment says.

    Threads may share it; a process that forks must connect afterwards.
    """
    return DynamoRecords(dynamodb_http.connect(account or aws.account()), media_table, tasks_table)


@dataclass(frozen=True)
class DynamoRecords:
    """The `Records` port."""

    http: DynamoHttp
    media_table: str
    tasks_table: str

    def now(self) -> int:
        """The store's clock, by its replies."""
        if self.http.clock.offset is None:
            self.ping()
        return self.http.clock.now() or time.time_ns() // 1_000_000  # no reply had a date: the machine's clock must do

    def get(self, key: Key) -> Row | None:
        """The row, read consistently."""
        found = self._call("GetItem", TableName=self._table(key), Key=key_of(key), ConsistentRead=True)
        return row_of(found["Item"]) if "Item" in found else None

    def update(self, change: Update) -> Row:
        """Run one change and return the new row."""
        wanted = request(change, self._table(change.key))
        return row_of(self._call("UpdateItem", **wanted, ReturnValues="ALL_NEW")["Attributes"])

    def write(self, changes: Sequence[Change]) -> None:
        """Run all changes or none; a single one needs no transaction, which costs twice as much."""
        ensure_runnable(changes)
        match changes:
            case [Put() as change]:
                self._call("PutItem", **request(change, self._table(change.key)))
            case [Update() as change]:
                self._call("UpdateItem", **request(change, self._table(change.key)))
            case _:
                items = [{_verb(change): request(change, self._table(change.key))} for change in changes]
                self._call("TransactWriteItems", TransactItems=items)

    def tasks(self, media_id: str) -> list[Row]:
        """Every task row of one media, by range key, read consistently."""
        return list(self._query(self.tasks_table, "mediaId = :a", {":a": media_id}, ConsistentRead=True))

    def overdue(self, shard: int, before: int, limit: int, after: int = 0) -> list[Row]:
        """Rows of the wake index that are due, earliest first."""
        if after > before:  # which BETWEEN would call an error
            return []
        values, due = {":a": shard, ":b": after, ":c": before}, "wakeShard = :a AND wakeAt BETWEEN :b AND :c"
        rows = self._query(self.tasks_table, due, values, IndexName="wake", Limit=limit)
        return list(islice(rows, limit))

    def leased(self, project_id: str, after: int) -> Iterator[Row]:
        """The project's rows whose lease lasts longer than that."""
        values, live = {":a": project_id, ":b": after}, "projectId = :a AND leaseUntil > :b"
        return self._query(self.tasks_table, live, values, IndexName="leased")

    def dead(self, shard: int) -> Iterator[Row]:
        """Every row of the dead-letter index, earliest first."""
        return self._query(self.tasks_table, "deadShard = :a", {":a": shard}, IndexName="dead")

    def standing(self, statuses: Collection[str]) -> Iterator[Row]:
        """Media rows of these statuses, by a scan."""
        names, values = {"#s": "status"}, {f":s{number}": status for number, status in enumerate(map(str, statuses))}
        return self._pages(
            "Scan",
            TableName=self.media_table,
            FilterExpression=f"#s IN ({', '.join(values)})",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=item_of(values),
        )

    def project(self, project_id: str, after: int, limit: int) -> list[Row]:
        """Media rows of a project behind the position, in order."""
        values, names = {":a": project_id, ":b": after}, {"#p": "position"}
        rows = self._query(
            self.media_table,
            "projectId = :a AND #p > :b",
            values,
            IndexName="project",
            Limit=limit,
            ExpressionAttributeNames=names,
        )
        return list(islice(rows, limit))

    def ping(self) -> None:
        """Return if both tables can be read now."""
        self.get(Key("media", "ping"))
        self.get(Key("tasks", "ping", "ping"))

    def _table(self, key: Key) -> str:
        return self.media_table if key.table == "media" else self.tasks_table

    def _query(self, table: str, condition: str, values: Row, **options: object) -> Iterator[Row]:
        wanted = {"TableName": table, "KeyConditionExpression": condition, "ExpressionAttributeValues": item_of(values)}
        return self._pages("Query", **wanted, **options)

    def _pages(self, operation: str, **wanted: object) -> Iterator[Row]:
        """Rows page by page: a page ends at 1 MB, whatever the limit."""
        page: Mapping[str, Any] = {"LastEvaluatedKey": None}
        while "LastEvaluatedKey" in page:
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if page["LastEvaluatedKey"] else {}
            page = self._call(operation, **wanted, **start)
            yield from map(row_of, page["Items"])

    def _call(self, operation: str, **wanted: object) -> Mapping[str, Any]:
        """Ask, and again after a pause while other writers are in the way."""
        for pause in (*_PAUSES, None):
            try:
                return self.http.call(operation, wanted)
            except AnswerError as error:
                if not _passing(error) or pause is None:
                    raise _translated(error) from error
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
        raise AssertionError("the last attempt returns or raises")


def _verb(change: Change) -> str:
    return "ConditionCheck" if isinstance(change, Check) else type(change).__name__


def _reasons(error: AnswerError) -> list[dict[str, Any]]:
    """Why a transaction was cancelled, change by change; empty for other errors."""
    reasons: list[dict[str, Any]] = error.document.get("CancellationReasons", [])
    return reasons


def _passing(error: AnswerError) -> bool:
    """Whether nothing but other writers, or their number, stood in the way."""
    codes = {reason["Code"] for reason in _reasons(error)}
    return error.code in _CONTENTION or (bool(codes) and codes <= _PASSING_REASONS)


def _translated(error: AnswerError) -> Exception:
    """Our error for DynamoDB's.

    Whatever the operator has to mend (credentials, a missing table) is `UnavailableError`: no file is to blame.
    """
    code, reasons = error.code, _reasons(error)
    text = " ".join([str(error), *(reason.get("Message", "") for reason in reasons)])
    if code == "ConditionalCheckFailedException":
        reasons = [{"Code": "ConditionalCheckFailed", "Item": error.document.get("Item")}]
    failed = {
        index: row_of(reason["Item"]) if reason.get("Item") else None
        for index, reason in enumerate(reasons)
        if reason["Code"] == "ConditionalCheckFailed"
    }
    if failed:
        return RefusedError(failed)
    if code == "ValidationException" or any(reason["Code"] == "ValidationError" for reason in reasons):
        if "size" in text:
            return PermanentError("record_too_large", "There is more to say about this file than can be kept.")
        return ValueError(f"dynamodb: {text}")
    return UnavailableError(f"dynamodb: {text}")
