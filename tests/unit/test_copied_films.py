"""Films of which one rung is the original itself, all the way: the same picture, in step with everything else."""

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from pipeline.ladder import Rung, VideoSettings
from pipeline.plan import plan
from tests.films import PROGRAMS, Config, Darkroom, Film, assert_steady, assert_steady_movie, runs
from tests.footage import LEVELS, counted, number, pictures, sound, write
from tests.hls import violations

pytestmark = pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])

REGULAR = ("-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-bf", "2")
CONFIG = Config(video=VideoSettings(mp4=180, chunk=4))
ALONE = replace(CONFIG, ladder=(Rung(name="180p", height=180, video=600_000),))
_WIDTH = 4  # bytes of a NAL unit's length, as x264 and ffmpeg write them
_SLICES = (1, 5)


def developed(program: str, source: Path, config: Config = CONFIG) -> Film:
    film = Darkroom(program, source, source.parent / "out", config).develop()
    assert film.video.copied
    assert_steady(film)
    assert numbers(film) == [n % LEVELS for n in range(len(pictures(source)))]
    return film


def numbers(film: Film) -> list[int]:
    return [number(picture) for picture in pictures(film.mp4)]


def copied(film: Film) -> list[bool]:
    """Of each chunk, whether it was copied."""
    manifests = sorted((film.stored / film.video.prefix).glob("transcode-*.json"))
    return [json.loads(path.read_text())["copied"] for path in manifests]


def slices(path: Path) -> list[list[bytes]]:
    """Of each packet of the video what is picture, as it is stored."""
    with av.open(str(path)) as container:
        return [list(_units(bytes(packet))) for packet in container.demux(video=0) if packet.size]


