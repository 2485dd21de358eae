"""`POST /api/media/{id}/retry` on a real server: failed media go on, all others are left as they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from pipeline.adapters.sqlite import SqliteRecords
from pipeline.events import Aborted, Died
from pipeline.media import Media
from tests.frontdoor import record, upload
from tests.serving import Ingest, ingest
from tests.web import web
from tests.world import ClockedRecords, World


@pytest.fixture
def server(tmp_path: Path, ingest_env: dict[str, str]) -> Iterator[Ingest]:
    with ingest(tmp_path, ingest_env) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: Ingest) -> World:
    """The server's own records: no worker is there, the test is all of them."""
    assert server.url
    return World(cast("ClockedRecords", SqliteRecords(tmp_path / "records.sqlite")))


def uploaded(server: Ingest) -> str:
    return str(upload(server, "retry").json()["mediaId"])


def retry(server: Ingest, media_id: str) -> tuple[int, str]:
    answer = web.post(f"{server.url}/api/media/{media_id}/retry")
    return answer.status_code, str(answer.json().get("code") or answer.json()["status"])


def failed(world: World, media_id: str) -> Media:
    claimed = world.ledger.claim(media_id, "validate")
    assert claimed is not None
    return world.ledger.die(claimed.task, Died("validate", "processing_failed", "No."), "processing_failed", "odd")


def test_a_failed_media_is_tried_again_and_asking_twice_changes_nothing(server: Ingest, world: World) -> None:
    media_id = uploaded(server)
    failed(world, media_id)
    assert record(server, media_id)["reason"] == "processing_failed"
    assert retry(server, media_id) == (202, "uploaded")
    again = world.media(media_id)
    assert (again.round, again.reason) == (1, None)
    assert {task.key for task in world.owed() if task.media_id == media_id} == {"spread", "record#failed#0"}
    assert retry(server, media_id) == (202, "uploaded")
    assert world.media(media_id) == again


def test_what_has_not_failed_is_left_as_it_is(server: Ingest, world: World) -> None:
    media_id = uploaded(server)
    before = world.media(media_id)
    assert retry(server, media_id) == (202, "uploaded"), "it is under way"
    assert world.media(media_id) == before
    web.delete(f"{server.url}/api/media/{media_id}").raise_for_status()
    assert retry(server, media_id) == (409, "not_failed")


def test_an_upload_that_failed_has_nothing_to_go_on_with(server: Ingest, world: World) -> None:
    media, task = world.uploading()
    assert retry(server, media.id) == (409, "not_failed")
    world.ledger.commit(task, Aborted("client_gone", "The upload did not finish."))
    assert retry(server, media.id) == (409, "original_missing")


def test_a_media_that_is_not_there_is_not_found(server: Ingest) -> None:
    assert retry(server, "media_" + 32 * "0") == (404, "media_not_found")
    assert retry(server, "nonsense") == (404, "media_not_found")
