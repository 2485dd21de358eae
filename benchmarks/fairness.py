"""How long a photo takes to be ready on an idle stack, and while video chunks wait in the queues beside it.

The stack is `make run`'s, with the shipped pipeline.toml but for `chunk`, so that one video makes many. Photos go in
one after the other; the time is from the answer to the upload to `ready`. Prints figures; asserts nothing.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.ports import Records
from pipeline.tasks import SHARDS
from tests import builders
from tests.serving import wait_for
from tests.stack import ROOT, Running, running

CHUNK = 4
"""Seconds of video in a chunk, instead of 60."""
_EVER = 2**53
_LOOK = 0.02


def main() -> int:
    """Measure both and print the figures."""
    parser = argparse.ArgumentParser(prog="make bench-fairness", description=__doc__)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--chunks", type=int, default=60)
    parser.add_argument("--nice", type=int, nargs="+", default=[10], help="of ffmpeg, one after the other")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        photo = builders.photo(folder / "photo.jpg", (4000, 3000))
        # With fewer keyframes chunks would be made longer, so as not to decode much twice.
        options = ("-preset", "ultrafast", "-g", "6")
        video = builders.video(folder / "video.mp4", (1280, 720), seconds=CHUNK * given.chunks, options=options)
        for number, nice in enumerate(given.nice):
            toml = folder / f"{number}.toml"
            shipped = (ROOT / "pipeline.toml").read_text().replace('chunk = "60s"', f'chunk = "{CHUNK}s"')
            toml.write_text(shipped.replace("nice = 10                 ", f"nice = {nice}"))
            with running(folder / f"run-{number}", PIPELINE=str(toml)) as stack:
                print(f"ffmpeg at nice {nice}")
                compare(stack, photo, video, given.photos, given.chunks)
    return 0


def compare(stack: Running, photo: Path, video: Path, photos: int, wanted: int) -> None:
    """Photos on the stack as it is, then beside so many chunks of the video."""
    waits(stack, photo, 5)  # everybody is awake
    idle = waits(stack, photo, photos)
    show("idle", idle)
    stack.upload(video, "films")
    records = stack.services().ledger.records
    wait_for(lambda: chunks(records) >= wanted - 2, 120)
    before = chunks(records)
    busy = waits(stack, photo, photos)
    show(f"while {before} to {chunks(records)} chunks wait", busy)
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


def chunks(records: Records) -> int:
    """Chunks that are owed."""
    rows = (row for shard in range(SHARDS) for row in records.overdue(shard, _EVER, 1000))
    return sum(str(row["task"]).startswith("transcode#") for row in rows)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def show(what: str, values: Sequence[float]) -> None:
    """One line of figures, in ms."""
    p50, p99 = (1000 * percentile(values, percent) for percent in (50, 99))
    print(f"{what}: {len(values)} photos, p50 {p50:.0f} ms, p99 {p99:.0f} ms", flush=True)


if __name__ == "__main__":
    sys.exit(main())
