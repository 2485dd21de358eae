"""What `ports.Records` promises, over every store."""

import time
from collections.abc import Sequence
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
from pipeline.tasks import SHARDS
from tests.contract.conftest import at_once

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


def test_sixteen_threads_count_exactly(records: Records) -> None:
    key = fresh("position")
    drawn = at_once(THREADS, lambda _: [records.update(Update(key, add={"next": 1}))["next"] for _ in range(10)])
    assert sorted(number for numbers in drawn for number in numbers) == list(range(1, THREADS * 10 + 1))


def test_one_of_sixteen_creates_the_row(records: Records) -> None:
    for _ in range(5):
        change = put(fresh(), Absent("task"), v=1)
        assert winners(records, [change]) == 1


def test_one_of_sixteen_moves_a_version_on(records: Records) -> None:
    key, other = stored(records, fresh(), version=0), fresh()
    for version in range(5):
        step: list[Change] = [
            Update(key, Compare("version", "=", version), set={"version": version + 1}),
            Update(other, add={"moves": 1}),
        ]
        assert winners(records, step) == 1
    assert records.get(other) == {"moves": 5} | other.attributes


def test_transactions_on_the_same_rows_lose_nothing(records: Records) -> None:
    here, there = fresh(), fresh()

    def work(_: int) -> None:
        for _ in range(10):
            records.write([Update(here, add={"n": 1}), Update(there, add={"n": -1})])

    at_once(8, work)
    assert records.get(here) == {"n": 80} | here.attributes
    assert records.get(there) == {"n": -80} | there.attributes


def winners(records: Records, changes: Sequence[Change]) -> int:
    """How many of sixteen threads were not refused the changes they all tried at once."""

    def won(_: int) -> bool:
        try:
            records.write(changes)
        except RefusedError:
            return False
        return True

    return at_once(THREADS, won).count(True)


def test_tasks_of_one_media_come_by_key_whatever_their_size(records: Records) -> None:
    media_id = f"media_{uuid4().hex}"
    names = ["validate", "upload", "transcode#0010", "transcode#0009", "record#ready#0"]
    for name in names:
        stored(records, Key("tasks", media_id, name), text="x" * 300_000)
    stored(records, Key("tasks", media_id + "0", "other"), v=1)
    assert [row["task"] for row in records.tasks(media_id)] == sorted(names)
    assert all(len(row["text"]) == 300_000 for row in records.tasks(media_id))


def test_the_wake_index_lists_exactly_what_is_owed_earliest_first(records: Records) -> None:
    media_id, base = f"media_{uuid4().hex}", 4_000_000_000_000

    def listed(shard: int, before: int, limit: int = 100) -> list[str]:
        return [row["task"] for row in records.overdue(shard, base + before, limit) if row["mediaId"] == media_id]

    for shard, wake in ((0, 30), (0, 10), (0, 20), (1, 5), (0, 40)):
        stored(records, Key("tasks", media_id, f"t{wake}"), wakeShard=shard, wakeAt=base + wake, queue="light")
    stored(records, Key("tasks", media_id, "asleep"), status="DONE")
    assert listed(0, 30) == ["t10", "t20", "t30"]
    assert [row["task"] for row in records.overdue(0, base + 30, 9, base + 20)] == ["t20", "t30"]
    assert records.overdue(0, base + 30, 9, base + 31) == []
    assert listed(1, 30) == ["t5"]
    assert [listed(shard, 99) for shard in range(2, SHARDS)] == [[]] * (SHARDS - 2)
    records.update(Update(Key("tasks", media_id, "t20"), set={"status": "DONE"}, remove=("wakeAt", "wakeShard")))
    records.update(Update(Key("tasks", media_id, "t10"), set={"wakeAt": base + 35}))
    assert listed(0, 40) == ["t30", "t10", "t40"]
    for wake in (30, 35, 40):
        records.update(Update(Key("tasks", media_id, f"t{wake if wake != 35 else 10}"), remove=("wakeAt", "wakeShard")))
    assert listed(0, 99) == []


def test_the_wake_index_gives_no_more_than_asked_and_whole_rows(records: Records) -> None:
    media_id, shard = f"media_{uuid4().hex}", 900 + uuid4().int % 10**6
    for wake in range(30):
        stored(records, Key("tasks", media_id, f"t{wake:02}"), wakeShard=shard, wakeAt=wake, text="x" * 100_000)
    rows = records.overdue(shard, 100, 25)
    assert [row["wakeAt"] for row in rows] == list(range(25))
    assert rows[0] == records.get(Key("tasks", media_id, "t00"))


def test_the_index_of_dead_letters_lists_them_all_earliest_first(records: Records) -> None:
    media_id, shard = f"media_{uuid4().hex}", 900 + uuid4().int % 10**6
    for died in (30, 10, 20):
        stored(records, Key("tasks", media_id, f"t{died}"), deadShard=shard, deadAt=died, text="x" * 390_000)
    stored(records, Key("tasks", media_id, "alive"), wakeShard=shard, wakeAt=1)
    stored(records, Key("tasks", media_id, "elsewhere"), deadShard=shard + 1, deadAt=1)
    assert [row["task"] for row in records.dead(shard)] == ["t10", "t20", "t30"]
    assert next(iter(records.dead(shard))) == records.get(Key("tasks", media_id, "t10"))
    records.update(Update(Key("tasks", media_id, "t20"), remove=("deadAt", "deadShard")))
    assert [row["task"] for row in records.dead(shard)] == ["t10", "t30"]


def test_a_project_is_listed_in_order_page_by_page(records: Records) -> None:
    project, ids = f"p{uuid4().hex}", [f"media_{uuid4().hex}" for _ in range(12)]
    for position, media_id in enumerate(ids):
        row = {"projectId": project, "position": position, "text": "x" * 200_000}
        records.write([Put(Key("media", media_id), row, Absent("id"))])
    records.write(
        [Put(Key("media", f"media_{uuid4().hex}"), {"projectId": project + "0", "position": 3}, Absent("id"))]
    )
    records.update(Update(Key("media", ids[4]), remove=("position",)))
    expected = [position for position in range(12) if position != 4]
    assert [row["position"] for row in records.project(project, -1, 100)] == expected
    assert [row["id"] for row in records.project(project, 2, 3)] == [ids[3], ids[5], ids[6]]
    assert records.project(project, 11, 3) == []


def test_the_clock_is_about_right(records: Records) -> None:
    records.ping()
    assert abs(records.now() - time.time() * 1000) < 2500
    first = records.now()
    assert records.now() >= first
