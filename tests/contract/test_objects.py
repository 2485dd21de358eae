"""What `ports.ObjectStore` promises, over a real S3."""

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.adapters.s3 import PART_SIZE, S3Objects
from pipeline.adapters.wire import Buffer
from pipeline.errors import AlreadyStoredError, ChangedError, LeaseLostError, NotFoundError
from pipeline.ports import Label
from tests.contract.conftest import at_once

JPEG = Label("image/jpeg")
MIB = 1024 * 1024


def always() -> None:
    """Hold the lease for ever."""


def open_uploads(objects: S3Objects, prefix: str) -> list[str]:
    return [
        each["Key"]
        for each in objects.client.list_multipart_uploads(Bucket=objects.bucket, Prefix=prefix).get("Uploads", [])
    ]


def test_an_object_comes_back_as_it_was_put(objects: S3Objects, prefix: str, tmp_path: Path) -> None:
    label = Label("image/png", {"projectid": "p", "name": "Žluť 100% 🐎"}, "max-age=1", "attachment")
    key = f"{prefix}ü 'a' + b%20&c=1#d.png"
    etag = objects.put(key, b"some bytes", label)
    found = objects.head(key)
    assert found is not None
    assert (found.size, found.etag, found.mime_type) == (10, etag, "image/png")
    assert found.facts == label.facts
    assert found.generation == etag
    assert objects.read(key, 4, etag) == b"some"
    assert objects.read(key, 4096, etag) == b"some bytes"
    objects.fetch(key, tmp_path / "copy", etag)
    assert (tmp_path / "copy").read_bytes() == b"some bytes"
    head = objects.client.head_object(Bucket=objects.bucket, Key=key)
    assert (head["CacheControl"], head["ContentDisposition"]) == ("max-age=1", "attachment")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bodies_are_any_memory(objects: S3Objects, prefix: str, kind: Callable[[bytes], bytes]) -> None:
    content = os.urandom(5 * MIB + 7)  # more than any answer in words may have
    etag = objects.put(f"{prefix}a", kind(content), JPEG)
    assert objects.read(f"{prefix}a", len(content) + 1, etag) == content


def test_what_is_missing_is_told_apart(objects: S3Objects, prefix: str, tmp_path: Path) -> None:
    assert objects.head(f"{prefix}no") is None
    with pytest.raises(NotFoundError) as missing:
        objects.fetch(f"{prefix}no", tmp_path / "no")
    assert missing.value.reason == "object_missing"
    with pytest.raises(NotFoundError):
        objects.read(f"{prefix}no", 5, '"e"')
    assert list(tmp_path.iterdir()) == []


def test_another_object_than_the_one_accepted_is_told(objects: S3Objects, prefix: str, tmp_path: Path) -> None:
    objects.put(f"{prefix}a", b"replaced", JPEG)
    other = '"00000000000000000000000000000000"'
    with pytest.raises(ChangedError) as changed:
        objects.fetch(f"{prefix}a", tmp_path / "a", other)
    assert changed.value.reason == "object_changed"
    with pytest.raises(ChangedError):
        objects.read(f"{prefix}a", 5, other)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_object_has_no_bytes(objects: S3Objects, prefix: str, tmp_path: Path) -> None:
    etag = objects.put(f"{prefix}empty", b"", JPEG)
    assert objects.read(f"{prefix}empty", 4096, etag) == b""
    objects.fetch(f"{prefix}empty", tmp_path / "empty", etag)
    assert (tmp_path / "empty").read_bytes() == b""


