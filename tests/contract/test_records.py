"""What `ports.Records` promises, over every store: rows, conditions, transactions."""

from itertools import combinations
from uuid import uuid4

import pytest

from pipeline.changes import (
    Absent,
    Change,
    Check,
    Compare,
    Condition,
    Either,
    Every,
    Key,
    Put,
    RefusedError,
    Row,
    Update,
    holds,
)
from pipeline.errors import PermanentError
from pipeline.ports import Records
from tests.contract.rows import fresh, put, refused, stored


def test_an_absent_row_is_none(records: Records) -> None:
    assert records.get(fresh()) is None
    assert records.get(Key("media", "media_none")) is None


def test_a_row_comes_back_as_it_was_written(records: Records) -> None:
    row = {
        "text": "Žluťoučký kůň 🐎 'quoted' \"twice\" \\ \n",
        "empty": "",
        "int": 2**53,
        "below": -1,
        "fraction": 29.97002997002997,
        "tiny": 1e-7,
        "yes": True,
        "no": False,
        "list": [1, "a", [], {}],
        "map": {"width": 640, "deep": {"er": [0.1, False]}, "é": 1},
    }
    key = stored(records, fresh(), **row)
    found = records.get(key)
    assert found == row | key.attributes
    assert found is not None
    assert type(found["int"]) is int
    assert type(found["yes"]) is bool


@pytest.mark.parametrize("name", ["é/ü 'a' \"b\" % \\", 'object#media/projects/p/ä b.jpg@"etag"', "😀" * 100])
def test_keys_are_any_text(records: Records, name: str) -> None:
    key = Key("tasks", f"{uuid4().hex}{name}", name)
    stored(records, key, n=1)
    assert records.get(key) == {"n": 1, "mediaId": key.hash, "task": name}
    assert records.tasks(key.hash) == [records.get(key)]


def test_the_tables_are_apart(records: Records) -> None:
    key = Key("media", f"media_{uuid4().hex}")
    records.write([Put(key, {"status": "uploading"}, Absent("id"))])
    assert records.get(key) == {"id": key.hash, "status": "uploading"}
    assert records.tasks(key.hash) == []


def test_an_update_creates_the_row_and_returns_all_of_it(records: Records) -> None:
    key = fresh()
    created = records.update(Update(key, set={"status": "PENDING", "size": 5}, add={"epoch": 2}, remove=("gone",)))
    assert created == {"status": "PENDING", "size": 5, "epoch": 2} | key.attributes
    changed = records.update(Update(key, set={"status": "DONE"}, add={"epoch": -3}, remove=("size",)))
    assert changed == {"status": "DONE", "epoch": -1} | key.attributes == records.get(key)


def test_a_put_replaces_the_whole_row(records: Records) -> None:
    key = stored(records, fresh(), old=1, both=1)
    stored(records, key, both=2)
    assert records.get(key) == {"both": 2} | key.attributes


FIVES: tuple[Condition, ...] = tuple(Compare("n", op, value) for op in ("=", "<", "<=", ">=") for value in (4, 5, 6))
SINGLE: tuple[Condition, ...] = (
    *FIVES,
    Compare("word", "=", "a"),
    Compare("missing", "<", 9),
    Absent("n"),
    Absent("missing"),
    Absent("task"),
)
CONDITIONS = (
    *SINGLE,
    *map(Every, combinations(SINGLE[-5:], 2)),
    *map(Either, combinations(SINGLE[-5:], 2)),
    Every((Either((Absent("n"), Absent("missing"))), Compare("n", "<", 6))),
)


@pytest.mark.parametrize("row", [None, {"n": 5, "word": "a"}, {"word": "b"}], ids=["absent", "both", "one"])
def test_conditions_mean_what_holds_says(records: Records, row: Row | None) -> None:
    for condition in CONDITIONS:
        key = fresh()
        there = None
        if row is not None:
            there = row | stored(records, key, **row).attributes
        for change in (Check(key, condition), Update(key, condition, set={"seen": 1})):
            if holds(condition, there):
                records.write([change])
            else:
                assert refused(records, [change]) == {0: there}, condition


def test_a_refused_update_tells_what_it_found(records: Records) -> None:
    key = stored(records, fresh(), epoch=3, status="RUNNING")
    with pytest.raises(RefusedError) as refusal:
        records.update(Update(key, Compare("epoch", "=", 2), set={"status": "DONE"}))
    assert refusal.value.failed == {0: {"epoch": 3, "status": "RUNNING"} | key.attributes}
    assert records.get(key) == refusal.value.failed[0]


def test_a_refused_transaction_names_each_change_and_writes_nothing(records: Records) -> None:
    kept, gone, new, created = stored(records, fresh(), v=1), fresh(), fresh(), fresh()
    media = Key("media", f"media_{uuid4().hex}")
    failed = refused(
        records,
        [
            put(new, v=1),
            Update(kept, Compare("v", "=", 2), set={"v": 3}),
            Update(created, set={"v": 1}),
            Check(gone, Compare("v", "=", 1)),
            Put(media, {"v": 1}, Absent("id")),
            put(fresh(), Compare("v", "=", 1), v=2),
        ],
    )
    assert failed == {1: {"v": 1} | kept.attributes, 3: None, 5: None}
    assert records.get(kept) == {"v": 1} | kept.attributes
    assert [records.get(key) for key in (new, created, media)] == [None] * 3


def test_a_transaction_writes_all_and_a_check_nothing(records: Records) -> None:
    media, task, checked = Key("media", f"media_{uuid4().hex}"), fresh(), stored(records, fresh(), v=1)
    records.write([Put(media, {"v": 1}, Absent("id")), Update(task, set={"v": 2}), Check(checked, Absent("x"))])
    assert records.get(media) == {"id": media.hash, "v": 1}
    assert records.get(task) == {"v": 2} | task.attributes
    assert records.get(checked) == {"v": 1} | checked.attributes


def test_a_hundred_changes_are_one_transaction(records: Records) -> None:
    media_id = f"media_{uuid4().hex}"
    keys = [Key("tasks", media_id, f"transcode#{number:04}") for number in range(101)]
    records.write([put(key, Absent("task"), v=1) for key in keys[:100]])
    assert [row["task"] for row in records.tasks(media_id)] == [key.range for key in keys[:100]]
    with pytest.raises(ValueError, match="100"):
        records.write([Update(key, set={"v": 2}) for key in keys])
    assert all(row["v"] == 1 for row in records.tasks(media_id))


def test_no_row_twice_in_a_transaction(records: Records) -> None:
    key = fresh()
    with pytest.raises(ValueError, match="twice"):
        records.write([put(key, v=1), Check(key, Absent("v"))])
    assert records.get(key) is None


def test_a_row_is_whole_or_refused_never_cut(records: Records) -> None:
    key = stored(records, fresh(), text="ü" * 190_000)
    whole = records.get(key)
    assert whole is not None
    assert whole["text"] == "ü" * 190_000
    other = fresh()
    alone: list[Change] = [put(key, text="ü" * 210_000)]
    together: list[Change] = [put(other, v=1), Update(key, set={"more": "a" * 50_000})]
    for changes in (alone, together):
        with pytest.raises(PermanentError) as refusal:
            records.write(changes)
        assert refusal.value.reason == "record_too_large"
    assert records.get(key) == whole
    assert records.get(other) is None
