"""Animated images as films, made by real children and judged by what a player would show, and when."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import pytest
from av.video.plane import VideoPlane
from PIL import Image, ImageStat

from pipeline.animations import Animation
from pipeline.errors import PermanentError
from pipeline.plan import Plan
from tests import builders, warm
from tests.films import PROGRAMS
from tests.unit.test_images import near
from tests.unit.test_inspection import accepted
from workers import animation
from workers.endings import ChildFailedError
from workers.jobs import Job, Made

CORPUS = os.environ.get("CORPUS_DIR", "")
TICK = 1.0
"""Milliseconds by which a picture may come early or late."""
SIDE = 24
TIMES = (40, 500, 20, 130, 70)
KINDS = ("gif", "webp", "png", "avif")


@dataclass(frozen=True)
class Shown:
    """A film as a player shows it: when each picture comes, when the last one ends, and the pictures, RGBA."""

    times: Sequence[float]
    ends: float
    pictures: Sequence[Image.Image]


def moving(
    path: Path, times: Sequence[int] = TIMES, size: tuple[int, int] = (SIDE, SIDE), loop: int | None = None
) -> Path:
    """An animation whose every picture has another colour."""
    pictures = [Image.new("RGB", size, shade(index)) for index in range(len(times))]
    said = {} if loop is None else {"loop": loop}
    pictures[0].save(path, None, save_all=True, append_images=pictures[1:], duration=list(times), **said)
    return path


def shade(index: int) -> tuple[int, int, int]:
    return (60 + 40 * (index % 4), 200 - 30 * (index % 5), 40 * (index % 6))


def job(source: Path, settings: Animation | None = None, program: str = PROGRAMS[0]) -> Job:
    scratch = source.with_name(f"scratch-{source.name}")
    scratch.mkdir()
    plan = Plan(parts=("thumbnail", "animate"), stills=(), animation=settings or Animation())
    return Job(
        part="animate",
        probe=accepted(source),
        plan=plan,
        scratch=scratch,
        children=warm.children(),
        ffmpeg=program,
        source=lambda: source,
        derived=lambda name, _size, _make: scratch / name,
        fetch=lambda suffix: scratch / suffix,
        report=lambda _: None,
    )


def films(made: Made) -> dict[str, Shown]:
    return {str(file.rendition): shown(file.path) for file in made.files}


def shown(path: Path) -> Shown:
    with av.open(path) as container:
        stream = container.streams.video[0]
        decoder = av.CodecContext.create("libvpx-vp9", "r") if stream.codec.name == "vp9" else stream.codec_context
        packets = [packet for packet in container.demux(stream) if packet.size]
        frames = [frame for packet in packets for frame in decoder.decode(packet)] + list(decoder.decode(None))
        times = [1000 * float((frame.pts or 0) * (stream.time_base or 1)) for frame in frames]
        return Shown(times, (container.duration or 0) / 1000, [_rgba(frame) for frame in frames])


def _rgba(frame: av.VideoFrame) -> Image.Image:
    """Colour and alpha apart: swscale's own way from YUVA to RGBA gives other alpha from one call to the next."""
    picture = _plane(frame.reformat(format="rgb24").planes[0], "RGB", frame)
    picture.putalpha(_plane(frame.planes[3], "L", frame) if len(frame.planes) > 3 else 255)
    return picture


def _plane(plane: VideoPlane, mode: str, frame: av.VideoFrame) -> Image.Image:
    return Image.frombytes(mode, (frame.width, frame.height), bytes(plane), "raw", mode, plane.line_size)


