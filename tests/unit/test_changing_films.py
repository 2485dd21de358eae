"""Films whose picture changes on the way, in size or in the kind of its pixels: recordings of calls, broadcasts."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.storyboards import Storyboard
from tests.films import PROGRAMS, Darkroom, assert_steady, chunked
from tests.footage import DARKEST, LEVELS, STEP, counted, number, pictures
from tests.unit.test_joined_films import joined
from tests.unit.test_storyboards import tiles

CHANGES = {
    "larger": ("-vf", "scale=640:360"),
    "much larger": ("-vf", "scale=2560:1440"),
    "upright": ("-vf", "scale=180:320"),
    "deeper": ("-pix_fmt", "yuv420p10le", "-color_trc", "smpte2084"),
}

BOARD = Storyboard(step=1.0, qscale=2)

pytestmark = pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])


def changed(folder: Path, change: str, rate: str, *options: str) -> Path:
    """A film that changes after 3 of 8 seconds."""
    options = ("-c:v", "libx264", "-bf", "0", *options)
    first = counted(folder / "0.ts", seconds=3, rate=rate, tone=False, options=(*options, "-output_ts_offset", "1"))
    late = (*options, *CHANGES[change], "-output_ts_offset", "4")
    second = counted(folder / "1.ts", seconds=5, rate=rate, tone=False, options=late)
    return joined(folder / "film.ts", first, second)


@pytest.mark.parametrize("change", ["much larger", "upright", "deeper"])
def test_every_frame_is_shown_in_the_size_that_the_film_began_with(program: str, tmp_path: Path, change: str) -> None:
    film = Darkroom(program, changed(tmp_path, change, "10"), tmp_path / "out", chunked(4)).develop()
    assert_steady(film)
    assert film.video.chunks == 2
    assert [number(picture) for picture in pictures(film.mp4)] == [n % LEVELS for n in (*range(30), *range(50))]


def test_interlaced_films_change_too(program: str, tmp_path: Path) -> None:
    combed = ("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme")
    film = Darkroom(program, changed(tmp_path, "larger", "25", *combed), tmp_path / "out", chunked(4)).develop()
    assert film.probe.interlaced
    assert_steady(film)
    shown = [number(picture) for picture in pictures(film.mp4)]
    shown[74] = 74 % LEVELS  # half of its lines are guessed of those before and after it
    assert shown == [n % LEVELS for n in (*range(75), *range(125))]


def test_tiles_are_of_their_time(program: str, tmp_path: Path) -> None:
    config = replace(chunked(4), storyboard=BOARD)
    source = changed(tmp_path, "larger", "5", "-g", "5", "-sc_threshold", "0")
    film = Darkroom(program, source, tmp_path / "out", config).develop()
    levels = [tile.convert("L").getpixel((96, 54)) for tile in tiles(film.stored / BOARD.index)]
    lumas = [DARKEST + STEP * (5 * second % LEVELS) for second in (*range(3), *range(5))]
    assert levels == [pytest.approx((luma - 16) * 255 / 219, abs=3) for luma in lumas]
