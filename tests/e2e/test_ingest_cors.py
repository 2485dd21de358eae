"""Pages of an allowed origin, by every door, as browsers ask for them: a preflight, then the request."""

from collections.abc import Iterator

import httpx
import pytest

from pipeline import apikeys
from pipeline.adapters.sqlite import SqliteRecords
from tests.serving import Ingest, ingest
from tests.web import web

ORIGIN = "https://app.example.com"
MEDIA = f"media_{0:032x}"
MORE = ("tus-resumable", "upload-offset")
TUS = ("tus-resumable", "upload-length", "upload-metadata")


@pytest.fixture(scope="module")
def server(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """One that asks for keys: preflights must get through without."""
    folder = tmp_path_factory.mktemp("cors")
    records = SqliteRecords(folder / "records.sqlite")
    apikeys.create(records, "a test", ["*"], ["read"])
    records.close()
    with ingest(folder, ingest_env | {"ALLOWED_ORIGINS": f"{ORIGIN},https://other.example.com"}) as running:
        yield running


def words(answer: httpx.Response, name: str) -> set[str]:
    return {each.strip().lower() for each in answer.headers[name].split(",")}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/api/upload", ("authorization", "x-project-id", "idempotency-key", "repr-digest")),
        ("PUT", "/api/upload/p/a.jpg", ("authorization", "content-type", "content-md5", "x-amz-checksum-crc32c")),
        ("POST", "/files/", ("authorization", *TUS, "upload-concat", "upload-defer-length", "content-type")),
        (
            "PATCH",
            f"/files/{MEDIA}",
            ("authorization", "tus-resumable", "upload-offset", "upload-checksum", "content-type"),
        ),
        ("POST", f"/files/{MEDIA}", ("authorization", "tus-resumable", "x-http-method-override")),
        ("HEAD", f"/files/{MEDIA}", ("authorization", "tus-resumable")),
        ("DELETE", f"/files/{MEDIA}", ("authorization", "tus-resumable")),
        ("POST", "/s3/sign", ("authorization", "content-type")),
        ("POST", "/s3/multipart", ("authorization", "content-type", "x-project-id")),
        ("DELETE", "/s3/multipart/u", ("authorization",)),
        ("POST", "/api/media", ("authorization", "content-type", "idempotency-key")),
        ("GET", f"/api/media/{MEDIA}/events", ("authorization", "last-event-id")),
        ("DELETE", "/api/projects/p", ("authorization",)),
        ("POST", "/api/tokens", ("authorization", "content-type")),
    ],
)
def test_a_page_gets_through_every_door(server: Ingest, method: str, path: str, headers: tuple[str, ...]) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ",".join(headers),
    }
    preflight = web.options(f"{server.url}{path}", headers=asked)
    assert preflight.is_success
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert method.lower() in words(preflight, "access-control-allow-methods")
    assert set(headers) <= words(preflight, "access-control-allow-headers")
    assert "origin" in words(preflight, "vary")
    actual = web.request(method, f"{server.url}{path}", headers={"Origin": ORIGIN})
    assert actual.status_code in {401, 404, 405}  # the page may read why
    assert actual.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in actual.headers
    exposed = words(actual, "access-control-expose-headers")
    assert {"location", "retry-after", "upload-offset", "tus-resumable", "idempotent-replayed"} <= exposed


def test_other_pages_learn_nothing(server: Ingest) -> None:
    for origin in ("https://evil.example", "null", f"{ORIGIN}.evil.example"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for answer in (web.options(f"{server.url}/api/upload", headers=asked), web.get(server.url, headers=asked)):
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
