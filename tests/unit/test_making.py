"""Stages as a worker runs them, over a store that counts."""

import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.events import Stored
from pipeline.media import Status
from pipeline.plan import Plan
from pipeline.ports import Found, Label
from tests.builders import ffmpeg
from tests.footage import counted
from tests.world import NO_PIECES, PIPELINE, World
from workers.actors import WORK
from workers.cache import DiskCache
from workers.holding import Shift
from workers.rendering import Envelope
from workers.tools import Tools


@dataclass
class CountingStore:
    """One original, and whatever is stored beside it; says how often each object was fetched."""

    original: Path
    folder: Path
    fetched: Counter[str] = field(default_factory=Counter)

    def fetch(self, key: str, path: Path, etag: str | None = None) -> None:
        self.fetched["original" if etag else key] += 1
        shutil.copy(self.original if etag else self.folder / key.replace("/", "!"), path)

    def head(self, key: str) -> None:
        del key

    def store(self, key: str, path: Path, label: Label, _allowed: object) -> Found:
        shutil.copy(path, self.folder / key.replace("/", "!"))
        return Found(path.stat().st_size, '"e"', label.mime_type, label.facts)


def test_a_film_is_fetched_once_for_all_its_chunks(tmp_path: Path) -> None:
    film = counted(tmp_path / "film.ts", seconds=130, rate="2", tone=False)
    (tmp_path / "stored").mkdir()
    (tmp_path / "scratch").mkdir()
    world, objects = World(), CountingStore(film, tmp_path / "stored")
    media, upload = world.uploading(file_type="video")
    world.ledger.commit(upload, Stored(film.stat().st_size, '"e"'))
    cache = DiskCache.open(tmp_path / "films", 10**9, 60.0)
    tools = Tools(
        world.ledger,
        objects,  # type: ignore[arg-type]  # the rest of S3 is not needed
        NO_PIECES,
        world.inbox,
        PIPELINE,
        tmp_path / "scratch",
        ffmpeg(),
        Shift(),
        cache=cache,
    )
    since = time.monotonic()
    while world.media(media.id).status is not Status.READY:
        for task in world.owed():
            Envelope(tools, WORK).take(task.media_id, task.key)
        assert time.monotonic() < since + 200
    plan = Plan.from_dict(world.media(media.id).plan or {})
    assert "transcode#0001" in plan.parts
    assert objects.fetched["original"] == 1
    copies = [path for path in cache.folder.iterdir() if path.suffix == ""]
    assert len(copies) == 2  # the film, and its copy with an index
