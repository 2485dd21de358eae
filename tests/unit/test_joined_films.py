"""Films whose timestamps leap, for they were joined end to end, or lost packets: all of them is shown, in step."""

from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.limits import Rejected
from pipeline.probes import Probe
from tests import warm
from tests.claps import clap, heard, seen
from tests.films import LIMITS, PROGRAMS, Config, Darkroom, Film, assert_steady, chunked
from tests.footage import LEVELS, counted, number, pictures, sound, write
from workers.inspection import inspect

every_ffmpeg = pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])

BACK, FORWARD = "-90", "100"
"""Seconds by which the second recording's clock differs."""


def joined(path: Path, *pieces: Path) -> Path:
    path.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    return path


def probe(path: Path) -> Probe:
    found = inspect(path, warm.children(), LIMITS)
    assert isinstance(found, Probe), found
    return found


def numbers(film: Film) -> list[int]:
    return [number(picture) for picture in pictures(film.mp4)]


@every_ffmpeg
@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("ts", ("0", "0")),
        ("ts", ("100", "10")),
        ("ts", ("10", "100")),
        ("ts", ("95440", "95440")),  # the clock of 33 bits begins anew in each
        ("mkv", ("0", "0")),
    ],
)
def test_all_recordings_of_a_file_are_shown(program: str, tmp_path: Path, kind: str, begins: tuple[str, str]) -> None:
    seconds = (6, 4)
    pieces = [
        counted(tmp_path / f"{number}.{kind}", seconds=length, options=("-output_ts_offset", begin))
        for number, (length, begin) in enumerate(zip(seconds, begins, strict=True))
    ]
    film = Darkroom(program, joined(tmp_path / f"film.{kind}", *pieces), tmp_path / "out", chunked(4)).develop()
    assert_steady(film)
    assert film.video.chunks == 3
    assert film.probe.duration == pytest.approx(sum(seconds), abs=0.05)
    assert numbers(film) == [n % LEVELS for length in seconds for n in range(25 * length)]
    loud = [float(time) for time, level in sound(film.mp4) if level > 1000]
    assert max(later - earlier for earlier, later in pairwise([0.0, *loud, 10.0])) < 0.1


@every_ffmpeg
def test_what_follows_a_leap_is_in_step(program: str, tmp_path: Path) -> None:
    whole = clap(tmp_path / "clap.ts", "-c:a", "aac", late=0.005)
    dark = write(tmp_path / "dark.ts", "-i", str(whole), "-t", "0.8", "-c", "copy")
    film = Darkroom(program, joined(tmp_path / "film.ts", dark, whole), tmp_path / "out", Config()).develop()
    assert_steady(film)
    light = seen(film.mp4)
    assert light > 1.5
    assert heard(film.mp4, light - 0.005) - light == pytest.approx(-0.005, abs=0.001)


@every_ffmpeg
def test_a_program_stream_of_several_is_shown_whole(program: str, tmp_path: Path) -> None:
    coding = ("-c:v", "mpeg2video", "-q:v", "2", "-bf", "0", "-c:a", "mp2")
    piece = counted(tmp_path / "piece.mpg", seconds=4, options=coding)
    film = Darkroom(program, joined(tmp_path / "film.mpg", piece, piece), tmp_path / "out", chunked(4)).develop()
    assert_steady(film)
    assert numbers(film) == 2 * [n % LEVELS for n in range(100)]


@every_ffmpeg
def test_a_disc_s_sound_that_is_not_compressed_is_joined_too(program: str, tmp_path: Path) -> None:
    disc = ("-c:a", "pcm_bluray", "-mpegts_m2ts_mode", "1", "-f", "mpegts")
    piece = counted(tmp_path / "piece.m2ts", seconds=3, options=disc)
    film = Darkroom(program, joined(tmp_path / "film.m2ts", piece, piece), tmp_path / "out", Config()).develop()
    assert_steady(film)
    assert numbers(film) == 2 * [n % LEVELS for n in range(75)]
    assert sound(film.mp4)[-1][0] == pytest.approx(6, abs=0.05)


def test_what_cannot_be_put_right_is_refused(tmp_path: Path) -> None:
    disc = ("-c:v", "mpeg2video", "-c:a", "pcm_dvd", "-ac", "2", "-f", "vob")
    piece = counted(tmp_path / "piece.vob", seconds=3, options=disc)
    assert probe(piece).audio_codec == "pcm_dvd"
    verdict = inspect(joined(tmp_path / "film.vob", piece, piece), warm.children(), LIMITS)
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "timestamps_broken"


def test_packets_that_are_lost_leave_a_picture_that_stands(tmp_path: Path) -> None:
    data = counted(tmp_path / "whole.ts", seconds=15).read_bytes()
    first, last = (len(data) // 188 * part // 12 * 188 for part in (4, 6))
    source = tmp_path / "film.ts"
    source.write_bytes(data[:first] + data[last:])
    film = Darkroom(PROGRAMS[0], source, tmp_path / "out", chunked(4)).develop()
    assert film.probe.discontinuities == ()
    shown = numbers(film)
    assert len(shown) == 375
    assert shown[:120] + shown[200:] == [n % LEVELS for n in (*range(120), *range(200, 375))]


def test_a_picture_that_stands_while_the_sound_goes_on_is_no_leap(tmp_path: Path) -> None:
    slow = ("-vf", "select='lt(t,1)+gt(t,14)'", "-fps_mode", "vfr")
    found = probe(counted(tmp_path / "film.ts", seconds=16, options=slow))
    assert found.discontinuities == ()
    assert found.duration == pytest.approx(16, abs=0.1)


@pytest.mark.parametrize("off", [-0.5, 5000.0])
def test_one_timestamp_that_goes_astray_is_no_leap(tmp_path: Path, off: float) -> None:
    source = counted(tmp_path / "film.ts", seconds=4, options=("-bf", "0"))
    data = bytearray(source.read_bytes())
    moved = timestamps(data)[50]
    value = read(data, moved) + round(off * 90_000)
    write_time(data, moved, value)
    source.write_bytes(data)
    found = probe(source)
    assert found.discontinuities == ()
    assert found.duration == pytest.approx(4, abs=0.1)


def test_a_file_of_more_pieces_than_anybody_joins_is_refused(tmp_path: Path) -> None:
    piece = counted(tmp_path / "piece.ts", seconds=0.2)
    verdict = inspect(joined(tmp_path / "film.ts", *[piece] * 102), warm.children(), LIMITS)
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "timestamps_broken"


def timestamps(data: bytearray) -> list[int]:
    """Where the timestamps of a TS's pictures are stored: ISO/IEC 13818-1, 2.4.3.6."""
    found, at = [], data.find(b"\0\0\1\xe0")
    while at >= 0:
        found.append(at + 9)
        at = data.find(b"\0\0\1\xe0", at + 1)
    return found


def read(data: bytearray, at: int) -> int:
    """Ticks of 1/90000 s."""
    high, middle, low = (
        data[at] >> 1 & 7,
        int.from_bytes(data[at + 1 : at + 3]) >> 1,
        int.from_bytes(data[at + 3 : at + 5]) >> 1,
    )
    return high << 30 | middle << 15 | low


def write_time(data: bytearray, at: int, ticks: int) -> None:
    """The inverse of `read`."""
    data[at] = data[at] & 0xF1 | (ticks >> 30 & 7) << 1
    data[at + 1 : at + 3] = ((ticks >> 15 & 0x7FFF) << 1 | 1).to_bytes(2)
    data[at + 3 : at + 5] = ((ticks & 0x7FFF) << 1 | 1).to_bytes(2)
