"""Verdicts on real files, each inspected in a real confined child."""

import random
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import ReleasedError
from pipeline.limits import Limits, Rejected
from pipeline.probes import Probe
from tests import builders, warm
from workers.inspection import inspect

LIMITS = Limits(
    bytes=500 * 10**6,
    pixels=100 * 10**6,
    side=30_000,
    frames=1000,
    animation=10**9,
    duration=4 * 3600.0,
    streams=16,
    accept=frozenset(
        {
            *(f"image/{kind}" for kind in ("jpeg", "png", "gif", "webp", "avif", "heic", "heif", "tiff", "bmp")),
            *(f"video/{kind}" for kind in ("mp4", "quicktime", "webm", "x-matroska", "x-msvideo", "mp2t", "3gpp")),
        }
    ),
)


def accepted(path: Path, limits: Limits = LIMITS) -> Probe:
    verdict = inspect(path, warm.children(), limits)
    assert isinstance(verdict, Probe), verdict
    return verdict


def reason(path: Path, limits: Limits = LIMITS) -> str:
    verdict = inspect(path, warm.children(), limits)
    assert isinstance(verdict, Rejected), verdict
    return verdict.reason


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "avif", "heic", "bmp", "gif"])
def test_a_photo_of_each_kind_is_accepted(kind: str, tmp_path: Path) -> None:
    probe = accepted(builders.photo(tmp_path / f"photo.{kind}", (200, 100)))
    assert (probe.kind, probe.width, probe.height, probe.frames) == ("image", 200, 100, 1)
    assert probe.mime_type in LIMITS.accept
    assert probe.bytes == (tmp_path / f"photo.{kind}").stat().st_size


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "avif", "heic"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_the_size_is_the_displayed_one(kind: str, orientation: int, tmp_path: Path) -> None:
    probe = accepted(builders.photo(tmp_path / f"photo.{kind}", (200, 100), orientation=orientation))
    assert (probe.width, probe.height) == ((100, 200) if orientation == 6 else (200, 100))


@pytest.mark.parametrize(("kind", "mime_type"), [("png", "image/png"), ("gif", "image/gif"), ("webp", "image/webp")])
def test_the_frames_of_an_animation_are_counted(kind: str, mime_type: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in range(0, 250, 50)]
    path = builders.photo(
        tmp_path / f"moving.{kind}", picture=frames[0], save_all=True, append_images=frames[1:], duration=40
    )
    probe = accepted(path)
    assert (probe.frames, probe.mime_type) == (5, mime_type)
    assert reason(path, replace(LIMITS, frames=4)) == "frames_exceeded"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_pixels_is_accepted(mode: str, tmp_path: Path) -> None:
    picture = Image.new("I;16", (40, 30), 40_000) if mode == "I;16" else builders.quarters((40, 30), mode)
    probe = accepted(builders.photo(tmp_path / ("photo.tiff" if mode == "CMYK" else "photo.png"), picture=picture))
    assert probe.has_alpha == (mode in {"LA", "RGBA"})


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "avif", "heic", "bmp", "gif"])
def test_half_a_photo_is_no_photo(kind: str, tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (200, 100), random.Random(1).randbytes(60_000))
    whole = builders.photo(tmp_path / f"photo.{kind}", picture=noise)
    # A TIFF keeps its directory at the end, so that half of one cannot be told from any other bytes.
    assert reason(builders.cut(whole, tmp_path / "half", 0.5)) in {"image_undecodable", "format_unsupported"}


