import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.ladder import VideoSettings
from pipeline.plan import plan
from pipeline.probes import Probe
from pipeline.progress import Report
from tests.builders import cut
from tests.claps import clap, heard, seen
from tests.films import LIMITS, PROGRAMS, Config, Darkroom, Film, assert_steady, chunked
from tests.footage import LEVELS, colour, counted, frames, number, pictures, sound, write
from workers import running
from workers.endings import ChildFailedError, ChildStalledError
from workers.inspection import inspect
from workers.processes import Children
from workers.segments import FrameCountError

RED = ("-f", "lavfi", "-i", "color=red:size=320x180:rate=10:duration=1")

pytestmark = pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])


def developed(program: str, source: Path, config: Config | None = None) -> Film:
    film = Darkroom(program, source, source.parent / "out", config or Config()).develop()
    assert_steady(film)
    return film


def numbers(film: Film) -> list[int]:
    return [number(picture) for picture in pictures(film.mp4)]


@pytest.mark.parametrize("rate", ["25", "30000/1001"])
def test_chunks_join_without_a_frame_lost_or_doubled(program: str, tmp_path: Path, rate: str) -> None:
    source = counted(tmp_path / "film.mp4", seconds=11, rate=rate)
    film = developed(program, source, chunked(4))
    assert film.video.chunks == 3
    total = len(pictures(source))
    assert numbers(film) == [n % LEVELS for n in range(total)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("late.ts", ("-output_ts_offset", "7", "-g", "60")),
        ("sparse.ts", ("-g", "9999")),
        ("wrap.ts", ("-output_ts_offset", "95440", "-g", "60")),  # its clock of 33 bits begins anew after 3.7 s
        ("index.avi", ("-c:v", "libx264", "-bf", "2", "-g", "60")),
        ("program.mpg", ("-c:v", "mpeg2video", "-q:v", "2", "-g", "30", "-bf", "2")),
        ("live.mkv", ("-live", "1", "-g", "60")),
        ("fragments.mp4", ("-movflags", "frag_keyframe+empty_moov", "-bf", "0")),
        ("open.mp4", ("-x264-params", "open-gop=1:keyint=20:bframes=4")),
    ],
)
def test_seeking_is_exact_in_every_container(program: str, tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    film = developed(program, counted(tmp_path / name, options=options), chunked(4))
    assert film.video.chunks == 3
    shown = numbers(film)
    # A fragmented file has no time to take the encoder's delay of the sound back: its first picture comes late, and is
    # shown from the start.
    wait = len(shown) - 250
    assert wait <= {"fragments.mp4": 1}.get(name, 0)
    assert shown == [0] * wait + [n % LEVELS for n in range(250)]


def test_a_frame_shown_for_seconds_is_shown_on_both_sides_of_a_seam(program: str, tmp_path: Path) -> None:
    gaps = ("-vf", "select='lt(mod(t,6),1)'", "-fps_mode", "vfr", "-g", "5")
    source = counted(tmp_path / "varying.mkv", seconds=13, tone=False, options=gaps)
    film = developed(program, source, chunked(4))
    shown = numbers(film)
    rate = Fraction(film.video.rate)
    assert film.video.chunks > 1
    # The last frame of the first second stands until the sixth.
    assert {shown[int(second * rate)] for second in (1, 2, 3, 4, 5)} == {24}
    assert shown[int(6 * rate)] == 150 % LEVELS


def test_a_picture_that_begins_after_the_sound_is_shown_from_its_start(program: str, tmp_path: Path) -> None:
    whole = counted(tmp_path / "whole.mp4", seconds=9)
    late = ("-itsoffset", "5", "-i", str(whole), "-i", str(whole), "-map", "0:v", "-map", "1:a", "-c", "copy")
    film = developed(program, write(tmp_path / "film.mp4", *late), chunked(4))
    shown = numbers(film)
    assert film.video.chunks == 4
    assert len(shown) == 14 * 25
    assert set(shown[: 5 * 25]) == {0}
    assert shown[5 * 25 :] == [n % LEVELS for n in range(9 * 25)]


def test_sound_goes_on_after_the_picture(program: str, tmp_path: Path) -> None:
    short = counted(tmp_path / "short.mp4", seconds=1, tone=False)
    source = write(
        tmp_path / "film.mp4", "-i", str(short), "-f", "lavfi", "-i", "sine=duration=9", "-c:v", "copy", "-c:a", "aac"
    )
    film = developed(program, source, chunked(4))
    assert len(pictures(film.mp4)) == 25
    assert sound(film.mp4)[-1][0] == pytest.approx(9, abs=0.05)


def test_what_the_container_promises_beyond_the_last_frame_makes_empty_chunks(program: str, tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=5)
    room = Darkroom(program, source, tmp_path / "out", chunked(4))
    boast = replace(room.probe, duration=13.0, video_duration=13.0)
    made = plan(boast, room.config)
    assert "transcode#0002" in made.parts
    for part in made.parts:
        room.make(boast, made, part)
    assert numbers(Film(room.folder / "stored", boast, made)) == [n % LEVELS for n in range(125)]


def test_a_video_that_breaks_off_plays_as_far_as_it_goes(program: str, tmp_path: Path) -> None:
    whole = counted(tmp_path / "whole.mp4", seconds=12, options=("-movflags", "+faststart"))
    source = cut(whole, tmp_path / "cut.mp4", 0.6)
    room = Darkroom(program, source, tmp_path / "out", chunked(4))
    probe = inspect(source, Children(), replace(LIMITS, truncated="accept-with-warning"))
    assert isinstance(probe, Probe)
    assert probe.warnings == ("video_truncated",)
    assert 3 < (probe.duration or 0) < 11
    made = plan(probe, room.config)
    for part in made.parts:
        room.make(probe, made, part)
    film = Film(room.folder / "stored", probe, made)
    shown = numbers(film)
    assert len(shown) / 25 == pytest.approx(probe.duration, abs=0.5)
    whole_until = len(shown) - 8  # frames that are stored out of order lack others at the break
    assert shown[:whole_until] == [n % LEVELS for n in range(whole_until)]
    assert_steady(film)


@pytest.mark.parametrize(("count", "name"), [(1, "one"), (2, "two"), (5, "five")])
def test_clips_of_a_few_frames(program: str, tmp_path: Path, count: int, name: str) -> None:
    source = counted(tmp_path / f"{name}.mp4", tone=False, options=("-frames:v", str(count)))
    assert numbers(developed(program, source)) == list(range(count))


@pytest.mark.parametrize(
    ("name", "coding", "late"),
    [
        ("between.mov", ("-c:a", "copy"), 0.017),  # seconds: no whole number of frames
        ("delayed.mp4", ("-c:a", "aac"), 0.0),
        ("delayed.mkv", ("-c:a", "aac"), 0.017),
        ("broadcast.ts", ("-c:a", "aac"), 0.005),
        ("frames.avi", ("-c:v", "libx264", "-bf", "3", "-c:a", "pcm_s16le"), 0.0),  # stored out of order, and untimed
        ("xvid.avi", ("-c:v", "mpeg4", "-bf", "2", "-vtag", "XVID", "-c:a", "pcm_s16le"), 0.0),
    ],
)
def test_light_and_sound_stay_together_to_the_millisecond(
    program: str, tmp_path: Path, name: str, coding: tuple[str, ...], late: float
) -> None:
    film = developed(program, clap(tmp_path / name, *coding, late=late))
    for path in (film.mp4, film.hls):
        light = seen(path)
        assert heard(path, light - late) - light == pytest.approx(-late, abs=0.001)
    assert seen(film.mp4) == 1.0


def test_a_long_broadcast_keeps_light_and_sound_together(program: str, tmp_path: Path) -> None:
    """Its picture is copied apart from its sound, and each must still know when the other began."""
    source = clap(tmp_path / "film.ts", "-c:a", "aac", late=0.7)
    film = developed(program, source, Config(video=VideoSettings(mp4=180, keyframe=1, segment=1, chunk=1)))
    assert film.video.chunks == 4
    light = seen(film.mp4)
    assert heard(film.mp4, light - 0.7) - light == pytest.approx(-0.7, abs=0.001)


@pytest.mark.parametrize(
    ("channels", "options"),
    [
        ("mono", ()),
        ("5.1", ()),
        ("16c", ("-c:a", "pcm_s16le")),  # more than there is a layout for
        ("3c", ("-c:a", "pcm_s16le")),
    ],
)
def test_any_layout_becomes_stereo(program: str, tmp_path: Path, channels: str, options: tuple[str, ...]) -> None:
    count = {"mono": 1, "5.1": 6, "16c": 16, "3c": 3}[channels]
    spread = "|".join(f"c{index}=c0" for index in range(count))
    voice = f"sine=sample_rate=44100:duration=2,pan={channels}|{spread}"
    film = developed(program, write(tmp_path / "film.mov", *RED, "-f", "lavfi", "-i", voice, *options))
    assert film.probe.audio_channels == count
    manifest = json.loads((film.stored / film.video.prefix / "audio.json").read_text())
    assert manifest["tracks"]["audio"]["codec"] == "mp4a.40.2"
    assert max(level for _, level in sound(film.mp4)) > 1000


def test_a_silent_video_has_no_sound(program: str, tmp_path: Path) -> None:
    film = developed(program, write(tmp_path / "film.webm", *RED, "-c:v", "libvpx"))
    assert "AUDIO" not in film.hls.read_text()


def test_a_high_rate_is_halved(program: str, tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=2, rate="120", tone=False)
    film = developed(program, source)
    assert film.video.rate == "60/1"
    assert numbers(film)[:10] == list(range(0, 20, 2))


@pytest.mark.parametrize(("turn", "size"), [(0, (320, 180)), (90, (180, 320)), (180, (320, 180)), (270, (180, 320))])
def test_a_turned_video_stands_upright(program: str, tmp_path: Path, turn: int, size: tuple[int, int]) -> None:
    half = ",drawbox=w=iw/2:t=fill:color=white"
    lying = write(tmp_path / "lying.mp4", "-f", "lavfi", "-i", f"color=black:size=320x180:rate=25:duration=1{half}")
    source = write(tmp_path / "film.mp4", "-display_rotation", str(-turn), "-i", str(lying), "-c", "copy")
    film = developed(program, source)
    assert film.probe.orientation == turn
    frame = next(frames(film.mp4))
    assert (frame.width, frame.height) == size
    plane = frame.planes[0]

    def luma(x: int, y: int) -> int:
        return memoryview(plane)[y * plane.line_size + x]

    left, top = size[0] // 2 - 20, size[1] // 2 - 20
    middle_left, middle_top = luma(left, size[1] // 2), luma(size[0] // 2, top)
    right, bottom = luma(left + 40, size[1] // 2), luma(size[0] // 2, top + 40)
    # White lay on the left; a clockwise turn brings it up.
    if turn in (0, 180):
        assert (middle_left > right) == (turn == 0)
    else:
        assert (middle_top > bottom) == (turn == 90)


def test_a_mirrored_video_is_seen_as_in_the_mirror(program: str, tmp_path: Path) -> None:
    half = ",drawbox=w=iw/2:t=fill:color=white"
    plain = write(tmp_path / "plain.mp4", "-f", "lavfi", "-i", f"color=black:size=320x180:rate=25:duration=1{half}")
    film = developed(program, write(tmp_path / "film.mp4", "-display_hflip", "-i", str(plain), "-c", "copy"))
    plane = next(frames(film.mp4)).planes[0]
    row = memoryview(plane)[90 * plane.line_size :]
    assert (row[20], row[300]) == (16, 235)


def test_what_an_edit_list_cuts_off_is_not_shown(program: str, tmp_path: Path) -> None:
    whole = counted(tmp_path / "whole.mp4", seconds=6)
    cut_off = write(tmp_path / "film.mp4", "-ss", "1.32", "-i", str(whole), "-c", "copy")
    assert numbers(developed(program, cut_off, chunked(4))) == [n % LEVELS for n in range(33, 150)]


def test_oblong_pixels_become_square(program: str, tmp_path: Path) -> None:
    source = write(tmp_path / "film.mp4", *RED, "-vf", "setsar=4/3")
    film = developed(program, source)
    assert [(rung.width, rung.height) for rung in film.video.rungs] == [(428, 180), (214, 90)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deep.mkv", ("-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", "log-level=none")),
        ("chroma.mp4", ("-pix_fmt", "yuv444p")),
        ("full.mp4", ("-pix_fmt", "yuvj420p")),
        ("screen.mkv", ("-c:v", "libx264rgb")),
        ("grey.mkv", ("-vf", "format=gray", "-c:v", "ffv1")),
        ("prores.mov", ("-pix_fmt", "yuv422p10le", "-c:v", "prores_ks")),
    ],
)
def test_every_kind_of_pixel_becomes_8_bit_of_limited_range(
    program: str, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    film = developed(program, write(tmp_path / name, *RED, *options))
    frame = next(frames(film.mp4))
    red, green, blue = colour(frame)
    assert frame.color_range == 1
    assert frame.colorspace == {"screen.mkv": 1}.get(name, 6)
    if name == "grey.mkv":
        assert max(red, green, blue) - min(red, green, blue) <= 3
    else:
        assert red > 235
        assert max(green, blue) < 20


@pytest.mark.parametrize(("transfer", "primaries"), [("smpte2084", "bt2020"), ("arib-std-b67", "bt2020")])
def test_hdr_is_mapped_to_sdr_and_says_so(program: str, tmp_path: Path, transfer: str, primaries: str) -> None:
    tags = f"colorprim={primaries}:transfer={transfer}:colormatrix=bt2020nc:log-level=none"
    hdr = ("-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", tags)
    source = write(tmp_path / "film.mp4", *RED, *hdr, "-tag:v", "hvc1")
    film = developed(program, source)
    assert film.probe.colour_transfer == transfer
    frame = next(frames(film.mp4))
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
    red, green, blue = colour(frame)
    assert red > 100
    assert max(green, blue) < red / 2


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("film.ts", ("-c:v", "mpeg2video", "-q:v", "2")),
        ("film.mp4", ("-c:v", "libx264", "-x264-params", "tff=1")),  # adaptive by macroblock (MBAFF)
    ],
)
def test_combs_are_taken_out_of_interlaced_video(
    program: str, tmp_path: Path, name: str, coding: tuple[str, ...]
) -> None:
    move = "testsrc2=size=320x180:rate=50:duration=2,tinterlace=interleave_top,fieldorder=tff"
    film = developed(program, write(tmp_path / name, "-f", "lavfi", "-i", move, *coding, "-flags", "+ildct+ilme"))
    assert film.probe.interlaced
    assert film.video.rate == "25/1"
    assert len(pictures(film.mp4)) == pytest.approx(50, abs=1)


def test_nothing_of_the_originals_metadata_is_left(program: str, tmp_path: Path) -> None:
    secrets = ("-metadata", "title=Ansel", "-metadata", "location=+52.0+004.8/", "-metadata:s:v", "handler_name=Ansel")
    source = write(tmp_path / "film.mov", *RED, *secrets)
    film = developed(program, source)
    assert b"Ansel" in source.read_bytes()
    for path in (path for path in film.stored.rglob("*") if path.is_file()):
        assert b"Ansel" not in path.read_bytes()
        assert b"+52.0" not in path.read_bytes()


def test_progress_rises_to_the_end(program: str, tmp_path: Path) -> None:
    room = Darkroom(program, counted(tmp_path / "film.mp4"), tmp_path / "out")
    seen: list[Report] = []
    room.make(room.probe, plan(room.probe, room.config), "transcode#0000", seen.append)
    fractions = [report.fraction for report in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0, abs=0.02)
    assert (seen[-1].speed or 0) > 0


def test_a_chunk_tells_its_manifest_last_and_what_each_file_is(program: str, tmp_path: Path) -> None:
    room = Darkroom(program, counted(tmp_path / "film.mp4"), tmp_path / "out", chunked(4))
    made = plan(room.probe, room.config)
    files = room.make(room.probe, made, "transcode#0001").files
    assert made.video is not None
    prefix = made.video.prefix
    assert files[-1].suffix == f"{prefix}transcode-0001.json"

    def types(end: str) -> set[str]:
        return {file.mime_type for file in files if file.suffix.endswith(end)}

    assert types(".m4s") == {"video/iso.segment"}
    assert types("init-0001.mp4") == {"video/mp4"}
    manifest = json.loads((room.folder / "stored" / files[-1].suffix).read_text())
    assert manifest["frames"] == 100
    assert [segment["name"] for segment in manifest["tracks"]["90p"]["segments"]] == ["00001.m4s"]


@pytest.mark.parametrize("part", ["transcode#0000", "transcode#0001"])
def test_a_chunk_with_frames_missing_is_never_promised(program: str, tmp_path: Path, part: str) -> None:
    room = Darkroom(lossy(program, tmp_path), counted(tmp_path / "film.mp4", seconds=16), tmp_path / "out", chunked(8))
    with pytest.raises(FrameCountError):
        room.make(room.probe, plan(room.probe, room.config), part)


def test_not_even_one_frame_may_be_missing_before_a_seam(program: str, tmp_path: Path) -> None:
    script = tmp_path / "short"
    fewer = 'for word; do [ "$word" = 100 ] && word=99; set -- "$@" "$word"; shift; done'
    script.write_text(f'#!/bin/sh\n{fewer}\nexec "{program}" "$@"\n')
    script.chmod(0o755)
    room = Darkroom(str(script), counted(tmp_path / "film.mp4"), tmp_path / "out", chunked(4))
    with pytest.raises(FrameCountError, match="99 frames"):
        room.make(room.probe, plan(room.probe, room.config), "transcode#0001")


def test_a_rung_shorter_than_the_others_is_never_promised(program: str, tmp_path: Path) -> None:
    room = Darkroom(lossy(program, tmp_path, "90p"), counted(tmp_path / "film.mp4"), tmp_path / "out")
    with pytest.raises(FrameCountError, match="different lengths"):
        room.make(room.probe, plan(room.probe, room.config), "transcode#0000")


def test_an_encoder_that_makes_no_more_frames_is_stopped(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_STALL", 1.0)
    script = tmp_path / "hung"
    script.write_text(f'#!/bin/sh\n"{program}" -version >"$HOME/version"\nwhile echo frame=7; do sleep 0.1; done\n')
    script.chmod(0o755)
    room = Darkroom(str(script), counted(tmp_path / "film.mp4", seconds=1), tmp_path / "out")
    with pytest.raises(ChildStalledError):
        room.make(room.probe, plan(room.probe, room.config), "transcode#0000")


def test_an_encoder_that_fails_is_tried_again(program: str, tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4")
    room = Darkroom(program, source, tmp_path / "out")
    probe = room.probe
    source.write_bytes(b"no film any more")
    with pytest.raises(ChildFailedError):
        room.make(probe, plan(probe, room.config), "transcode#0000")


def lossy(program: str, folder: Path, only: str = "*") -> str:
    """An ffmpeg that loses the last segment that it wrote."""
    script = folder / "lossy"
    lose = f'for rung in {only}/; do last=$(ls "$rung"*.m4s 2>/dev/null | tail -1); [ -z "$last" ] || rm "$last"; done'
    script.write_text(f'#!/bin/sh\n"{program}" "$@" || exit\n{lose}\nexit 0\n')
    script.chmod(0o755)
    return str(script)
