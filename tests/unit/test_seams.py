"""However many workers share a film, it is the same film."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.builders import ffmpeg
from tests.films import PROGRAMS, Darkroom, Film, assert_steady, chunked
from tests.footage import frames as frames_of
from tests.footage import time_of, write

SECONDS, RATE = 28, 10
CHUNKS = {60: 1, 12: 3, 4: 7}
"""Numbers of chunks, by their seconds."""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Film]:
    folder = tmp_path_factory.mktemp("films")
    scene = f"testsrc2=size=160x90:rate={RATE}:duration={SECONDS}"
    source = write(folder / "film.mp4", "-f", "lavfi", "-i", scene, "-crf", "10", "-g", "8")
    made = {}
    for length, count in CHUNKS.items():
        film = Darkroom(PROGRAMS[0], source, folder / str(length), chunked(length)).develop()
        assert film.video.chunks == count
        assert_steady(film)
        made[count] = film
    return made


@pytest.mark.parametrize("count", [3, 7])
def test_chunks_change_neither_the_frames_nor_their_times(films: dict[int, Film], count: int) -> None:
    whole, parted = films[1].mp4, films[count].mp4
    times = [[time_of(frame) for frame in frames_of(path)] for path in (whole, parted)]
    assert len(times[0]) == SECONDS * RATE
    assert times[0] == times[1]
    assert min(ssim(whole, parted)) >= 0.98


def test_the_comparison_would_notice_one_frame_in_another_s_place(films: dict[int, Film], tmp_path: Path) -> None:
    late = write(tmp_path / "late.mp4", "-i", str(films[1].mp4), "-vf", "trim=start_frame=1,setpts=PTS-STARTPTS", "-an")
    assert sorted(ssim(films[1].mp4, late))[-5] < 0.98  # but for the very last one, which is repeated


def ssim(film: Path, other: Path) -> list[float]:
    """The structural similarity of each frame of one film with the other's."""
    argv = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(film), "-i", str(other)]
    argv += ["-lavfi", "[0:v][1:v]ssim=stats_file=-", "-f", "null", "-"]
    told = subprocess.run(argv, capture_output=True, check=True, text=True, timeout=120).stdout
    return [float(value) for value in re.findall(r"All:([0-9.]+)", told)]
