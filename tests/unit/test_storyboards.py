"""What a viewer sees before playing: every tile is of its time, and every cue leads to its tile."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.plan import plan
from pipeline.storyboards import Preview, Storyboard
from tests.films import PROGRAMS, Config, Darkroom
from tests.footage import DARKEST, LEVELS, STEP, counted, write
from workers.jobs import Made

programs = pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])
CONFIG = Config(storyboard=Storyboard(columns=3, rows=2, step=1.0, qscale=2), preview=Preview(height=60, length=2.0))


def made(program: str, source: Path, part: str, config: Config = CONFIG) -> tuple[Made, Path]:
    """What the stage made, and the folder that it is stored in."""
    room = Darkroom(program, source, source.parent / "out", config)
    probe = room.probe
    return room.make(probe, plan(probe, room.config), part), room.folder / "stored"


def tiles(index: Path) -> list[Image.Image]:
    """The pictures that the cues of a WebVTT file lead to."""
    found = []
    for name, *place in re.findall(r"^(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$", index.read_text(), re.MULTILINE):
        x, y, width, height = map(int, place)
        with Image.open(index.with_name(name)) as sheet:
            assert x + width <= sheet.width
            assert y + height <= sheet.height
            found.append(sheet.crop((x, y, x + width, y + height)))
    return found


@programs
def test_each_tile_shows_the_keyframe_of_its_time(program: str, tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=8, rate="5", tone=False, options=("-g", "5", "-sc_threshold", "0"))
    outcome, folder = made(program, source, "storyboard")
    assert [file.suffix.rpartition("/")[2] for file in outcome.files] == ["000.jpg", "001.jpg", "index.vtt"]
    assert [file.rendition for file in outcome.files] == [None, None, "storyboard"]
    assert [file.mime_type for file in outcome.files] == ["image/jpeg", "image/jpeg", "text/vtt"]
    shown = tiles(folder / outcome.files[-1].suffix)
    assert {tile.size for tile in shown} == {(192, 108)}
    levels = [tile.convert("L").getpixel((96, 54)) for tile in shown]
    lumas = [DARKEST + STEP * (5 * second % LEVELS) for second in range(8)]
    assert levels == [pytest.approx((luma - 16) * 255 / 219, abs=3) for luma in lumas]


@programs
def test_where_keyframes_are_rare_tiles_differ_all_the_same(program: str, tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=6, rate="5", tone=False, options=("-g", "999"))
    outcome, folder = made(program, source, "storyboard")
    levels = [tile.convert("L").getpixel((96, 54)) for tile in tiles(folder / outcome.files[-1].suffix)]
    assert len(set(levels)) == 6


@programs
def test_a_tile_has_the_colours_of_the_film(program: str, tmp_path: Path) -> None:
    red = "color=red:size=1280x720:rate=5:duration=1,scale=out_color_matrix=bt709,format=yuv420p"
    tags = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
    outcome, folder = made(program, write(tmp_path / "film.mp4", "-f", "lavfi", "-i", red, *tags), "storyboard")
    [tile] = tiles(folder / outcome.files[-1].suffix)
    assert tile.getpixel((96, 54)) == pytest.approx((255, 0, 0), abs=8)


@programs
@pytest.mark.parametrize("part", ["storyboard", "preview"])
def test_one_frame_is_enough(program: str, tmp_path: Path, part: str) -> None:
    source = counted(tmp_path / "film.mp4", tone=False, options=("-frames:v", "1"))
    outcome, _ = made(program, source, part)
    assert outcome.files[-1].rendition == part


@programs
def test_the_preview_is_short_small_silent_and_plays_while_it_loads(program: str, tmp_path: Path) -> None:
    outcome, folder = made(program, counted(tmp_path / "film.mp4", seconds=9, rate="50"), "preview")
    [file] = outcome.files
    path = folder / file.suffix
    with av.open(str(path), "r") as container:
        assert not container.streams.audio
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (file.width, file.height) == (106, 60)
        assert stream.average_rate == 25
        assert len(list(container.decode(stream))) == 50
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert (file.mime_type, file.duration) == ("video/mp4", 2.0)


@given(st.floats(0, 100_000), st.integers(16, 4000), st.integers(16, 4000))
def test_tiles_cover_the_whole_video_and_are_never_too_many(seconds: float, width: int, height: int) -> None:
    board = Storyboard()
    fitted = board.of(width, height, seconds)
    assert 1 <= fitted.count <= board.tiles
    assert fitted.step >= Fraction(5)
    assert fitted.count * fitted.step >= seconds
    assert max(fitted.width, fitted.height) <= board.side
    places = list(fitted.places())
    assert len(set(places)) == fitted.count
    assert {sheet for sheet, _, _ in places} == set(range(fitted.sheets))


def test_the_index_is_webvtt() -> None:
    board = replace(Storyboard(), columns=2, rows=1)
    text = board.text(board.of(1920, 1080, 12.5), 12.5)
    assert text == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:05.000\n000.jpg#xywh=0,0,192,108\n\n"
        "00:00:05.000 --> 00:00:10.000\n000.jpg#xywh=192,0,192,108\n\n"
        "00:00:10.000 --> 00:00:12.500\n001.jpg#xywh=0,0,192,108\n"
    )


def test_a_preview_begins_early_enough_to_be_whole() -> None:
    loop = Preview(at=0.5, length=3.0)
    assert [loop.start(seconds) for seconds in (2.0, 4.0, 100.0)] == [0.0, 1.0, 50.0]
