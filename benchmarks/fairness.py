"""How long a photo takes to be ready on an idle stack, and while films are encoded and their chunks wait beside it.

The stack is `make run`'s, with the shipped pipeline.toml but for `chunk`, so that a film makes many. Long films and
short ones have a queue each, so that there are two encoders; photos begin when both are in a chunk. Photos go in one
after the other; the time is from the answer to the upload to `ready`. Prints figures; asserts nothing.
"""

import argparse
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.watch import Watch
from pipeline.ports import Records
from pipeline.rows import task_of
from pipeline.tasks import Task, TaskStatus
from tests import builders
from tests.serving import wait_for
from tests.stack import ROOT, Running, running

CHUNK = 4
"""Seconds of video in a chunk, instead of 60."""
SHORT = 29
"""Chunks of a film that is not long yet (`long_over`)."""
QUEUES = {"video-short", "video-long"}
_BEGINNING = 300.0
_LOOK = 0.02


def main() -> int:
    """Measure both and print the figures."""
    parser = argparse.ArgumentParser(prog="make bench-fairness", description=__doc__)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--chunks", type=int, default=60, help="in each of the two queues")
    parser.add_argument("--nice", type=int, nargs="+", default=[10], help="of ffmpeg, one after the other")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        photo = builders.photo(folder / "photo.jpg", (4000, 3000))
        long, short = film(folder / "long.mp4", max(given.chunks, SHORT + 2)), film(folder / "short.mp4", SHORT)
        films = [long, *[short] * math.ceil(given.chunks / SHORT)]
        for number, nice in enumerate(given.nice):
            toml = folder / f"{number}.toml"
            toml.write_text(rules(nice))
            with running(folder / f"run-{number}", PIPELINE=str(toml)) as stack:
                print(f"ffmpeg at nice {nice}", flush=True)
                compare(stack, photo, films, given.photos)
    return 0


def rules(nice: int) -> str:
    """The shipped pipeline.toml with short chunks, and ffmpeg at this nice value."""
    text = (ROOT / "pipeline.toml").read_text()
    for name, value in (("chunk", f'"{CHUNK}s"'), ("nice", nice)):
        text, found = re.subn(rf"(?m)^{name} = \S+", f"{name} = {value}", text)
        if found != 1:
            raise ValueError(f"pipeline.toml says {name} {found} times")
    return text


def film(path: Path, chunks: int) -> Path:
    """One of so many chunks; with fewer keyframes they would be made longer, so as not to decode much twice."""
    options = ("-preset", "ultrafast", "-g", "6")
    return builders.video(path, (1280, 720), seconds=CHUNK * chunks, options=options)


def compare(stack: Running, photo: Path, films: Sequence[Path], photos: int) -> None:
    """Photos on the stack as it is, then beside the films."""
    waits(stack, photo, 5)  # everybody is awake
    idle = waits(stack, photo, photos)
    show("idle", idle)
    media, records = [stack.upload(film, "films") for film in films], stack.services().ledger.records
    wait_for(lambda: {task.queue for task in chunks(records, media, TaskStatus.RUNNING)} == QUEUES, _BEGINNING)
    before, begun = done(records, media), time.monotonic()
    with Watch(stack.pids(["workers.app", "video-long"])) as watch:
        busy = waits(stack, photo, photos)
    took, after = time.monotonic() - begun, done(records, media)
    show("beside films", busy)
    owed = sum(1 for _ in chunks(records, media)) - after
    print(f"meanwhile, in {took:.0f} s, {after - before} chunks were encoded, and {owed} are left", flush=True)
    print(f"encoders: {watch.told(took)}; cores {os.cpu_count()}", flush=True)
    print(f"ratio of p50: {percentile(busy, 50) / percentile(idle, 50):.2f}", flush=True)
    print(f"ratio of p99: {percentile(busy, 99) / percentile(idle, 99):.2f}", flush=True)


def waits(stack: Running, photo: Path, times: int) -> list[float]:
    """Seconds from the answer to `ready`, photo by photo."""
    found = []
    for _ in range(times):
        media_id, begun = stack.upload(photo, "photos"), time.monotonic()
        while stack.record(media_id)["status"] != "ready":
            time.sleep(_LOOK)
        found.append(time.monotonic() - begun)
    return found


def chunks(records: Records, media: Sequence[str], status: TaskStatus | None = None) -> Iterator[Task]:
    """The films' chunks, or those in that status."""
    tasks = (task_of(row) for each in media for row in records.tasks(each))
    return (task for task in tasks if task.stage == "transcode" and status in {None, task.status})


def done(records: Records, media: Sequence[str]) -> int:
    """How many chunks are encoded."""
    return sum(1 for _ in chunks(records, media, TaskStatus.DONE))


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def show(what: str, values: Sequence[float]) -> None:
    """One line of figures, in ms."""
    p50, p99 = (1000 * percentile(values, percent) for percent in (50, 99))
    print(f"{what}: {len(values)} photos, p50 {p50:.0f} ms, p99 {p99:.0f} ms", flush=True)


if __name__ == "__main__":
    sys.exit(main())
