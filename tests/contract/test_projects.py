"""Everything of a project deleted, over every record store and a real S3, however often a step dies."""

from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from pipeline import granting, keys, projects
from pipeline.adapters.s3 import S3Objects
from pipeline.changes import Key
from pipeline.errors import PermanentError, UnavailableError
from pipeline.events import Stored
from pipeline.ledger import Ledger
from pipeline.media import Media, Status
from pipeline.ports import Label, Records
from pipeline.protocol import Lease
from pipeline.reception import Reception
from tests.backends import Backend
from tests.contract.conftest import connected
from tests.serving import wait_for
from tests.world import World, new_media

SHORT = Lease(length=300, renewal=100, put_timeout=100)


@dataclass(frozen=True)
class Project:
    """A project with photos in it."""

    id: str
    ledger: Ledger
    objects: S3Objects

    def photo(self, *, adopted: bool = False) -> Media:
        draft = new_media()
        key = f"inbox/{draft.id}" if adopted else keys.original(self.id, draft.id, "a.jpg")
        position = self.ledger.next_position(self.id)
        media = replace(draft, project_id=self.id, s3_key=key, position=position, adopted=adopted)
        task = self.ledger.intend(media)
        etag = self.objects.put(key, b"a photo", Label("image/jpeg"))
        self.objects.put(keys.rendition(self.id, media.id, "small.webp"), b"small", Label("image/webp"))
        return self.ledger.commit(task, Stored(7, etag))

    def piece(self) -> Media:
        """A partial upload that is complete and waits for the others."""
        draft = replace(new_media(), project_id=self.id, partial=True)
        media = replace(draft, s3_key=keys.original(self.id, draft.id, "a.jpg"))
        placed = replace(media, position=self.ledger.next_piece(self.id))
        until = self.ledger.records.now() + 3_600_000
        granting.open_upload(self.ledger, placed, until, until, Reception(part_size=5, length=7, concat="partial"))
        self.objects.put(media.s3_key, b"a photo", Label("image/jpeg"))
        return placed

    def bytes(self) -> list[str]:
        return [each.key for prefix in keys.of_project(self.id) for each in self.objects.list(prefix)]

    def erase(self) -> None:
        """Take steps until there is none to take."""
        wait_for(lambda: projects.step(self.ledger, self.objects, f"project#{self.id}") is None, 60)


@pytest.fixture
def project(records: Records, s3: Backend) -> Project:
    ledger = replace(World().ledger, records=records, lease=SHORT)
    return Project(f"erased-{uuid4().hex[:12]}", ledger, connected(s3.env))


def test_nothing_is_left_but_what_is_not_ours(project: Project) -> None:
    media, adopted = [project.photo() for _ in range(3)], project.photo(adopted=True)
    uploading = replace(new_media(), project_id=project.id, position=project.ledger.next_position(project.id))
    project.ledger.intend(uploading)
    piece = project.piece()
    assert piece.id not in {row["id"] for row in project.ledger.records.project(project.id, -1, 10)}
    begun = projects.request(project.ledger, project.id, "light")
    assert (begun.media, begun.done_at) == (0, None)
    project.erase()
    done = projects.find(project.ledger, project.id)
    assert done is not None
    assert done.media == 5
    assert done.done_at is not None
    assert done.done_at > begun.not_before
    assert project.bytes() == []
    assert project.objects.head(adopted.s3_key) is not None
    for each in (*media, adopted, uploading, piece):
        found = project.ledger.read(each.id)
        assert found is not None
        assert found.status is Status.DELETED


def test_while_it_lasts_nothing_begins(project: Project) -> None:
    project.photo()
    first = projects.request(project.ledger, project.id, "light")
    with pytest.raises(PermanentError) as refused:
        project.photo()
    assert refused.value.reason == "project_deleting"
    assert projects.request(project.ledger, project.id, "light").requested_at == first.requested_at
    project.erase()
    project.photo()
    again = projects.request(project.ledger, project.id, "light")
    assert again.done_at is None
    project.erase()
    assert project.bytes() == []


def test_it_is_owed_until_it_is_done(project: Project) -> None:
    assert projects.find(project.ledger, project.id) is None
    projects.request(project.ledger, project.id, "light")
    place = Key("tasks", f"project#{project.id}", projects.STAGE)
    assert "wakeAt" in (project.ledger.records.get(place) or {})
    project.erase()
    assert "wakeAt" not in (project.ledger.records.get(place) or {})
    assert projects.step(project.ledger, project.objects, f"project#{project.id}") is None


def test_a_step_that_dies_is_taken_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        project.photo()
    projects.request(project.ledger, project.id, "light")
    deaths = iter(range(2))
    delete = Ledger.delete

    def dying(ledger: Ledger, media_id: str) -> Media | None:
        if next(deaths, None) is not None:
            raise UnavailableError("records: gone")
        return delete(ledger, media_id)

    monkeypatch.setattr(Ledger, "delete", dying)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            projects.step(project.ledger, project.objects, f"project#{project.id}")
    purge = S3Objects.purge

    def purged_and_gone(objects: S3Objects, prefix: str) -> int:
        purge(objects, prefix)
        raise UnavailableError("s3: gone")

    with monkeypatch.context() as broken:
        broken.setattr(S3Objects, "purge", purged_and_gone)
        with pytest.raises(UnavailableError):
            project.erase()
    project.erase()
    assert project.bytes() == []
