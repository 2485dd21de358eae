"""Going on with a media: the task that a commit made owed is done at once, with the files that are there already."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.events import Made, Stored, Validated
from pipeline.media import Status
from pipeline.ports import ObjectStore
from pipeline.tasks import TaskStatus
from tests.world import NO_PIECES, PIPELINE, World
from workers.desk import Desk
from workers.holding import Shift
from workers.rendering import Envelope, Turn
from workers.sweeper import Sweeper
from workers.tools import Tools

PHOTO = {"parts": ["thumbnail"], "recipe": "0123abcd"}
FILM = {"parts": ["poster", "audio"], "recipe": "0123abcd"}


@dataclass
class Bench:
    """A media whose validation is owed, and a worker that notes what it does."""

    scratch: Path
    plan: dict[str, Any]
    world: World = field(default_factory=World)
    done: list[str] = field(default_factory=list)
    desks: list[Path] = field(default_factory=list)
    between: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        media, upload = self.world.uploading()
        self.world.ledger.commit(upload, Stored(1, '"e"'))
        self.media_id = media.id

    def validate(self, turn: Turn) -> None:
        self.note(turn)
        turn.commit(Validated({"kind": "image"}, self.plan))
        self.between()

    def make(self, turn: Turn) -> None:
        self.note(turn)
        turn.commit(Made(turn.task.key))

    def note(self, turn: Turn) -> None:
        self.done.append(turn.task.key)
        self.desks.append(turn.desk.folder)

    def take(self, make: Callable[[Turn], None] | None = None) -> int | None:
        objects: ObjectStore = None  # type: ignore[assignment]  # nothing here touches S3
        stores = (objects, NO_PIECES)
        tools = Tools(self.world.ledger, *stores, self.world.inbox, PIPELINE, self.scratch, "ffmpeg", Shift())
        work = {"validate": self.validate, **dict.fromkeys(("thumbnail", "poster", "audio"), make or self.make)}
        return Envelope(tools, work).take(self.media_id, "validate")


def test_a_photo_is_done_in_one_go_on_one_desk(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PHOTO)
    assert bench.take() is None
    assert bench.done == ["validate", "thumbnail"]
    assert bench.world.media(bench.media_id).status is Status.READY
    assert len(set(bench.desks)) == 1
    assert list(tmp_path.glob("of-*/*")) == []


def test_nobody_else_is_hinted_at_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PHOTO)
    bench.take()
    assert [hint.key for hint in bench.world.inbox.take()] == ["validate", "record#ready#0"]


def test_a_worker_that_dies_before_it_goes_on_is_noticed_by_the_sweeper(tmp_path: Path) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    bench = Bench(tmp_path, PHOTO)
    bench.between = die
    with pytest.raises(KeyboardInterrupt):
        bench.take()
    bench.world.inbox.take()
    bench.world.records.turn(6_000)
    Sweeper(bench.world.records, bench.world.inbox).sweep()
    assert "thumbnail" in [hint.key for hint in bench.world.inbox.take()]


def test_what_other_workers_are_for_is_left_to_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, FILM)
    bench.take()
    assert bench.done == ["validate"]
    assert bench.world.task(bench.media_id, "poster").status is TaskStatus.PENDING


def test_whoever_claims_it_first_does_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PHOTO)
    bench.between = lambda: bench.world.ledger.claim(bench.media_id, "thumbnail")
    bench.take()
    assert bench.done == ["validate"]
    assert bench.world.task(bench.media_id, "thumbnail").epoch == 1


def test_its_failure_is_its_own(tmp_path: Path) -> None:
    def fail(_: Turn) -> None:
        raise ValueError("odd")

    bench = Bench(tmp_path, PHOTO)
    assert bench.take(fail) is None
    assert bench.world.task(bench.media_id, "validate").status is TaskStatus.DONE
    task = bench.world.task(bench.media_id, "thumbnail")
    assert (task.status, task.attempts) == (TaskStatus.PENDING, 1)
    assert list(tmp_path.glob("of-*/*")) == []


def test_a_desk_that_nobody_needs_is_never_made(tmp_path: Path) -> None:
    with Desk(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_desk_is_left_clean(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Desk(tmp_path) as desk:  # noqa: PT012 - what it raises is not the point
        with desk.drawer() as first:
            (first / "still").write_text("one")
        with desk.drawer() as second:
            assert list(second.iterdir()) == []
        (desk.folder / "original").write_text("bytes")
        raise ZeroDivisionError
    assert list(tmp_path.glob("of-*/*")) == []
