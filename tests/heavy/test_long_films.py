"""A film of hours on `make run` and one more worker: `make long`; HOURS says how many."""

import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from urllib.parse import urljoin

import av
import pytest

from pipeline.rows import task_of
from tests.footage import write
from tests.hands import hired
from tests.stack import ROOT, SETTLED, running
from tests.web import web

HOURS = float(os.environ.get("HOURS", "2"))
RATE, SIZE = 5, "160x90"  # frames per second, pixels: so few that a day of film fits on a laptop
SEGMENT = 4  # seconds, of pipeline.toml
STAGES = ("poster", "storyboard", "preview", "audio", "transcode", "package")
WORKERS = 2
"""Who may each keep the original."""
SLACK = 100_000_000
"""Bytes of scratch that a film of any length may take beside the originals, and the MP4 with what it is joined of."""


@contextmanager
def measured(*folders: Path) -> Iterator[list[int]]:
    """The most bytes that lay in the folders at once, looked at again and again; links to one file count once."""
    most, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            seen = {}
            for place, _, names in (found for folder in folders for found in os.walk(folder)):
                for name in names:
                    with suppress(FileNotFoundError):  # it may go while one looks; a folder, too
                        facts = Path(place, name).stat()
                        seen[facts.st_ino] = facts.st_blocks * 512
            most[0] = max(most[0], sum(seen.values()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def assert_whole(playlist: str, frames: int) -> None:
    """All frames are in the segments of a media playlist, by its own words."""
    text = web.get(playlist, timeout=60).raise_for_status().text
    lengths = [float(length) for length in re.findall(r"#EXTINF:([0-9.]+)", text)]
    assert sum(lengths) == pytest.approx(frames / RATE, abs=0.001)
    assert len(lengths) == -(-frames // (SEGMENT * RATE))
    assert text.endswith("#EXT-X-ENDLIST\n")


@pytest.mark.timeout(0)
def test_a_film_of_hours_is_ready_in_bounded_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = round(HOURS * 3600) * RATE
    scene = ("-f", "lavfi", "-i", f"testsrc2=size={SIZE}:rate={RATE}", "-f", "lavfi", "-i", "sine=sample_rate=8000")
    coding = ("-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", str(2 * RATE), "-c:a", "aac", "-b:a", "16k")
    source = write(tmp_path / "film.mp4", *scene, "-t", str(frames / RATE), *coding, timeout=None)
    rules = tmp_path / "pipeline.toml"
    raised = f'\nduration = "{int(HOURS) + 2}h"'
    rules.write_text(re.sub(r'\nduration = "\d+h"', raised, (ROOT / "pipeline.toml").read_text()))
    with running(tmp_path / "run", PIPELINE=str(rules)) as stack, hired(stack, "video-long", tmp_path / "hand") as hand:
        begun = time.monotonic()
        with measured(Path(stack.env["SCRATCH_DIR"]), tmp_path / "hand" / "scratch") as scratch:
            media_id = stack.upload(source)
            while (record := stack.record(media_id))["status"] not in SETTLED:
                time.sleep(1)
        took = time.monotonic() - begun
        assert record["status"] == "ready", record
        assert record["probe"]["duration"] == pytest.approx(frames / RATE, abs=1 / RATE)
        index = web.get(record["urls"]["hls"]).text.splitlines()
        for rung in (line for line in index if line and not line.startswith("#")):
            assert_whole(urljoin(record["urls"]["hls"], rung), frames)
        movie = tmp_path / "movie.mp4"
        with web.stream("GET", record["urls"]["mp4"]) as answer, movie.open("wb") as file:
            file.writelines(answer.iter_bytes())
        with av.open(str(movie)) as container:
            packets = container.demux(container.streams.video[0])
            shown = sorted(packet.pts * packet.time_base for packet in packets if packet.pts is not None)
        assert len(shown) == frames
        assert {after - before for before, after in pairwise(shown)} == {Fraction(1, RATE)}
        assert shown[0] == 0
        kept = WORKERS * source.stat().st_size
        assert scratch[0] <= kept + 3 * movie.stat().st_size + SLACK
        rows = map(task_of, stack.services().ledger.records.tasks(record["id"]))
        chunks = sum(task.stage == "transcode" for task in rows)
        # Chunks are so small that one worker may be at the sound, which is one task, for as long as the other at them.
        made = {stage: count for stage in STAGES if (count := hand.committed(stage))}
    assert made
    shared = ", ".join(f"{stage} {count}" for stage, count in made.items())
    facts = f"{HOURS:g} h, {frames} frames, {took:.0f} s, {chunks} chunks, by the second worker {shared}"
    sizes = f"original {source.stat().st_size} B, MP4 {movie.stat().st_size} B, scratch at most {scratch[0]} B"
    with capsys.disabled():
        sys.stderr.write(f"{facts}, {sizes}\n")