def middle(picture: Image.Image) -> tuple[int, ...]:
    return tuple(picture.getpixel((picture.width // 2, picture.height // 2)))  # type: ignore[arg-type]


@pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_comes_at_its_time_and_goes_at_its_time(kind: str, program: str, tmp_path: Path) -> None:
    made = animation.animate(job(moving(tmp_path / f"moving.{kind}"), program=program))
    begins = [0, *accumulate(TIMES)]
    assert {file.duration for file in made.files} == {begins[-1] / 1000}
    for film in films(made).values():
        assert film.times[:-1] == pytest.approx(begins[:-1], abs=TICK)
        assert film.times[-2] < film.times[-1] < begins[-1]  # the last picture once more, until it ends
        assert film.ends == pytest.approx(begins[-1], abs=TICK)
        colours = [middle(picture)[:3] for picture in film.pictures]
        assert near(colours, [shade(min(index, len(TIMES) - 1)) for index in range(len(colours))])


def test_times_between_ticks_do_not_add_up(tmp_path: Path) -> None:
    third = Fraction(1000, 30)  # 1/30 s: what an APNG can say and a millisecond cannot
    pictures = [Image.new("RGB", (SIDE, SIDE), shade(index)) for index in range(31)]
    source = tmp_path / "moving.png"
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=float(third))
    film = films(animation.animate(job(source, Animation(formats=("mp4",)))))["animation"]
    assert film.times[:-1] == pytest.approx([float(index * third) for index in range(31)], abs=TICK / 2)


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_pictures_in_a_hurry_are_shown_as_browsers_show_them(kind: str, tmp_path: Path) -> None:
    made = animation.animate(job(moving(tmp_path / f"moving.{kind}", (0, 10, 20)), Animation(formats=("mp4",))))
    assert films(made)["animation"].times[:3] == pytest.approx([0, 100, 200], abs=TICK)
    assert made.files[0].duration == 0.22


def test_a_job_makes_what_was_promised(tmp_path: Path) -> None:
    work = job(moving(tmp_path / "moving.gif"))
    files = animation.animate(work).files
    assert [(file.suffix, file.rendition, file.mime_type) for file in files] == [
        (promise.suffix, promise.rendition, promise.mime_type) for promise in animation.promised(work.plan, "animate")
    ]
    assert [(file.rendition, file.mime_type) for file in files] == [
        ("animation", "video/mp4"),
        ("animation.webm", "video/webm"),
    ]


@pytest.mark.parametrize(
    ("size", "expected"), [((41, 31), (40, 30)), ((1, 30), (2, 30)), ((301, 150), (100, 50)), ((3, 900), (2, 100))]
)
def test_sizes_are_even_and_within_the_box(size: tuple[int, int], expected: tuple[int, int], tmp_path: Path) -> None:
    settings = Animation(width=100, height=100)
    made = animation.animate(job(moving(tmp_path / "moving.gif", (50, 50), size), settings))
    assert {(file.width, file.height) for file in made.files} == {expected}
    assert {picture.size for film in films(made).values() for picture in film.pictures} == {expected}


def test_transparency_is_laid_on_the_background_or_kept(tmp_path: Path) -> None:
    pictures = [Image.new("RGBA", (SIDE, SIDE), (*shade(index), 0)) for index in range(2)]
    for index, picture in enumerate(pictures):
        picture.paste((*shade(index), 255), (0, 0, SIDE // 2, SIDE))
    source = tmp_path / "moving.webp"
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=50, lossless=True)
    settings = Animation(background="#3366cc")
    made = films(animation.animate(job(source, settings)))
    inside, outside = (SIDE // 4, SIDE // 2), (SIDE - 3, SIDE // 2)
    for index in range(2):
        flat, clear = made["animation"].pictures[index], made["animation.webm"].pictures[index]
        assert near([_at(flat, inside), _at(flat, outside)], [(*shade(index), 255), (0x33, 0x66, 0xCC, 255)])
        assert near([_at(clear, inside), _at(clear, outside)], [(*shade(index), 255), (0x33, 0x66, 0xCC, 0)])


def test_the_picture_for_those_who_know_no_animations_is_no_part_of_it(tmp_path: Path) -> None:
    still, *pictures = (Image.new("RGB", (SIDE, SIDE), shade(index)) for index in range(3))
    source = tmp_path / "moving.png"
    still.save(source, save_all=True, default_image=True, append_images=pictures, duration=[50, 60])
    film = films(animation.animate(job(source, Animation(formats=("mp4",)))))["animation"]
    assert near([middle(film.pictures[0])[:3]], [shade(1)])
    assert film.ends == pytest.approx(110, abs=TICK)


@pytest.mark.parametrize(
    ("kind", "loop", "plays"),
    [
        ("gif", None, 1),
        ("gif", 0, 0),
        ("gif", 2, 3),  # twice again
        ("webp", 2, 2),
        ("png", 0, 0),
        ("avif", None, 0),
    ],
)
def test_it_is_recorded_how_often_it_is_shown(kind: str, loop: int | None, plays: int | None, tmp_path: Path) -> None:
    assert accepted(moving(tmp_path / f"moving.{kind}", loop=loop)).plays == plays


@pytest.mark.parametrize("plays", [0, 1, 3])
def test_an_avif_says_so_in_its_track(plays: int, tmp_path: Path) -> None:
    path = tmp_path / "moving.avif"
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=0.5"]
    encoder = ["-c:v", "libaom-av1", "-cpu-used", "8", "-loop", str(plays)]
    subprocess.run([builders.ffmpeg(), "-v", "error", *source, *encoder, str(path)], check=True)
    assert accepted(path).plays == plays
    path.write_bytes(path.read_bytes().replace(b"edts", b"free"))
    assert accepted(path).plays is None


def test_what_stands_still_is_shown_no_number_of_times(tmp_path: Path) -> None:
    assert accepted(builders.photo(tmp_path / "photo.webp")).plays is None


def test_damage_in_a_later_picture_is_told_for_good(tmp_path: Path) -> None:
    noise = [Image.effect_noise((200, 200), 90 + index) for index in range(4)]
    whole = tmp_path / "whole.gif"
    noise[0].save(whole, save_all=True, append_images=noise[1:], duration=50)
    source = builders.cut(whole, tmp_path / "moving.gif", 0.6)
    with pytest.raises(PermanentError) as caught:
        animation.animate(job(source))
    assert caught.value.reason == "image_undecodable"


def test_an_encoder_that_does_not_begin_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(ChildFailedError, match="exit status 1"):
        animation.animate(job(moving(tmp_path / "moving.gif"), program="/usr/bin/false"))


def test_an_encoder_that_leaves_is_what_is_told(tmp_path: Path) -> None:
    settings = Animation(preset="impossible")
    with pytest.raises(ChildFailedError) as caught:
        animation.animate(job(moving(tmp_path / "moving.gif", [50] * 40, (400, 400)), settings))
    assert "impossible" in caught.value.stderr_tail


@pytest.mark.skipif(not CORPUS, reason="CORPUS_DIR is not set")
@pytest.mark.parametrize(
    ("name", "frames", "seconds", "size"),
    [
        ("apng_ball.png", 20, 1.5, (100, 100)),
        ("gif_banana.gif", 8, 0.8, (120, 128)),
        ("gif_nyan.gif", 12, 0.84, (500, 198)),
        ("webp_animated_alpha.webp", 14, 0.6, (480, 480)),
    ],
)
def test_what_moves_in_the_corpus_is_filmed(
    name: str, frames: int, seconds: float, size: tuple[int, int], tmp_path: Path
) -> None:
    source = tmp_path / name
    shutil.copy(Path(CORPUS) / name, source)
    made = animation.animate(job(source))
    assert {(file.width, file.height, file.duration) for file in made.files} == {(*size, seconds)}
    stored = films(made)
    for film in stored.values():
        assert len(film.times) == frames + 1
        assert film.ends == pytest.approx(1000 * seconds, abs=TICK)
    first = Image.open(source).convert("RGBA").crop((0, 0, *size))
    clear = stored["animation.webm"].pictures[0]
    for one, other in zip(_on_white(first), _on_white(clear), strict=True):
        assert abs(one - other) < 3
    assert abs(ImageStat.Stat(first.getchannel("A")).mean[0] - ImageStat.Stat(clear.getchannel("A")).mean[0]) < 3


def _on_white(picture: Image.Image) -> list[float]:
    page = Image.new("RGBA", picture.size, "white")
    page.alpha_composite(picture)
    return ImageStat.Stat(page.convert("RGB")).mean


def _at(picture: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    return tuple(picture.getpixel(place))  # type: ignore[arg-type]


def test_large_frames_are_given_the_memory_they_need(tmp_path: Path) -> None:
    source = moving(tmp_path / "moving.webp", (50, 50), (3000, 3000))
    (film, _) = animation.animate(job(source, Animation(width=64, height=64))).files
    assert (film.width, film.height, film.duration) == (64, 64, 0.1)
