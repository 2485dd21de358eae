"""The checker bites: every kind of broken promise that it looks for is planted once in a stack that kept its own."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from pipeline import keys, projectrows, protocol
from pipeline.changes import Absent, Put, Update
from pipeline.media import Media
from pipeline.ports import Records
from tests.chaos.checker import CHANGED, DUPLICATED, LOST, ORPHANED, WRONG, Checker
from tests.chaos.load import Entry, Ledger
from tests.chaos.samples import Sample, make
from tests.chaos.soak import owed, pipeline
from tests.chaos.stand import Stand, standing
from tests.chaos.witness import Witness
from tests.serving import wait_for
from tests.web import web

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PHOTOS = 12


@dataclass(frozen=True)
class Scene:
    """A stack at rest, all photos ready, and what watches it."""

    checker: Checker
    fresh: list[str]
    s3: "S3Client"
    bucket: str
    records: Records

    def untouched(self) -> Media:
        """A media that no test had yet."""
        media = self.checker.services.ledger.read(self.fresh.pop())
        assert media is not None
        return media


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("checker")
    files = {each.path.name: each for each in make(folder / "samples")}
    with standing(folder, pipeline(folder, "sqlite"), {"light": 1}) as stand:
        ledger = Ledger(folder / "ledger.jsonl")
        for number in range(PHOTOS):
            ledger.accept(_upload(stand, files["photo.jpg"], f"{number}.jpg"))
        wait_for(lambda: not owed(stand.services), 60)
        objects = stand.services.objects
        witness = Witness(objects.client, objects.bucket, stand.services.settings.redis_url)
        witness.look()
        checker = Checker(stand.services, ledger, files, witness)
        assert checker.violations() == []
        media = [entry.media_id for entry in ledger.entries]
        yield Scene(checker, media, objects.client, objects.bucket, stand.services.ledger.records)


def _upload(stand: Stand, sample: Sample, name: str) -> Entry:
    content = sample.path.read_bytes()
    answer = web.post(f"{stand.url}/api/upload?projectId=soak-a", files={"file": (name, content)}, timeout=30)
    media_id = answer.raise_for_status().json()["mediaId"]
    return Entry(
        media_id, "soak-a", name, sample.path.name, hashlib.sha256(content).hexdigest(), time.time_ns() // 10**6
    )


def _rendition_gone(scene: Scene, media: Media) -> None:
    scene.s3.delete_object(Bucket=scene.bucket, Key=media.renditions["small"].key)


def _original_gone(scene: Scene, media: Media) -> None:
    scene.s3.delete_object(Bucket=scene.bucket, Key=media.s3_key)


def _other_content(scene: Scene, media: Media) -> None:
    scene.s3.put_object(Bucket=scene.bucket, Key=media.renditions["small"].key, Body=b"other")
    scene.checker.witness.look()


def _of_nobody(scene: Scene, media: Media) -> None:
    key = keys.original(media.project_id, keys.new_media_id(), "a.jpg")
    scene.s3.put_object(Bucket=scene.bucket, Key=key, Body=b"a")


def _not_promised(scene: Scene, media: Media) -> None:
    key = keys.rendition(media.project_id, media.id, "huge-00000000.jpg")
    scene.s3.put_object(Bucket=scene.bucket, Key=key, Body=b"a")


def _open_upload(scene: Scene, media: Media) -> None:
    scene.s3.create_multipart_upload(Bucket=scene.bucket, Key=f"{media.s3_key}.part")


def _settled_twice(scene: Scene, media: Media) -> None:
    row = scene.records.get(protocol.task_key(media.id, "record#ready#0"))
    scene.records.write([Put(protocol.task_key(media.id, "record#failed#0"), row or {}, Absent("task"))])


def _counted_twice(scene: Scene, media: Media) -> None:
    scene.records.update(Update(projectrows.totals_key(media.project_id), add={"media": 1}))


def _still_owed(scene: Scene, media: Media) -> None:
    key = protocol.task_key(media.id, "thumbnail")
    scene.records.update(Update(key, set={"status": "PENDING", "wakeAt": 2**52, "wakeShard": 99}))


def _failed(scene: Scene, media: Media) -> None:
    scene.records.update(Update(protocol.media_key(media.id), set={"status": "failed", "reason": "crashed"}))


def _never_written(scene: Scene, media: Media) -> None:
    ledger = scene.checker.ledger
    ledger.accept(replace(ledger.entries[0], media_id=keys.new_media_id(), name=media.id))


def _announced_only(scene: Scene, media: Media) -> None:
    scene.checker.witness.announced[media.id, "record#failed#1"] = 1


@pytest.mark.parametrize(
    ("break_it", "kind"),
    [
        (_rendition_gone, LOST),
        (_original_gone, LOST),
        (_other_content, CHANGED),
        (_of_nobody, ORPHANED),
        (_not_promised, ORPHANED),
        (_open_upload, ORPHANED),
        (_settled_twice, DUPLICATED),
        (_counted_twice, DUPLICATED),
        (_announced_only, DUPLICATED),
        (_still_owed, WRONG),
        (_failed, LOST),
        (_never_written, LOST),
    ],
)
def test_a_broken_promise_is_seen(scene: Scene, break_it: Callable[[Scene, Media], None], kind: str) -> None:
    before = set(scene.checker.violations())
    break_it(scene, scene.untouched())
    fresh = set(scene.checker.violations()) - before
    assert kind in {violation.kind for violation in fresh}, fresh
