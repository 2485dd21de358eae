"""A page of another origin in a real Chromium, with an upload token and no library: by every door, and following."""

from pathlib import Path
from urllib.parse import urlencode

import pytest

from pipeline import apikeys
from pipeline.adapters.bucket import setup_bucket
from pipeline.adapters.sqlite import SqliteRecords
from tests.backends import BUCKET
from tests.chromium import BROWSER, browsing, site
from tests.frontdoor import Bucket
from tests.interruptions import PATIENCE
from tests.multipart import PNG
from tests.serving import ROOT, ingest
from tests.web import web

PAGE = ROOT / "tests" / "browser" / "doors.html"
DOORS = ("form", "raw", "tus", "straight to S3, a form", "straight to S3, in parts")
CONTENT = PNG + bytes(20_000)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on PATH")
def test_a_page_of_another_origin_gets_through_every_door(
    ingest_env: dict[str, str], bucket: Bucket, tmp_path: Path
) -> None:
    root, folder = tmp_path / "root", tmp_path / "ingest"
    root.mkdir()
    folder.mkdir()
    (root / "a.png").write_bytes(CONTENT)
    (root / "index.html").symlink_to(PAGE)
    records = SqliteRecords(folder / "records.sqlite")
    key = {"Authorization": f"Bearer {apikeys.create(records, 'a test', ['paged'], ['read', 'write'])}"}
    records.close()
    with site(root) as here:
        setup_bucket(bucket.client, BUCKET, [here.origin], originals=True)
        env = ingest_env | {"TOKEN_SECRETS": "a secret that nobody else has for sure"}
        others = env | {"ALLOWED_ORIGINS": "https://app.example.com"}
        with (
            ingest(folder, env | {"ALLOWED_ORIGINS": here.origin}) as server,
            ingest(tmp_path / "strange", others | {"SQLITE_PATH": str(folder / "records.sqlite")}) as strange,
        ):
            given = web.post(f"{server.url}/api/tokens", json={"projectId": "paged"}, headers=key).raise_for_status()
            asked = {"server": server.url, "strange": strange.url, "project": "paged", "token": given.json()["token"]}
            with browsing(f"{here.origin}/index.html?{urlencode(asked)}", tmp_path / "profile"):
                said = {told.pop("door"): told for told in (here.answers.get(timeout=PATIENCE) for _ in range(7))}
            listed = web.get(f"{server.url}/api/projects/paged/media", headers=key).raise_for_status().json()["items"]
    ids = {said[door].pop("id", None) for door in DOORS}
    followed = {"readable": True, "status": "uploaded", "numbered": True}
    assert {door: said[door] for door in DOORS} == dict.fromkeys(DOORS, followed)
    assert said["refusal"] == {"code": "format_unsupported", "readable": True}
    assert said["nobody else"] == {"outcome": "kept from reading"}
    assert {each["id"] for each in listed} == ids
    assert {(each["size"], each["originalName"]) for each in listed} == {(len(CONTENT), "a.png")}
