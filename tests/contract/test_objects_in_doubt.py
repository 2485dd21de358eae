"""What becomes of reads and writes when S3 stumbles, or does something and cannot say so."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.adapters import s3_http
from pipeline.adapters.s3 import PART_SIZE, S3Objects
from pipeline.adapters.s3_pieces import S3Pieces
from pipeline.errors import AlreadyStoredError, LeaseLostError, UnavailableError
from pipeline.ports import Label, Source
from tests.backends import Backend
from tests.contract.conftest import connected
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
    monkeypatch.setattr(s3_http, "PAUSES", (0.01, 0.01))
    return connected({**s3.env, "AWS_ENDPOINT_URL_S3": proxy.url})


def always() -> None:
    """Hold the lease for ever."""


def error(code: str, status: int) -> Canned:
    return Canned(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


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


def test_an_upload_whose_opening_was_answered_to_nobody_is_closed(
    shaky: S3Objects, objects: S3Objects, proxy: Flaky, prefix: str
) -> None:
    proxy.spoil(Fate.LOST, "POST")
    upload = shaky.begin(f"{prefix}a", JPEG)
    assert [each.id for each in objects.uploads(prefix)] == [upload]


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
    monkeypatch.setattr(s3_http, "PAUSES", (0.01,))
    begun = time.monotonic()
    with Proxy(urlsplit(s3.url).port or 0, rate=MIB) as slow:
        trickling = connected({**s3.env, "AWS_ENDPOINT_URL_S3": slow.url}, put_timeout=1.2)
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


@pytest.mark.parametrize("fate", [Fate.MUTE, Fate.CUT])
def test_an_answer_that_breaks_off_is_no_empty_list(shaky: S3Objects, proxy: Flaky, prefix: str, fate: Fate) -> None:
    etag = shaky.put(f"{prefix}a", b"whole", JPEG)
    upload, pieces = shaky.begin(f"{prefix}b", JPEG), S3Pieces(shaky)
    shaky.put_part(f"{prefix}b", upload, 1, b"part")
    source = Source(f"{prefix}a", etag, 0, 4)
    asked: list[tuple[str, Callable[[], object], object]] = [
        ("list-type", lambda: [each.size for each in shaky.list(prefix)], [5]),
        ("uploads", lambda: [each.id for each in shaky.uploads(prefix)], [upload]),
        ("uploadId", lambda: [each.size for each in pieces.parts(f"{prefix}b", upload)], [4]),
        ("partNumber", lambda: pieces.copy_part(f"{prefix}b", upload, 2, source).size, 5),
    ]
    for matching, ask, told in asked:
        proxy.spoil(fate, matching, times=2)
        assert ask() == told
        proxy.spoil(fate, matching, times=3)
        with pytest.raises(UnavailableError):
            ask()
    proxy.spoil(fate, "list-type", times=2)
    proxy.spoil(fate, "delete", times=2)
    assert shaky.purge(prefix) == 2
    assert (list(shaky.list(prefix)), list(shaky.uploads(prefix))) == ([], [])


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
    monkeypatch.setattr(s3_http, "PAUSES", (0.01, 0.01))
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
