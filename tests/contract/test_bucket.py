"""The local bucket as `darkroom setup` makes it: what anybody may read, and which pages may write."""

from collections.abc import Mapping
from uuid import uuid4

import pytest

from pipeline.adapters.bucket import setup_bucket
from pipeline.adapters.s3 import S3Objects
from pipeline.ports import Label
from tests.backends import Backend
from tests.contract.conftest import connected
from tests.web import web

PAGE = "http://127.0.0.1:8000"


@pytest.fixture
def fresh(s3: Backend) -> S3Objects:
    return connected({**s3.env, "S3_BUCKET": f"bucket-{uuid4().hex[:12]}"})


def preflight(url: str, origin: str) -> Mapping[str, str]:
    headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    return web.options(url, headers=headers).headers


@pytest.mark.parametrize("originals", [True, False])
def test_anybody_reads_what_is_published_and_nothing_else(s3: Backend, fresh: S3Objects, originals: bool) -> None:  # noqa: FBT001
    for _ in range(2):  # running it again changes nothing
        setup_bucket(fresh.client, fresh.bucket, [PAGE], originals=originals)
    for key in ("renditions/p/m/a.jpg", "projects/p/media/m/a.jpg", "elsewhere/a.jpg"):
        fresh.put(key, b"x", Label("image/jpeg"))
    base = f"{s3.url}/{fresh.bucket}"
    assert web.get(f"{base}/renditions/p/m/a.jpg").content == b"x"
    assert web.get(f"{base}/projects/p/media/m/a.jpg").status_code == (200 if originals else 403)
    assert web.get(f"{base}/elsewhere/a.jpg").status_code == 403
    assert web.get(base).status_code == 403
    assert web.put(f"{base}/renditions/p/m/b.jpg", content=b"x").status_code == 403


def test_our_own_pages_may_send_and_read_the_etag(s3: Backend, fresh: S3Objects) -> None:
    setup_bucket(fresh.client, fresh.bucket, [PAGE], originals=False)
    fresh.put("renditions/p/m/a.jpg", b"x", Label("image/jpeg"))
    url = f"{s3.url}/{fresh.bucket}/renditions/p/m/a.jpg"
    allowed = preflight(url, PAGE)
    assert allowed["access-control-allow-origin"] == PAGE
    assert "PUT" in allowed["access-control-allow-methods"]
    read = web.get(url, headers={"Origin": PAGE})
    assert "etag" in read.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in preflight(url, "http://evil.example")
