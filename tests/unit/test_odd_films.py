"""Verdicts on films that are cut off, locked, or not what their containers say."""

import math
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.limits import Limits, Rejected
from pipeline.probes import Probe
from tests import builders, warm
from tests.films import LIMITS
from tests.footage import counted, write
from workers.inspection import inspect

LENIENT = replace(LIMITS, truncated="accept-with-warning")


def verdict(path: Path, limits: Limits = LIMITS) -> Probe | Rejected:
    return inspect(path, warm.children(), limits)


def accepted(path: Path, limits: Limits = LIMITS) -> Probe:
    found = verdict(path, limits)
    assert isinstance(found, Probe), found
    return found


def reason(path: Path, limits: Limits = LIMITS) -> str:
    found = verdict(path, limits)
    assert isinstance(found, Rejected), found
    return found.reason


@pytest.mark.parametrize("keep", [0.3, 0.99])
@pytest.mark.parametrize("name", ["film.mkv", "film.webm", "film.avi", "index-last.mp4"])
def test_a_film_that_breaks_off_is_refused(tmp_path: Path, name: str, keep: float) -> None:
    whole = builders.video(tmp_path / name, (160, 90))
    assert isinstance(verdict(whole), Probe)
    assert reason(builders.cut(whole, tmp_path / "cut", keep)) == "video_truncated"


def test_a_live_recording_announces_no_end(tmp_path: Path) -> None:
    live = builders.video(tmp_path / "film.mkv", (160, 90), seconds=3, options=["-live", "1", "-g", "10"])
    assert accepted(builders.cut(live, tmp_path / "cut", 0.6)).warnings == ()


@pytest.mark.parametrize("name", ["film.mkv", "film.avi"])
def test_a_film_that_breaks_off_lasts_as_long_as_it_goes(tmp_path: Path, name: str) -> None:
    whole = counted(tmp_path / name, seconds=4, tone=False)
    probe = accepted(builders.cut(whole, tmp_path / "cut", 0.5), LENIENT)
    assert probe.warnings == ("video_truncated",)
    assert 1 < (probe.duration or 0) < 3


def test_what_stands_behind_a_film_is_no_part_of_it(tmp_path: Path) -> None:
    whole = builders.video(tmp_path / "film.avi", (160, 90), seconds=0.5)
    whole.write_bytes(whole.read_bytes() + b"\0\0\0\0")
    assert accepted(whole).warnings == ()


@pytest.mark.parametrize("begins", [100, 31_536_000])
def test_a_matroska_lasts_from_its_first_frame_on(tmp_path: Path, begins: int) -> None:
    late = ("-output_ts_offset", str(begins))
    probe = accepted(counted(tmp_path / "film.mkv", seconds=2, options=late))
    assert probe.start_time == pytest.approx(begins, abs=0.1)
    assert probe.duration == pytest.approx(2, abs=0.04)
    assert probe.video_duration == pytest.approx(2, abs=0.001)


def test_a_picture_that_begins_after_the_sound_is_no_longer_for_it(tmp_path: Path) -> None:
    whole = counted(tmp_path / "whole.mkv", seconds=2)
    late = ("-itsoffset", "1", "-i", str(whole), "-i", str(whole), "-map", "0:v", "-map", "1:a", "-c", "copy")
    probe = accepted(write(tmp_path / "film.mkv", *late))
    assert probe.duration == pytest.approx(3, abs=0.04)
    assert probe.video_duration == pytest.approx(2, abs=0.04)


def test_an_encrypted_film_says_so(tmp_path: Path) -> None:
    key = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0f" * 16, "-encryption_kid", "f0" * 16)
    assert reason(builders.video(tmp_path / "film.mp4", (160, 90), seconds=0.5, options=key)) == "video_encrypted"


@pytest.mark.parametrize("default", [0, 1])
def test_the_sound_is_the_one_that_a_player_plays(tmp_path: Path, default: int) -> None:
    other = ("-f", "lavfi", "-i", "sine=frequency=880:duration=1,pan=stereo|c0=c0|c1=c0")
    whole = counted(tmp_path / "whole.mkv", seconds=1)
    flags = ("-disposition:a", "0", f"-disposition:a:{default}", "default")
    tracks = ("-i", str(whole), *other, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "aac", *flags)
    probe = accepted(write(tmp_path / "film.mkv", *tracks))
    assert (probe.audio_stream, probe.audio_channels) == (1 + default, 1 + default)


def test_tracks_that_come_up_in_mid_stream_are_left_alone(tmp_path: Path) -> None:
    disc = ("-c:v", "mpeg2video", "-c:a", "ac3", "-f", "dvd")  # with a track of its own for navigation
    probe = accepted(counted(tmp_path / "film.mpg", seconds=2, options=disc))
    assert probe.video_duration == pytest.approx(2, abs=0.1)


def test_one_frame_is_as_long_as_a_frame(tmp_path: Path) -> None:
    options = ("-frames:v", "1", "-c:v", "mpeg2video")
    assert accepted(counted(tmp_path / "film.mpg", tone=False, options=options)).duration


@pytest.mark.parametrize("degrees", [45, 60, None])
def test_what_is_turned_by_no_quarter_keeps_its_size(tmp_path: Path, degrees: int | None) -> None:
    path = builders.video(tmp_path / "film.mp4", (160, 90), seconds=0.2, audio=False)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44  # ISO/IEC 14496-12, 8.3.2
    data[matrix : matrix + 36] = turn(degrees)
    path.write_bytes(data)
    probe = accepted(path)
    assert (probe.width, probe.height, probe.orientation) == (160, 90, 0)


def turn(degrees: int | None) -> bytes:
    """The matrix of a track; None: one that makes a point of the picture."""
    if degrees is None:
        return bytes(36)
    cos, sin = (round(65536 * of(math.radians(degrees))) for of in (math.cos, math.sin))
    return struct.pack(">9i", cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 30)