def _units(packet: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(packet):
        start = at + _WIDTH
        at = start + int.from_bytes(packet[at:start])
        if packet[start] & 0x1F in _SLICES:
            yield packet[start:at]


@pytest.mark.parametrize("rate", ["25", "30000/1001"])
def test_a_copy_is_the_original_to_the_bit_beside_rungs_that_are_encoded(
    program: str, tmp_path: Path, rate: str
) -> None:
    source = counted(tmp_path / "film.mp4", seconds=10, rate=rate, options=REGULAR)
    film = developed(program, source)
    assert film.video.chunks > 2
    assert copied(film) == [True] * film.video.chunks
    assert slices(film.rungs["180p"]) == slices(film.mp4) == slices(source)
    assert slices(film.rungs["90p"]) != slices(source)


def test_a_film_that_is_the_only_rung_is_not_encoded_at_all(program: str, tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=6, options=("-g", "25", "-sc_threshold", "0"))
    film = developed(program, source, ALONE)
    assert copied(film) == [True] * 2
    assert slices(film.rungs["180p"]) == slices(source)
    assert "RESOLUTION=320x180" in film.hls.read_text()


def test_segments_are_as_long_as_the_originals_keyframes_allow(program: str, tmp_path: Path) -> None:
    options = ("-g", "9999", "-sc_threshold", "0", "-force_key_frames", "expr:not(mod(n,35))+eq(n,44)")
    film = developed(program, counted(tmp_path / "film.mp4", seconds=9, options=options))
    assert film.video.segment == 105
    assert copied(film) == [True] * film.video.chunks
    assert len(runs(film.rungs["180p"])) == 1


@pytest.mark.parametrize("late", [0.0, 0.017, -0.013])  # seconds: no whole number of frames
def test_light_and_sound_stay_together(program: str, tmp_path: Path, late: float) -> None:
    moment = "gte(t,1)*lt(t,1.2)"
    light = f"color=black:size=320x180:rate=25:duration=5,format=yuv420p,drawbox=t=fill:color=white:enable='{moment}'"
    beep = f"aevalsrc='sin(2*PI*1000*t)*{moment}':s=48000:d=5"
    clap = ("-f", "lavfi", "-i", light, "-f", "lavfi", "-i", beep, "-c:a", "pcm_s16le", *REGULAR)
    made = str(write(tmp_path / "clap.mov", *clap))
    offsets = [("-itsoffset", str(max(0.0, each)), "-i", made) for each in (late, -late)]
    shifted = (*offsets[0], *offsets[1], "-map", "0:v", "-map", "1:a", "-c", "copy")
    film = Darkroom(program, write(tmp_path / "film.mov", *shifted), tmp_path / "out", CONFIG).develop()
    assert all(copied(film))
    assert_steady(film)
    for path in (film.mp4, film.hls):
        seen = next(each.time for each in pictures(path) if each.luma > 128)
        heard = next(time for time, level in sound(path) if level > 4000)
        assert float(heard - seen) == pytest.approx(-late, abs=0.003)


def test_a_chunk_that_cannot_be_decoded_is_encoded_and_set_apart(program: str, tmp_path: Path) -> None:
    whole = counted(tmp_path / "whole.mp4", seconds=12, options=(*REGULAR, "-bf", "0"))
    source = damaged(whole, tmp_path / "film.mp4", packet=140)
    film = Darkroom(program, source, tmp_path / "out", CONFIG).develop()
    assert copied(film) == [True, False, True]
    assert violations(film.hls) == []
    shown = [[number(picture) for picture in pictures(piece)] for piece in runs(film.rungs["180p"])]
    assert [len(run) for run in shown] == [100, 100, 100]
    assert shown[0] + shown[2] == [n % LEVELS for n in (*range(100), *range(200, 300))]
    assert len(assert_steady_movie(film)) == 300


def test_the_only_rung_is_encoded_where_it_cannot_be_decoded(program: str, tmp_path: Path) -> None:
    whole = counted(tmp_path / "whole.mp4", seconds=4, options=(*REGULAR, "-bf", "0"))
    film = Darkroom(program, damaged(whole, tmp_path / "film.mp4", packet=60), tmp_path / "out", ALONE).develop()
    assert copied(film) == [False]
    assert_steady(film)


def test_nothing_but_the_picture_is_copied(program: str, tmp_path: Path) -> None:
    secrets = ("-metadata", "title=Ansel", "-metadata", "location=+52.0+004.8/", "-metadata:s:v", "handler_name=Ansel")
    message = ("-bsf:v", "h264_metadata=sei_user_data=17ee8c60-f84d-11d9-8cd6-0800200c9a66+Yosemite")
    plain = counted(tmp_path / "plain.mp4", seconds=3, options=REGULAR)
    source = write(tmp_path / "film.mp4", "-i", str(plain), "-c", "copy", *secrets, *message)
    film = developed(program, source)
    assert b"Ansel" in source.read_bytes()
    assert b"Yosemite" in source.read_bytes()
    for path in (path for path in film.stored.rglob("*") if path.is_file()):
        assert not any(secret in path.read_bytes() for secret in (b"Ansel", b"Yosemite", b"+52.0"))
    assert slices(film.rungs["180p"]) == slices(source)


def test_an_attempt_that_copies_and_one_that_encodes_never_mix_their_files(program: str, tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=4, tone=False, options=REGULAR)
    room = Darkroom(program, source, tmp_path / "copied", CONFIG)
    made = plan(room.probe, CONFIG)
    first = {file.suffix for file in room.make(room.probe, made, "transcode#0000").files}
    broken = tmp_path / "broken"
    broken.write_text(f'#!/bin/sh\ncase "$*" in *copypriorss*) exit 1;; esac\nexec "{program}" "$@"\n')
    broken.chmod(0o755)
    other = Darkroom(str(broken), source, tmp_path / "encoded", CONFIG)
    second = {file.suffix for file in other.make(room.probe, made, "transcode#0000").files}
    assert made.video is not None
    both = {suffix.removeprefix(made.video.prefix) for suffix in first & second}
    assert not {suffix for suffix in both if suffix.startswith("180p/")}
    assert both == {"90p/00000.m4s", "90p/init-0000.mp4", "transcode-0000.json"}


def damaged(whole: Path, target: Path, packet: int) -> Path:
    """The film with the inside of one packet's slice overwritten."""
    with av.open(str(whole)) as container:
        at = [(each.pos, each.size) for each in container.demux(video=0) if each.size][packet]
    data = bytearray(whole.read_bytes())
    middle = (at[0] or 0) + _WIDTH + 2
    length = min(40, at[1] - _WIDTH - 2)
    data[middle : middle + length] = b"\xa5" * length
    target.write_bytes(data)
    return target


def test_the_copy_has_the_timescale_of_its_own(program: str, tmp_path: Path) -> None:
    """Ticks differ from rung to rung; the seconds do not."""
    film = developed(
        program, counted(tmp_path / "film.mp4", seconds=5, options=(*REGULAR, "-video_track_timescale", "600"))
    )
    shown = {name: [each.time for each in pictures(path)] for name, path in film.rungs.items()}
    assert shown["180p"] == shown["90p"] == [1 + Fraction(n, 25) for n in range(125)]
