"""Verdicts on films that are cut off, locked, or not what their containers say."""

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.limits import Limits, Rejected
from pipeline.probes import Probe
from tests import builders, warm
from tests.films import LIMITS
from tests.footage import counted, write
from tests.unit.test_fragments import box
from workers.inspection import inspect

ENCRYPTED = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0f" * 16, "-encryption_kid", "f0" * 16)
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
    film = builders.video(tmp_path / "film.mp4", (160, 90), seconds=0.5, options=ENCRYPTED)
    assert reason(film) == "video_encrypted"


def test_a_film_of_which_the_sound_is_encrypted_says_so(tmp_path: Path) -> None:
    fragments = ("-movflags", "+frag_every_frame+empty_moov+default_base_moof")
    picture = counted(tmp_path / "picture.mp4", seconds=1, tone=False, options=fragments)
    tone = ("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac")
    sound = write(tmp_path / "sound.mp4", *tone, *fragments, *ENCRYPTED)
    film = tmp_path / "film.mp4"
    film.write_bytes(beside(picture.read_bytes(), sound.read_bytes()))
    assert reason(film) == "video_encrypted"


def beside(one: bytes, other: bytes) -> bytes:
    """The fragmented tracks of two files in one: ISO/IEC 14496-12, 8.3.2, 8.8.3 and 8.8.7."""
    for kind, at in ((b"tkhd", 12), (b"trex", 4), (b"tfhd", 4)):
        other = re.sub(kind + b"(.{%d})\0\0\0\1" % at, kind + b"\\1\0\0\0\2", other, flags=re.DOTALL)
    head, tail = dict(boxes(one)), dict(boxes(other))
    first, second = dict(boxes(head[b"moov"])), dict(boxes(tail[b"moov"]))
    extends = box(b"mvex", *(box(b"trex", dict(boxes(each[b"mvex"]))[b"trex"]) for each in (first, second)))
    tracks = (box(b"trak", first[b"trak"]), box(b"trak", second[b"trak"]))
    moov = box(b"moov", box(b"mvhd", first[b"mvhd"]), *tracks, extends)
    fragments = (box(*each) for each in (*boxes(one), *boxes(other)) if each[0] in (b"moof", b"mdat"))
    return b"".join((box(b"ftyp", head[b"ftyp"]), moov, *fragments))


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def test_a_track_of_sound_that_nothing_comes_of_is_none(tmp_path: Path) -> None:
    data = counted(tmp_path / "whole.ts", seconds=1).read_bytes()
    packets = (data[at : at + 188] for at in range(0, len(data), 188))
    film = tmp_path / "film.ts"
    film.write_bytes(b"".join(each for each in packets if each[1] & 0x1F != 1 or each[2] != 1))  # of stream 0x101
    assert not accepted(film).has_audio


def test_a_film_may_mark_no_frame_to_begin_with(tmp_path: Path) -> None:
    path = counted(tmp_path / "film.mp4", seconds=1, tone=False)
    data = bytearray(path.read_bytes())
    marks = data.index(b"stss") + 12  # ISO/IEC 14496-12, 8.6.2
    count = int.from_bytes(data[marks - 4 : marks])
    data[marks : marks + 4 * count] = b"\x7f" * (4 * count)
    path.write_bytes(data)
    assert accepted(path).keyframe_gap == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("default", [0, 1])
def test_the_sound_is_the_one_that_a_player_plays(tmp_path: Path, default: int) -> None:
    other = ("-f", "lavfi", "-i", "sine=frequency=880:duration=1,pan=stereo|c0=c0|c1=c0")
    whole = counted(tmp_path / "whole.mkv", seconds=1)
    flags = ("-disposition:a", "0", f"-disposition:a:{default}", "default")
    tracks = ("-i", str(whole), *other, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "aac", *flags)
    probe = accepted(write(tmp_path / "film.mkv", *tracks))
    assert (probe.audio_stream, probe.audio_channels) == (1 + default, 1 + default)


def test_tracks_that_a_later_part_has_more_of_are_left_alone(tmp_path: Path) -> None:
    one = counted(tmp_path / "one.ts", seconds=2)
    tones = [word for pitch in range(6) for word in ("-f", "lavfi", "-i", f"sine=frequency={440 + pitch}:duration=2")]
    tracks = [word for track in range(7) for word in ("-map", str(track))]
    more = write(tmp_path / "more.ts", "-i", str(one), *tones, *tracks, "-c:v", "copy", "-output_ts_offset", "2")
    film = tmp_path / "film.ts"
    film.write_bytes(one.read_bytes() + more.read_bytes())
    assert accepted(film).duration == pytest.approx(4, abs=0.1)


def test_tracks_that_come_up_in_mid_stream_are_left_alone(tmp_path: Path) -> None:
    disc = ("-c:v", "mpeg2video", "-c:a", "ac3", "-f", "dvd")  # with a track of its own for navigation
    probe = accepted(counted(tmp_path / "film.mpg", seconds=2, options=disc))
    assert probe.video_duration == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("container", ["mpg", "ts", "vob"])
def test_one_frame_is_as_long_as_a_frame(tmp_path: Path, container: str) -> None:
    scene = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=0.04")
    probe = accepted(write(tmp_path / f"film.{container}", *scene, "-c:v", "mpeg2video"))
    assert probe.duration == pytest.approx(0.04, abs=0.001)
    assert probe.start_time == probe.video_start > 0


def test_a_gap_in_the_index_counts_whatever_the_header_says(tmp_path: Path) -> None:
    late = "PTS+gte(T\\,1)*36000/TB"
    options = ("-vf", f"setpts={late}", "-fps_mode", "passthrough", "-bf", "0")
    path = counted(tmp_path / "film.mp4", seconds=2, tone=False, options=options)
    data = bytearray(path.read_bytes())
    for kind, at in ((b"mvhd", 12), (b"mdhd", 12), (b"tkhd", None), (b"elst", None)):  # ISO/IEC 14496-12, 8.2 to 8.6
        begin = data.index(kind) + 4
        ticks = int.from_bytes(data[begin + at :][:4]) if at else 1000
        field = begin + {b"mvhd": 16, b"mdhd": 16, b"tkhd": 20, b"elst": 8}[kind]
        data[field : field + 4] = (2 * ticks).to_bytes(4)
    path.write_bytes(data)
    assert reason(path) == "duration_exceeded"


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
