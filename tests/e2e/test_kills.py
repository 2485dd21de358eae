"""`kill -9` of each child of `make run`, and a wipe of Redis, while files are on their way: nothing is lost."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis

from tests import builders
from tests.serving import wait_for
from tests.stack import STORES, Running, quick, running, stored
from tests.web import web

PHOTOS, VIDEOS = 12, 1

CHILDREN = {
    "valkey": ["valkey-server"],
    "s3": ["weed"],
    "ingest": ["ingest.app"],
    "worker-light-record-submit": ["workers.app", "light"],
    "worker-images": ["workers.app", "images"],
    "worker-video-short-video-long": ["workers.app", "video-long"],
    "sweeper": ["workers.sweeping"],
}


@dataclass
class Crowd:
    """Uploads at a steady pace from a thread of their own; those that were answered with 201 are in `accepted`."""

    stack: Running
    project: str
    files: list[Path]
    accepted: list[str] = field(default_factory=list)
    sent: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for file in self.files:
            try:
                answer = self.stack.post(file, self.project)
            except httpx.TransportError:  # ingest was killed under it: never acknowledged
                continue
            if answer.status_code == httpx.codes.CREATED:
                self.accepted.append(answer.json()["mediaId"])
        self.sent.set()


@pytest.fixture(scope="module", params=STORES)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("kills")
    with running(folder / "run", PIPELINE=str(quick(folder)), **stored(request.param)) as up:
        yield up


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    photos = [builders.photo(folder / f"{number}.jpg", (1000 + number, 750)) for number in range(PHOTOS)]
    videos = [builders.video(folder / f"{number}.mp4", (320, 180), seconds=3) for number in range(VIDEOS)]
    half = PHOTOS // 2
    return [*photos[:half], *videos, *photos[half:]]


def survives(stack: Running, files: list[Path], project: str, strike: Callable[[], None]) -> None:
    """Strike in the middle of the uploads: every one that was acknowledged ends ready."""
    crowd = Crowd(stack, project, files)
    thread = threading.Thread(target=crowd.run)
    thread.start()
    wait_for(lambda: len(crowd.accepted) >= len(files) // 2, 60)
    strike()
    thread.join(120)
    assert crowd.sent.is_set()
    assert len(crowd.accepted) >= len(files) // 2
    records = [stack.settled(media_id, 180) for media_id in crowd.accepted]
    assert [(record["id"], record.get("reason")) for record in records if record["status"] != "ready"] == []
    for record in records:
        missing = [url for url in record["urls"].values() if web.head(url).status_code != httpx.codes.OK]
        assert missing == []


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_loses_nothing(stack: Running, files: list[Path], name: str) -> None:
    survives(stack, files, f"kill-{name}", partial(kill, stack, CHILDREN[name]))
    assert f"{name}: " in stack.log.read_text()


@pytest.mark.parametrize("stack", ["dynamodb"], indirect=True)
def test_a_killed_record_store_loses_nothing(stack: Running, files: list[Path]) -> None:
    survives(stack, files, "kill-dynamodb", partial(kill, stack, ["java"]))
    assert "dynamodb: " in stack.log.read_text()


def kill(stack: Running, words: list[str]) -> None:
    """Kill a child, and wait until there is another in its place."""
    (pid,) = stack.pids(words)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [new for new in stack.pids(words) if new != pid], 30)


def test_a_wiped_redis_loses_nothing(stack: Running, files: list[Path]) -> None:
    def wipe() -> None:
        redis.Redis.from_url(stack.env["REDIS_URL"]).flushall()

    survives(stack, files, "flushall", wipe)
