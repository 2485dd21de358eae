"""What `ports.Records` lists, in which order, over every store; and its clock."""

import time
from uuid import uuid4

from pipeline.changes import Absent, Key, Put, Update
from pipeline.ports import Records
from pipeline.tasks import SHARDS
from tests.contract.rows import stored


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


def test_what_stands_so_is_found_in_the_whole_table(records: Records) -> None:
    base = uuid4().hex
    statuses = ("uploading", "uploaded", "processing", "ready", "rejected", "failed", "deleted")
    for number in range(21):
        row = {"status": statuses[number % 7], "text": "x" * 150_000}  # more than a page of DynamoDB
        records.write([Put(Key("media", f"media_{base}_{number:02}"), row, Absent("id"))])
    found = [row for row in records.standing(statuses[:3]) if base in row["id"]]
    assert sorted(int(row["id"][-2:]) % 7 for row in found) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found[0] == records.get(Key("media", found[0]["id"]))