def test_fetching_never_writes_over_a_file(objects: S3Objects, prefix: str, tmp_path: Path) -> None:
    objects.put(f"{prefix}a", b"new", JPEG)
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        objects.fetch(f"{prefix}a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_key_is_written_once(objects: S3Objects, prefix: str, tmp_path: Path) -> None:
    etag = objects.put(f"{prefix}a", b"first", JPEG)
    (tmp_path / "a").write_bytes(b"second")
    with pytest.raises(AlreadyStoredError):
        objects.put(f"{prefix}a", b"second", JPEG)
    with pytest.raises(AlreadyStoredError):
        objects.store(f"{prefix}a", tmp_path / "a", JPEG, always)
    upload = objects.begin(f"{prefix}a", JPEG)
    part = objects.put_part(f"{prefix}a", upload, 1, b"second")
    with pytest.raises(AlreadyStoredError):
        objects.complete(f"{prefix}a", upload, [part])
    assert objects.read(f"{prefix}a", 99, etag) == b"first"


def test_one_of_sixteen_puts_wins(objects: S3Objects, prefix: str) -> None:
    def won(me: int) -> str | None:
        try:
            return objects.put(f"{prefix}a", f"I am {me}".encode(), JPEG)
        except AlreadyStoredError:
            return None

    etags = [etag for etag in at_once(16, won) if etag]
    found = objects.head(f"{prefix}a")
    assert found is not None
    assert etags == [found.etag]


@pytest.mark.parametrize("size", [0, 5, PART_SIZE, PART_SIZE + 1, 2 * PART_SIZE + 5])
def test_files_of_any_size_are_stored_whole(objects: S3Objects, prefix: str, tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(os.urandom(size))
    label = Label("video/mp4", {"a": "b"})
    asked: list[int] = []
    stored = objects.store(f"{prefix}a", tmp_path / "a", label, lambda: asked.append(1))
    assert stored == objects.head(f"{prefix}a")
    assert (stored.size, stored.mime_type, stored.facts) == (size, "video/mp4", {"a": "b"})
    assert len(asked) == (1 if size <= PART_SIZE else 2 + -(-size // PART_SIZE))
    objects.fetch(f"{prefix}a", tmp_path / "copy", stored.etag)
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "a").read_bytes()
    with pytest.raises(AlreadyStoredError):
        objects.store(f"{prefix}a", tmp_path / "a", label, always)
    assert open_uploads(objects, prefix) == []


def test_nothing_is_written_without_the_lease(objects: S3Objects, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(2 * PART_SIZE))
    for allowances in range(4):  # the lease ends before the upload begins, a part is sent, or it is completed
        left = iter(range(allowances))

        def allowed(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise LeaseLostError

        with pytest.raises(LeaseLostError):
            objects.store(f"{prefix}a", tmp_path / "a", JPEG, allowed)
        assert objects.head(f"{prefix}a") is None
        assert open_uploads(objects, prefix) == []


def test_parts_become_one_object(objects: S3Objects, prefix: str) -> None:
    upload = objects.begin(f"{prefix}a", Label("video/mp4", {"fact": "1"}))
    content = os.urandom(5 * MIB)
    pieces: list[Buffer] = [content, bytearray(content), memoryview(b"the tail")]
    parts = at_once(3, lambda n: objects.put_part(f"{prefix}a", upload, n + 1, pieces[n]))
    assert [part.number for part in parts] == [1, 2, 3]
    assert all(part.crc for part in parts)
    etag = objects.complete(f"{prefix}a", upload, iter(parts))
    found = objects.head(f"{prefix}a")
    assert found is not None
    assert (found.size, found.etag) == (10 * MIB + 8, etag)
    assert (found.mime_type, found.facts) == ("video/mp4", {"fact": "1"})
    assert objects.complete(f"{prefix}a", upload, parts) == etag, "completing again is told the same"


def test_an_aborted_upload_is_gone(objects: S3Objects, prefix: str) -> None:
    upload = objects.begin(f"{prefix}a", JPEG)
    part = objects.put_part(f"{prefix}a", upload, 1, b"x")
    objects.abort(f"{prefix}a", upload)
    objects.abort(f"{prefix}a", upload)
    with pytest.raises(NotFoundError):
        objects.put_part(f"{prefix}a", upload, 2, b"x")
    with pytest.raises(NotFoundError):
        objects.complete(f"{prefix}a", upload, [part])
    assert objects.head(f"{prefix}a") is None


def test_a_purge_takes_everything_under_its_prefix_and_nothing_else(objects: S3Objects, prefix: str) -> None:
    names = [f"{prefix}media_1/{number}" for number in range(1050)]  # more than a page
    at_once(16, lambda me: [objects.put(name, b"x", JPEG) for name in names[me::16]])
    for name in ("open", "nested/open"):
        objects.put_part(f"{prefix}media_1/{name}", objects.begin(f"{prefix}media_1/{name}", JPEG), 1, b"x")
    objects.put(f"{prefix}media_10/kept", b"x", JPEG)
    kept = objects.begin(f"{prefix}media_10/open", JPEG)
    assert objects.purge(f"{prefix}media_1/") == 1052
    assert objects.purge(f"{prefix}media_1/") == 0
    assert open_uploads(objects, f"{prefix}media_1") == [f"{prefix}media_10/open"]
    assert objects.head(f"{prefix}media_10/kept") is not None
    assert objects.head(names[0]) is None
    objects.abort(f"{prefix}media_10/open", kept)


def test_a_listing_has_every_object_of_its_prefix_and_those_of_a_deeper_one_together(
    objects: S3Objects, prefix: str
) -> None:
    names = [f"{prefix}media/m{number % 3}/{number:04}-ü" for number in range(1050)]  # more than a page
    at_once(16, lambda me: [objects.put(name, b"x" * len(str(me)), JPEG) for name in names[me::16]])
    objects.put(f"{prefix}media/m", b"", JPEG)
    objects.put(f"{prefix}media/m0-", b"1234567", JPEG)
    listed = list(objects.list(f"{prefix}media/"))
    assert sorted(each.key for each in listed) == sorted([*names, f"{prefix}media/m", f"{prefix}media/m0-"])
    assert {each.key: each.size for each in listed}[f"{prefix}media/m0-"] == 7
    homes = [each.key.rpartition("/")[0] for each in listed if each.key in names]
    assert sum(one != other for one, other in pairwise(homes)) == 2
    assert [each.key for each in objects.list(f"{prefix}media/m0-")] == [f"{prefix}media/m0-"]
    assert list(objects.list(f"{prefix}none/")) == []


def test_open_uploads_are_listed_until_they_end(objects: S3Objects, prefix: str) -> None:
    begun = {name: objects.begin(f"{prefix}{name}", JPEG) for name in ("a", "b", "c/d")}
    objects.put_part(f"{prefix}a", begun["a"], 1, b"x")
    assert {(each.key, each.id) for each in objects.uploads(prefix)} == {
        (f"{prefix}{name}", upload) for name, upload in begun.items()
    }
    part = objects.put_part(f"{prefix}b", begun["b"], 1, b"x")
    objects.complete(f"{prefix}b", begun["b"], [part])
    objects.abort(f"{prefix}a", begun["a"])
    assert [each.key for each in objects.uploads(prefix)] == [f"{prefix}c/d"]
    objects.abort(f"{prefix}c/d", begun["c/d"])
    assert list(objects.uploads(prefix)) == []
