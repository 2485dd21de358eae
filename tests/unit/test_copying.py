"""Which videos are a rung already: the rules, and what the packets of real files tell."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import copying
from pipeline.ladder import FittedRung, Rung, VideoSettings
from pipeline.plan import VideoPlan, plan, wants_packets
from pipeline.probes import Probe
from tests import warm
from tests.builders import cut
from tests.films import LIMITS, PROGRAMS, Config, Darkroom
from tests.footage import counted, write
from tests.probes import FULL_HD
from workers.confined.parameters import UnfitError, parameters
from workers.inspection import inspect, read_packets

RUNG = FittedRung(name="720p", width=1280, height=720, bitrate=3_000_000)
RATE = Fraction(30)
FIT = replace(
    FULL_HD,
    bytes=3_750_000,
    width=1280,
    height=720,
    coded_width=1280,
    coded_height=720,
    container="mov,mp4,m4a,3gp,3g2,mj2",
    duration=10.0,
    frame_rate="30",
    pixel_format="yuv420p",
    colour_space="bt709",
    profile=100,
    level=31,
    steady_rate="30",
    keyframe_every=60,
    bit_rate=2_900_000,
    peak_rate=4_000_000,
)
SETTINGS = VideoSettings()

CONFIG = Config(
    ladder=(Rung(name="180p", height=180, video=600_000), Rung(name="90p", height=90, video=200_000)),
    video=VideoSettings(mp4=180, chunk=4),
)
REGULAR = ("-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-bf", "2")


def obstacles(probe: Probe) -> tuple[str, ...]:
    return copying.obstacles(probe, RUNG, RATE, SETTINGS)


def why_not(source: Path) -> set[str]:
    """The rules that a film breaks."""
    probe = Darkroom(PROGRAMS[0], source, source.parent, CONFIG).probe
    made = planned(source)
    broken = copying.obstacles(probe, made.rungs[0], Fraction(made.rate), CONFIG.video)
    assert made.copied is (broken == ())
    return set(broken)


def planned(source: Path, config: Config = CONFIG) -> VideoPlan:
    room = Darkroom(PROGRAMS[0], source, source.parent / "out", config)
    made = plan(room.probe, config).video
    assert made is not None
    return made


def test_a_video_that_is_a_rung_already_has_no_obstacles() -> None:
    assert obstacles(FIT) == ()
    more = replace(FIT, colour_space=None, level=40, profile=66, keyframe_every=30, colour_range="tv")
    assert obstacles(more) == ()


@pytest.mark.parametrize(
    ("broken", "facts"),
    [
        ("codec", {"codec": "hevc"}),
        ("container", {"container": "matroska,webm"}),
        ("container", {"container": "mpegts"}),
        ("pixels", {"pixel_format": "yuv420p10le"}),
        ("pixels", {"pixel_format": "yuv422p"}),
        ("pixels", {"colour_range": "pc"}),
        ("interlaced", {"interlaced": True}),
        ("turned", {"orientation": 180}),
        ("aspect", {"sample_aspect": "4:3"}),
        ("size", {"coded_width": 1278}),
        ("matrix", {"colour_space": "bt2020nc"}),
        ("matrix", {"colour_primaries": "smpte432"}),
        ("transfer", {"colour_transfer": "smpte2084"}),
        ("transfer", {"colour_transfer": "arib-std-b67"}),
        ("damage", {"warnings": ("video_truncated",)}),
        ("bytes", {"bytes": 10_000_000}),
        ("rate", {"steady_rate": None}),
        ("rate", {"steady_rate": "60"}),
        ("start", {"video_start": 0.04}),
        ("profile", {"profile": 110}),
        ("level", {"level": 51}),
        ("bits", {"bit_rate": 3_600_001}),
        ("peak", {"peak_rate": 4_500_001}),
        ("keyframes", {"keyframe_every": 250}),
        ("keyframes", {"keyframe_every": 181}),
    ],
)
def test_each_rule_keeps_a_video_from_being_copied(broken: str, facts: dict[str, object]) -> None:
    assert obstacles(replace(FIT, **facts)) == (broken,)  # type: ignore[arg-type]


def test_the_level_that_a_size_and_rate_need_is_allowed() -> None:
    large = FittedRung(name="2160p", width=3840, height=2160, bitrate=10**8)
    facts = {"coded_width": 3840, "coded_height": 2160, "width": 3840, "height": 2160}
    probe = replace(FIT, **facts, level=51)  # type: ignore[arg-type]
    assert copying.obstacles(probe, large, RATE, SETTINGS) == ()
    assert copying.obstacles(replace(probe, level=52), large, RATE, SETTINGS) == ("level",)


@given(st.integers(1, 400), st.sampled_from(["24000/1001", "25", "30", "60", "7/2"]), st.floats(0.5, 4))
def test_segments_begin_with_keyframes_of_the_video_and_hold_whole_gaps_of_the_others(
    every: int, rate: str, wanted: float
) -> None:
    length = copying.segment(replace(FIT, keyframe_every=every), Fraction(rate), SETTINGS)
    assert length % every == 0
    assert length % copying.keyframe(length, wanted * Fraction(rate)) == 0


@pytest.mark.parametrize(("length", "wanted", "nearest"), [(120, 60, 60), (125, 50, 25), (96, 50, 48), (127, 50, 127)])
def test_the_gap_between_keyframes_is_the_divisor_nearest_to_what_is_wanted(
    length: int, wanted: int, nearest: int
) -> None:
    assert copying.keyframe(length, wanted) == nearest


@pytest.mark.parametrize("rate", ["25", "30000/1001"])
def test_packets_tell_what_a_copy_needs(tmp_path: Path, rate: str) -> None:
    source = counted(tmp_path / "film.mp4", seconds=6, rate=rate, options=REGULAR)
    probe = Darkroom(PROGRAMS[0], source, tmp_path, CONFIG).probe
    assert (probe.steady_rate, probe.keyframe_every, probe.profile) == (rate, 50, 100)
    assert 0 < (probe.bit_rate or 0) <= (probe.peak_rate or 0) < 600_000
    assert Probe.from_dict(probe.to_dict()) == probe


@pytest.mark.parametrize(
    ("options", "every"),
    [
        ((*REGULAR, "-force_key_frames", "expr:not(mod(n,20))"), 20),
        # More keyframes than the grid needs, in between.
        (("-g", "9999", "-sc_threshold", "0", "-force_key_frames", "expr:not(mod(n,50))+eq(n,13)+eq(n,61)"), 50),
        (("-g", "9999", "-sc_threshold", "0"), 150),
    ],
)
def test_the_grid_of_keyframes_is_the_finest_there_is(tmp_path: Path, options: Sequence[str], every: int) -> None:
    source = counted(tmp_path / "film.mp4", seconds=6, tone=False, options=tuple(options))
    assert Darkroom(PROGRAMS[0], source, tmp_path, CONFIG).probe.keyframe_every == every


def test_the_plan_cuts_where_the_video_has_its_keyframes(tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=12, options=("-g", "30", "-keyint_min", "30", "-sc_threshold", "0"))
    made = planned(source)
    assert (made.copied, made.keyframe, made.segment, made.chunk) == (True, 45, 90, 90)


def test_nothing_is_copied_and_no_packet_is_read_where_it_is_not_wanted(tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=2, options=REGULAR)
    assert planned(source).copied
    unwanted = replace(CONFIG, video=replace(CONFIG.video, remux=False))
    assert not planned(source, unwanted).copied
    assert Darkroom(PROGRAMS[0], source, tmp_path, unwanted).probe.steady_rate is None


NEAR = {
    "open": ("keyframes", ("-x264-params", "open-gop=1:keyint=50:bframes=4:scenecut=0")),
    "sparse": ("keyframes", ("-g", "9999", "-sc_threshold", "0", "-force_key_frames", "expr:eq(n,13)")),
    "varying": ("rate", ("-vf", "select='mod(n,7)'", "-fps_mode", "vfr", *REGULAR)),
    "deep": ("pixels", ("-pix_fmt", "yuv420p10le", *REGULAR)),
    "full": ("pixels", ("-vf", "scale=out_range=pc", "-pix_fmt", "yuvj420p", *REGULAR)),
    "chroma": ("pixels", ("-pix_fmt", "yuv444p", *REGULAR)),
    "aspect": ("aspect", ("-vf", "setsar=4/3", *REGULAR)),
    "combed": ("interlaced", ("-vf", "tinterlace=interleave_top,fieldorder=tff", "-flags", "+ildct+ilme", *REGULAR)),
    "odd": ("size", ("-vf", "scale=320:182", *REGULAR)),
    "rich": ("bytes", ("-vf", "noise=alls=60:allf=t", "-crf", "18", *REGULAR)),
    "level": ("level", ("-level", "5.1", *REGULAR)),
    "hdr": ("transfer", ("-x264-params", "keyint=50:scenecut=0:transfer=smpte2084:colorprim=bt2020")),
    "other": ("codec", ("-c:v", "mpeg4", "-g", "50")),
    "fast": ("rate", ("-r", "120", *REGULAR)),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_is_nearly_a_rung_is_encoded(tmp_path: Path, name: str) -> None:
    broken, options = NEAR[name]
    seconds = 12.0 if broken == "keyframes" else 2.0
    assert broken in why_not(counted(tmp_path / "film.mp4", seconds=seconds, tone=False, options=options))


def test_the_container_must_be_mp4(tmp_path: Path) -> None:
    assert why_not(counted(tmp_path / "film.mkv", seconds=2, tone=False, options=REGULAR)) >= {"container"}


@pytest.mark.parametrize("turned", [("-display_rotation", "180"), ("-display_hflip",)])
def test_what_a_player_would_have_to_turn_is_encoded(tmp_path: Path, turned: tuple[str, ...]) -> None:
    lying = counted(tmp_path / "lying.mp4", seconds=2, tone=False, options=REGULAR)
    assert why_not(lying) == set()
    assert why_not(write(tmp_path / "film.mp4", *turned, "-i", str(lying), "-c", "copy"))


def test_what_begins_after_the_sound_or_in_the_middle_of_an_edit_is_encoded(tmp_path: Path) -> None:
    whole = counted(tmp_path / "whole.mp4", seconds=6, options=REGULAR)
    late = ("-itsoffset", "1", "-i", str(whole), "-i", str(whole), "-map", "0:v", "-map", "1:a", "-c", "copy")
    assert why_not(write(tmp_path / "late.mp4", *late)) == {"start"}
    assert "rate" in why_not(write(tmp_path / "cut.mp4", "-ss", "1.5", "-i", str(whole), "-c", "copy"))


def test_what_breaks_off_is_encoded(tmp_path: Path) -> None:
    whole = counted(tmp_path / "whole.mp4", seconds=6, options=(*REGULAR, "-movflags", "+faststart"))
    lenient = replace(LIMITS, truncated="accept-with-warning")
    source = cut(whole, tmp_path / "film.mp4", 0.7)
    probe = inspect(source, warm.children(), lenient)
    assert isinstance(probe, Probe)
    assert not wants_packets(probe, CONFIG)
    read = read_packets(source, probe, warm.children(), lenient)
    assert copying.obstacles(read, RUNG, RATE, SETTINGS).count("damage") == 1


def test_a_second_set_of_parameters_is_no_plain_track(tmp_path: Path) -> None:
    first = counted(tmp_path / "first.mp4", seconds=2, tone=False, options=REGULAR)
    second = counted(tmp_path / "second.mp4", seconds=2, tone=False, options=(*REGULAR, "-bf", "0", "-refs", "1"))
    files = tmp_path / "files.txt"
    files.write_text(f"file '{first}'\nfile '{second}'\n")
    joined = write(tmp_path / "film.mp4", "-f", "concat", "-safe", "0", "-i", str(files), "-c", "copy")
    assert why_not(joined) >= {"profile"}  # nothing is told of it


@pytest.mark.parametrize("record", [b"", b"\x01", b"\x00" * 40, b"\x01\x64\x00\x1f\xff\xe1\x00\xff" + b"\x67" * 20])
def test_a_broken_decoder_configuration_is_no_plain_track(record: bytes) -> None:
    with pytest.raises(UnfitError):
        parameters(record)


@pytest.mark.parametrize("packet", [b"", b"\x00\x00\x00\x00", b"\x00\x00\x00\x09\x65", b"\x00\x00\x00\x02\x62\x01"])
def test_a_packet_that_is_no_plain_picture_is_told(packet: bytes) -> None:
    record = parameters(b"\x01\x64\x00\x1f\xff\xe1\x00\x02\x67\x01\x01\x00\x02\x68\x01")
    assert record.begins(memoryview(b"\x00\x00\x00\x02\x68\x01\x00\x00\x00\x02\x65\x01"))
    assert not record.begins(memoryview(b"\x00\x00\x00\x02\x41\x01"))
    with pytest.raises(UnfitError):
        record.begins(memoryview(packet))
    with pytest.raises(UnfitError):
        record.begins(memoryview(b"\x00\x00\x00\x02\x68\x02\x00\x00\x00\x02\x65\x01"))