@pytest.mark.parametrize(
    "content", [b"", b"plain text", b"\xff\xd8\xff\xe0", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_is_no_medium_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert reason(path) == "format_unsupported"


def test_an_image_of_a_kind_that_is_not_accepted_is_refused(tmp_path: Path) -> None:
    path = builders.photo(tmp_path / "photo.bmp", (40, 30))
    assert reason(path, replace(LIMITS, accept=frozenset({"image/jpeg"}))) == "type_not_accepted"


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(30_000, 30_000) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    assert reason(path) == "pixels_exceeded"
    path.write_bytes(png_header(30_001, 10) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    assert reason(path) == "side_exceeded"


def test_an_endless_animation_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    frame = b",\0\0\0\0\xd0\x07\xd0\x07\0\x02\x02\x4c\x01\0"
    path = tmp_path / "bomb.gif"
    path.write_bytes(b"GIF89a" + struct.pack("<HH", 2000, 2000) + b"\x80\0\0" + bytes(6) + frame * 50_000 + b";")
    assert reason(path) == "frames_exceeded"


def test_a_video_tells_what_the_plan_needs(tmp_path: Path) -> None:
    probe = accepted(builders.video(tmp_path / "video.mp4", (320, 180), rate="30000/1001", seconds=2.002))
    assert (probe.kind, probe.format, probe.mime_type, probe.codec) == ("video", "mp4", "video/mp4", "h264")
    assert (probe.width, probe.height, probe.frame_rate, probe.frames) == (320, 180, "30000/1001", 60)
    assert probe.duration == pytest.approx(2.002, abs=0.1)
    assert probe.video_duration == pytest.approx(2.002, abs=0.01)
    assert (probe.has_audio, probe.audio_codec, probe.audio_channels) == (True, "aac", 1)
    assert (probe.pixel_format, probe.bit_depth, probe.interlaced) == ("yuv420p", 8, False)


@pytest.mark.parametrize("kind", ["mov", "webm", "mkv", "avi", "ts"])
def test_a_video_of_each_container_is_accepted(kind: str, tmp_path: Path) -> None:
    probe = accepted(builders.video(tmp_path / f"video.{kind}", (160, 90), seconds=1))
    assert (probe.width, probe.height) == (160, 90)
    assert probe.duration == pytest.approx(1, abs=0.1)
    assert probe.has_audio


@pytest.mark.parametrize(("turned", "size"), [(90, (180, 320)), (180, (320, 180)), (270, (180, 320))])
def test_a_turned_video_has_its_displayed_size(turned: int, size: tuple[int, int], tmp_path: Path) -> None:
    probe = accepted(builders.video(tmp_path / "video.mov", (320, 180), seconds=0.5, audio=False, turned=turned))
    assert (probe.width, probe.height) == size
    assert (probe.orientation, probe.has_audio) == (turned, False)


def test_wide_pixels_are_displayed_wide(tmp_path: Path) -> None:
    probe = accepted(builders.video(tmp_path / "video.mp4", (720, 576), seconds=0.2, options=["-vf", "setsar=16/15"]))
    assert (probe.width, probe.height) == (768, 576)
    assert (probe.coded_width, probe.coded_height, probe.sample_aspect) == (720, 576, "16:15")


def test_a_recording_that_does_not_know_its_length_is_measured(tmp_path: Path) -> None:
    live = builders.video(tmp_path / "video.mkv", (160, 90), seconds=1.5, options=["-f", "matroska", "-live", "1"])
    assert accepted(live).duration == pytest.approx(1.5, abs=0.1)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    assert reason(builders.sound(tmp_path / "sound.mp4")) == "picture_missing"


def test_cover_art_makes_no_video_of_a_song(tmp_path: Path) -> None:
    assert reason(builders.song(tmp_path / "song.m4a")) == "picture_missing"


def test_a_video_without_its_end_is_refused(tmp_path: Path) -> None:
    whole = builders.video(tmp_path / "video.mp4", options=["-movflags", "+faststart"])
    assert reason(builders.cut(whole, tmp_path / "cut", 0.7)) == "video_truncated"


def test_a_video_without_a_picture_in_it_is_refused(tmp_path: Path) -> None:
    path = builders.video(tmp_path / "video.mp4", seconds=0.5, audio=False)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = random.Random(1).randbytes(end - start)
    path.write_bytes(data)
    assert reason(path) == "video_undecodable"


def test_a_codec_that_nobody_knows_is_refused_as_picture_and_left_out_as_sound(tmp_path: Path) -> None:
    known = builders.video(tmp_path / "video.mp4", (160, 90), seconds=0.5, options=["-c:a", "ac3"]).read_bytes()
    path = tmp_path / "unknown.mp4"
    path.write_bytes(known.replace(b"avc1", b"zzzz"))
    assert reason(path) == "video_undecodable"
    path.write_bytes(known.replace(b"ac-3", b"zzzz"))
    assert not accepted(path).has_audio


def test_a_video_over_a_limit_is_refused(tmp_path: Path) -> None:
    path = builders.video(tmp_path / "video.mp4", (320, 180), seconds=2)
    assert reason(path, replace(LIMITS, duration=1.0)) == "duration_exceeded"
    assert reason(path, replace(LIMITS, pixels=50_000)) == "pixels_exceeded"
    assert reason(path, replace(LIMITS, streams=1)) == "streams_exceeded"


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {other}\n",
    ],
)
def test_a_playlist_opens_no_other_file(playlist: str, tmp_path: Path) -> None:
    other = builders.video(tmp_path / "private.ts", (160, 90), seconds=0.5)
    path = tmp_path / "evil.mp4"
    for name in (other.name, str(other), f"file://{other}"):
        path.write_text(playlist.format(other=name))
        assert reason(path) == "format_unsupported"


def test_a_stopped_task_inspects_nothing(tmp_path: Path) -> None:
    children = warm.children()
    children.stop(ReleasedError())
    with pytest.raises(ReleasedError):
        inspect(builders.photo(tmp_path / "photo.jpg"), children, LIMITS)


def test_inspection_leaves_no_file_behind(tmp_path: Path) -> None:
    path = builders.photo(tmp_path / "photo.jpg")
    accepted(path)
    assert list(tmp_path.iterdir()) == [path]


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
