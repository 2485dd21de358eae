"""What `ports.ObjectStore` promises, over a real S3; and what happens when S3 does something and cannot say so."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from pipeline.adapters import s3 as adapter
from pipeline.adapters.bodies import Buffer
from pipeline.adapters.s3 import PART_SIZE, S3Objects
from pipeline.errors import AlreadyStoredError, ChangedError, LeaseLostError, NotFoundError, UnavailableError
from pipeline.ports import Label
from tests.backends import Backend
from tests.contract.conftest import at_once, connected
from tests.contract.flaky import Canned, Fate, Flaky, flaky
from tests.proxy import Proxy

JPEG = Label("image/jpeg")
MIB = 1024 * 1024


@pytest.fixture
def proxy(s3: Backend) -> Iterator[Flaky]:
    with flaky(s3.url) as proxy:
        yield proxy


@pytest.fixture
def shaky(s3: Backend, proxy: Flaky, monkeypatch: pytest.MonkeyPatch) -> S3Objects:
    """The store through a proxy that loses what the test tells it to."""
    monkeypatch.setattr(adapter, "_PAUSES", (0.01, 0.01))
    return connected({**s3.env, "AWS_ENDPOINT_URL_S3": proxy.url})


@pytest.fixture
def prefix() -> str:
    return f"projects/p-{uuid4().hex}/"


def always() -> None:
    """Hold the lease for ever."""


def error(code: str, status: int) -> Canned:
    return Canned(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


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
    content = os.urandom(3 * MIB + 7)
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


def test_a_put_whose_reply_was_lost_is_known_by_its_checksum(shaky: S3Objects, proxy: Flaky, prefix: str) -> None:
    proxy.spoil(Fate.LOST, "PUT")
    etag = shaky.put(f"{prefix}a", b"mine", JPEG)
    assert shaky.read(f"{prefix}a", 99, etag) == b"mine"


def test_a_put_that_found_anothers_object_after_an_outage_says_so(
    shaky: S3Objects, objects: S3Objects, proxy: Flaky, prefix: str
) -> None:
    objects.put(f"{prefix}a", b"theirs", JPEG)
    proxy.spoil(Fate.REFUSED, "PUT")
    with pytest.raises(AlreadyStoredError):
        shaky.put(f"{prefix}a", b"mine", JPEG)


def test_a_completion_whose_reply_was_lost_is_known_by_its_checksum(
    shaky: S3Objects, proxy: Flaky, prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(os.urandom(PART_SIZE + 1))
    proxy.spoil(Fate.LOST, "POST /media/" + prefix + "a?uploadId")
    stored = shaky.store(f"{prefix}a", tmp_path / "a", JPEG, always)
    assert stored == shaky.head(f"{prefix}a")


def test_a_completion_whose_replies_were_all_lost_can_be_asked_for_again(
    shaky: S3Objects, proxy: Flaky, prefix: str
) -> None:
    upload = shaky.begin(f"{prefix}a", JPEG)
    parts = [shaky.put_part(f"{prefix}a", upload, 1, b"whole")]
    proxy.spoil(Fate.LOST, "POST", times=3)
    with pytest.raises(UnavailableError):
        shaky.complete(f"{prefix}a", upload, parts)
    found = shaky.head(f"{prefix}a")
    assert found is not None
    assert shaky.complete(f"{prefix}a", upload, parts) == found.etag


def test_a_completion_that_fails_under_a_200_is_tried_again(shaky: S3Objects, proxy: Flaky, prefix: str) -> None:
    upload = shaky.begin(f"{prefix}a", JPEG)
    parts = [shaky.put_part(f"{prefix}a", upload, 1, b"whole")]
    proxy.spoil(error("InternalError", 200), "POST")
    etag = shaky.complete(f"{prefix}a", upload, parts)
    assert shaky.read(f"{prefix}a", 9, etag) == b"whole"


@pytest.mark.parametrize(
    "reply",
    [error("SlowDown", 503), error("InternalError", 500), error("ConditionalRequestConflict", 409), Fate.REFUSED],
    ids=["slow down", "broken", "conflict", "refused"],
)
def test_a_write_outlasts_a_short_outage_and_looks_at_its_lease_each_time(
    shaky: S3Objects, proxy: Flaky, prefix: str, tmp_path: Path, reply: Canned | Fate
) -> None:
    (tmp_path / "a").write_bytes(b"content")
    asked: list[int] = []
    proxy.spoil(reply, "PUT", times=2)
    shaky.store(f"{prefix}a", tmp_path / "a", JPEG, lambda: asked.append(len(proxy.seen)))
    assert asked == [0, 1, 2]
    proxy.spoil(reply, "PUT", times=3)
    with pytest.raises(UnavailableError):
        shaky.store(f"{prefix}b", tmp_path / "a", JPEG, always)


def test_a_lease_that_ends_during_an_outage_ends_the_writing(
    shaky: S3Objects, proxy: Flaky, prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"content")
    proxy.spoil(error("SlowDown", 503), "PUT")

    def allowed() -> None:
        if proxy.seen:
            raise LeaseLostError

    with pytest.raises(LeaseLostError):
        shaky.store(f"{prefix}a", tmp_path / "a", JPEG, allowed)
    assert len(proxy.seen) == 1


def test_a_body_that_only_trickles_is_given_up(
    s3: Backend, objects: S3Objects, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_PAUSES", (0.01,))
    begun = time.monotonic()
    with Proxy(urlsplit(s3.url).port or 0, rate=MIB) as slow:
        trickling = replace(connected({**s3.env, "AWS_ENDPOINT_URL_S3": slow.url}), sending=0.5)
        with pytest.raises(UnavailableError):
            trickling.put(f"{prefix}a", bytes(64 * MIB), JPEG)
    assert time.monotonic() - begun < 30  # all of it would take 64 s
    assert objects.head(f"{prefix}a") is None


def test_a_download_that_breaks_off_starts_again(shaky: S3Objects, proxy: Flaky, prefix: str, tmp_path: Path) -> None:
    content = os.urandom(3 * MIB)
    etag = shaky.put(f"{prefix}a", content, JPEG)
    proxy.spoil(Fate.CUT, "GET", times=2)
    shaky.fetch(f"{prefix}a", tmp_path / "a", etag)
    assert (tmp_path / "a").read_bytes() == content
    proxy.spoil(Fate.CUT, "GET", times=3)
    with pytest.raises(UnavailableError):
        shaky.fetch(f"{prefix}a", tmp_path / "b", etag)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("status", [403, 503])
def test_a_refusal_or_an_outage_blames_no_file(
    shaky: S3Objects, proxy: Flaky, prefix: str, tmp_path: Path, status: int
) -> None:
    reply = error("AccessDenied" if status == 403 else "SlowDown", status)
    for ask in (
        lambda: shaky.head(f"{prefix}a"),
        lambda: shaky.read(f"{prefix}a", 9, '"e"'),
        lambda: shaky.fetch(f"{prefix}a", tmp_path / "a"),
        lambda: shaky.put(f"{prefix}a", b"x", JPEG),
        lambda: shaky.begin(f"{prefix}a", JPEG),
        lambda: shaky.purge(prefix),
        shaky.ping,
    ):
        proxy.spoil(reply, " ", times=9)
        with pytest.raises(UnavailableError):
            ask()
        proxy.calm()


def test_an_s3_that_is_away_is_unavailable(s3: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_PAUSES", (0.01, 0.01))
    with flaky(s3.url) as gone:
        objects = connected({**s3.env, "AWS_ENDPOINT_URL_S3": gone.url})
    with pytest.raises(UnavailableError):
        objects.ping()
    with pytest.raises(UnavailableError):
        objects.put("a", b"x", JPEG)


def test_a_bucket_that_is_missing_is_unavailable(s3: Backend) -> None:
    objects = connected({**s3.env, "S3_BUCKET": "no-such-bucket"})
    with pytest.raises(UnavailableError):
        objects.ping()
    with pytest.raises(UnavailableError):
        objects.put("a", b"x", JPEG)
