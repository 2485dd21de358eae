"""Rows in DynamoDB's wire form, and back."""

from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.items import item_of, request, row_of
from pipeline.changes import Absent, Check, Compare, Either, Every, Key, Put, Update

VALUES = st.recursive(
    st.booleans() | st.integers(-(10**37), 10**37) | st.floats(1e-100, 1e100) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
KEY = Key("tasks", "media_1", "validate")


@given(st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=5))
def test_a_row_reads_back_as_it_was(row: dict[str, Any]) -> None:
    assert row_of(item_of(row)) == row
    assert [type(value) for value in row_of(item_of(row)).values()] == [type(value) for value in row.values()]


@given(st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=5))
def test_the_sdk_reads_the_same(row: dict[str, Any]) -> None:
    read = {name: TypeDeserializer().deserialize(value) for name, value in item_of(row).items()}
    assert set(read) == set(row)
    assert all(
        float(read[name]) == pytest.approx(float(value)) for name, value in row.items() if isinstance(value, int)
    )


def test_what_json_cannot_say_is_no_row() -> None:
    with pytest.raises(TypeError):
        item_of({"when": object()})


def test_an_update_names_everything_by_placeholder() -> None:
    condition = Every((Either((Compare("status", "=", "RUNNING"), Absent("task"))), Compare("epoch", "<", 3)))
    change = Update(KEY, condition, set={"status": "DONE", "position": 1.5}, add={"epoch": 1}, remove=("wakeAt",))
    assert request(change, "tasks") == {
        "TableName": "tasks",
        "Key": {"mediaId": {"S": "media_1"}, "task": {"S": "validate"}},
        "UpdateExpression": "SET #status = :0, #position = :1 ADD #epoch :2 REMOVE #wakeAt",
        "ConditionExpression": "((#status = :3 OR attribute_not_exists(#task)) AND #epoch < :4)",
        "ExpressionAttributeNames": {f"#{n}": n for n in ("status", "position", "epoch", "wakeAt", "task")},
        "ExpressionAttributeValues": {
            ":0": {"S": "DONE"},
            ":1": {"N": "1.5"},
            ":2": {"N": "1"},
            ":3": {"S": "RUNNING"},
            ":4": {"N": "3"},
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def test_what_is_empty_is_left_out() -> None:
    assert set(request(Put(KEY, {"n": 1}, Absent("task")), "t")) == {
        "TableName",
        "Item",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ReturnValuesOnConditionCheckFailure",
    }
    assert "UpdateExpression" not in request(Update(KEY), "t")
    assert "UpdateExpression" not in request(Check(KEY, Compare("n", "=", 1)), "t")
