"""What S3 tells of new objects, as it writes it, and whose they are."""

import json
from typing import Any

import pytest

from pipeline.notices import Arrival, Rule, project_of, read


def record(key: str, name: str = "ObjectCreated:Put", sequencer: str = "0A", etag: str = "e") -> dict[str, Any]:
    stored = {"key": key, "size": 5, "eTag": etag, "sequencer": sequencer}
    return {"eventName": name, "s3": {"bucket": {"name": "b"}, "object": stored}}


def message(*records: object) -> str:
    return json.dumps({"Records": records})


def test_keys_are_form_encoded() -> None:
    [arrival] = read(message(record("in/Ferien+am+Meer/%C3%A4%2B.jpg")))
    assert arrival == Arrival("b", "in/Ferien am Meer/ä+.jpg", '"e"', "0A")


@pytest.mark.parametrize("name", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_every_way_to_make_an_object_counts(name: str) -> None:
    assert len(read(message(record("a", f"ObjectCreated:{name}")))) == 1
    assert len(read(message(record("a", f"s3:ObjectCreated:{name}")))) == 1


def test_other_events_do_not() -> None:
    assert read(message(record("a", "ObjectRemoved:Delete"), record("b", "ObjectRestore:Completed"))) == []
    assert read(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})) == []


def test_of_one_key_the_newest_is_told() -> None:
    told = [record("a", sequencer="0055AED6DCD9", etag="new"), record("a", sequencer="0055AED6DC", etag="old")]
    assert {each.key: each.etag for each in read(message(*told, record("b")))} == {"a": '"new"', "b": '"e"'}


def test_a_message_may_come_by_sns() -> None:
    wrapped = json.dumps({"Type": "Notification", "Message": message(record("a"))})
    assert [each.key for each in read(wrapped)] == ["a"]


@pytest.mark.parametrize(
    "body",
    [
        *("", "x", "[]", "{}", '{"Records": 5}', '{"Records": [5]}'),
        message({"eventName": "ObjectCreated:Put"}),
        message({"eventName": "ObjectCreated:Put", "s3": {"bucket": 5, "object": {}}}),
    ],
)
def test_what_is_no_such_message_is_an_error(body: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever way it is none
        read(body)


RULES = (Rule("in/", "everything"), Rule("in/special/", "special"), Rule("drop/{projectId}/files/"))


@pytest.mark.parametrize(
    ("key", "project"),
    [
        ("in/a.jpg", "everything"),
        ("in/special/a.jpg", "special"),
        ("in/", None),
        ("drop/holiday/files/a/b.jpg", "holiday"),
        ("drop/holiday/files/", None),
        ("drop/holiday/a.jpg", None),
        ("drop/a b/files/a.jpg", None),
        ("elsewhere/in/a.jpg", None),
    ],
)
def test_the_longest_prefix_says_whose_it_is(key: str, project: str | None) -> None:
    assert project_of(RULES, Arrival("ours", key, '"e"', ""), "ours") == project


def test_a_rule_is_of_its_bucket() -> None:
    rules = (Rule("in/", "own"), Rule("", "cameras", "camera-uploads"), Rule("in/", "named", "ours"))
    places = (("ours", "in/a.jpg"), ("camera-uploads", "in/a.jpg"), ("camera-uploads", "a.jpg"), ("others", "in/a.jpg"))
    found = [project_of(rules[:2], Arrival(bucket, key, '"e"', ""), "ours") for bucket, key in places]
    assert found == ["own", "cameras", "cameras", None]
    assert project_of(rules[2:], Arrival("ours", "in/a.jpg", '"e"', ""), "ours") == "named"
