"""Real videos, all the way: with the ffmpeg that FFMPEG names, else the pinned one."""

import os
from fractions import Fraction
from pathlib import Path
from statistics import mean

import av
import pytest

from tests.films import Darkroom, assert_steady, chunked, corpus, likenesses
from tests.footage import pictures
from workers.encoder import find_ffmpeg

LONG = 60
"""Seconds; longer videos take minutes each and are left to `CORPUS_ALL=1`."""
HDR = {"smpte2084", "arib-std-b67"}


@pytest.mark.timeout(1800)
@pytest.mark.skipif("CORPUS_DIR" not in os.environ, reason="CORPUS_DIR is not set")
@pytest.mark.parametrize("source", [pytest.param(path, id=path.name) for path in corpus()])
def test_every_video_of_the_corpus_goes_all_the_way(tmp_path: Path, source: Path) -> None:
    with av.open(source, "r") as container:
        if (container.duration or 0) > LONG * 1_000_000 and os.environ.get("CORPUS_ALL") != "1":
            pytest.skip(f"longer than {LONG} s: CORPUS_ALL=1 takes it in")
    film = Darkroom(find_ffmpeg(os.environ.get("FFMPEG")), source, tmp_path / "out", chunked(20)).develop()
    assert_steady(film)
    length = len(pictures(film.mp4)) / Fraction(film.video.rate)
    assert film.probe.video_duration is not None
    assert float(length) == pytest.approx(film.probe.video_duration, abs=1.01 / Fraction(film.video.rate))
    # What is compared with is not mapped to SDR.
    assert mean(likenesses(film, source)) >= (0.8 if film.probe.colour_transfer in HDR else 0.92)
