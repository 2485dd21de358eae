"""How soon what a killed worker held is worked on again, and what a wiped Redis forgot is hinted again.

On real servers with the shipped pipeline.toml: leases of 30 s. Prints figures; asserts nothing.
"""

import argparse
import json
import logging
import math
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis

from pipeline.adapters.broker import NAMESPACE
from pipeline.media import SETTLED, Status
from pipeline.rows import task_of
from pipeline.tasks import SHARDS, Task, TaskStatus
from tests import builders
from tests.chaos.stand import Stand, standing
from tests.serving import ROOT, wait_for
from tests.web import web

CREW = {"light": 1, "images": 1, "video-short": 5, "record": 1}
VIDEO = "video-short"
SECONDS = 40.0
"""How long a video plays: one chunk."""
PHOTOS = 30
_EVER = 2**53
_LOOK = 0.02


def main() -> int:
    """Run both and print the figures."""
    parser = argparse.ArgumentParser(prog="make bench-redelivery", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--wipes", type=int, default=20)
    parser.add_argument("--forgets", type=int, default=5)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        photo = builders.photo(folder / "photo.jpg", (1600, 1200))
        video = builders.video(folder / "video.mp4", (640, 360), seconds=SECONDS)
        with standing(folder, ROOT / "pipeline.toml", CREW) as stand:
            wait_for(lambda: len(stand.fleet.at_work(*CREW)) == sum(CREW.values()), 60)
            forgets = list(forgotten(stand, photo, given.forgets))
            show(f"hinted after it was overdue, its message lost, {given.forgets} times {PHOTOS} tasks", forgets)
            wipes = list(wiped(stand, photo, given.wipes))
            show(f"hinted again after FLUSHALL, {given.wipes} wipes of {PHOTOS} owed tasks", wipes)
            kills, chunks, again = killed(stand, video, given.kills)
            show(f"redelivered after kill -9, {len(kills)} tasks in hand", kills)
            print(f"chunks killed: {chunks}; chunks claimed again: {again}")
    return 0


def forgotten(stand: Stand, photo: Path, times: int) -> Iterator[float]:
    """Seconds from when each task was overdue to its message being in Redis, which had lost it and nothing else."""
    client, ledger = redis.Redis.from_url(stand.services.settings.redis_url), stand.services.ledger
    with frozen(stand, photo) as media:
        for _ in range(times):
            new = [upload(stand, photo) for _ in range(PHOTOS)]
            client.delete(f"{NAMESPACE}:images", f"{NAMESPACE}:images.msgs")
            tasks = [(each, ledger.task(each, "validate")) for each in new]
            due = {each: task.wake_at for each, task in tasks if task and task.wake_at}
            while due:
                there, now = hinted(stand), ledger.records.now()
                yield from [(now - due.pop(each)) / 1000 for each in there & due.keys()]
                time.sleep(_LOOK)
            media.extend(new)


def wiped(stand: Stand, photo: Path, times: int) -> Iterator[float]:
    """Seconds from a wipe to each owed task's message being back in Redis."""
    client = redis.Redis.from_url(stand.services.settings.redis_url)
    with frozen(stand, photo) as media:
        media.extend(upload(stand, photo) for _ in range(PHOTOS))
        for _ in range(times):
            wait_for(lambda: client.exists("darkroom:sentinel"), 30)
            client.flushall()
            begun, missing = time.monotonic(), set(media)
            while missing:
                there = hinted(stand)
                yield from [time.monotonic() - begun] * len(missing & there)
                missing -= there
                time.sleep(_LOOK)


@contextmanager
def frozen(stand: Stand, photo: Path) -> Iterator[list[str]]:
    """While the workers are frozen nobody takes messages. The media that are put into the list settle afterwards."""
    first = [upload(stand, photo) for _ in range(3)]
    wait_for(lambda: settled(stand, first), 60)  # everybody is awake
    workers, media = stand.fleet.at_work(*CREW), list[str]()
    for name in workers:
        stand.fleet.signal(name, signal.SIGSTOP)
    yield media
    for name in workers:
        stand.fleet.signal(name, signal.SIGCONT)
    wait_for(lambda: settled(stand, media), 300)


def hinted(stand: Stand) -> set[str]:
    """The media whose validation has a message in Redis."""
    client = redis.Redis.from_url(stand.services.settings.redis_url, decode_responses=True)
    return {json.loads(message)["kwargs"]["media_id"] for message in client.hvals(f"{NAMESPACE}:images.msgs")}


def killed(stand: Stand, video: Path, wanted: int) -> tuple[list[float], int, int]:
    """Seconds from the kill of a worker to the next claim of what it held, for at least so many tasks.

    Also how many chunks were killed, and how often chunks were claimed beyond the first time.
    """
    times: list[float] = []
    media: list[str] = []
    chunks = 0
    while len(times) < wanted:
        media.extend(upload(stand, video) for _ in range(CREW[VIDEO]))
        wait_for(lambda: len([task for task in running(stand) if task.stage == "transcode"]) >= CREW[VIDEO] - 1, 120)
        before = {(task.media_id, task.key): task.epoch for task in running(stand)}
        begun = time.monotonic()
        for name in stand.fleet.at_work(VIDEO):
            stand.fleet.signal(name, signal.SIGKILL)
        held = {(task.media_id, task.key): task.epoch for task in running(stand)}
        victims = {task: epoch for task, epoch in held.items() if before.get(task) == epoch}
        chunks += sum(1 for _, key in victims if key.startswith("transcode"))
        while victims:
            for (media_id, key), epoch in list(victims.items()):
                task = stand.services.ledger.task(media_id, key)
                if task is not None and task.epoch > epoch:
                    times.append(time.monotonic() - begun)
                    del victims[media_id, key]
            time.sleep(_LOOK)
        wait_for(lambda: settled(stand, media), 300)
    rows = [task_of(row) for each in media for row in stand.services.ledger.records.tasks(each)]
    return times, chunks, sum(task.epoch - 1 for task in rows if task.stage == "transcode")


def running(stand: Stand) -> list[Task]:
    """The video tasks that somebody holds."""
    records = stand.services.ledger.records
    tasks = (task_of(row) for shard in range(SHARDS) for row in records.overdue(shard, _EVER, 1000))
    return [task for task in tasks if task.status is TaskStatus.RUNNING and task.queue == VIDEO]


def upload(stand: Stand, path: Path) -> str:
    """Upload a file; returns the media's id."""
    with path.open("rb") as file:
        answer = web.post(f"{stand.url}/api/upload?projectId=bench", files={"file": (path.name, file)}, timeout=60)
    return str(answer.raise_for_status().json()["mediaId"])


def settled(stand: Stand, media: Sequence[str]) -> bool:
    """Whether all are settled; raises RuntimeError if one is not ready then."""
    records = [record for each in media if (record := stand.services.ledger.read(each))]
    ended = [record.status for record in records if record.status in SETTLED]
    if any(status is not Status.READY for status in ended):
        raise RuntimeError(f"lost: {ended}")
    return len(ended) == len(media)


def show(what: str, times: Sequence[float]) -> None:
    """Print percentiles by the nearest rank."""
    ordered = sorted(times)
    p50, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    print(f"{what}: p50 {p50:.1f} s, p99 {p99:.1f} s, most {ordered[-1]:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
