from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import DarkroomError
from pipeline.plan import plan
from tests.films import PROGRAMS, Config, Darkroom
from tests.footage import DARKEST, STEP, counted, write
from workers.jobs import Made

pytestmark = pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])


def posed(program: str, source: Path) -> tuple[Made, Path]:
    """What the stage made, and the poster as it was stored."""
    room = Darkroom(program, source, source.parent / "out", Config())
    probe = room.probe
    made = room.make(probe, plan(probe, room.config), "poster")
    return made, room.folder / "stored" / made.files[-1].suffix


def test_a_video_gets_every_still_and_its_poster(program: str, tmp_path: Path) -> None:
    made, poster = posed(program, counted(tmp_path / "film.mp4", seconds=2))
    assert [file.rendition for file in made.files] == ["thumbnail", "poster"]
    assert made.placeholder
    with Image.open(poster) as image:
        assert (image.format, image.size) == ("JPEG", (320, 180))


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_where_there_is_nothing_to_choose_it_is_the_keyframe_nearest_to_a_tenth(
    program: str, tmp_path: Path, container: str
) -> None:
    _, poster = posed(program, counted(tmp_path / f"film.{container}", seconds=10))
    with Image.open(poster) as image:
        level = image.convert("L").getpixel((160, 90))
    luma = DARKEST + STEP * 30
    assert level == pytest.approx((luma - 16) * 255 / 219, abs=4)


@pytest.mark.parametrize("begins", [1.2, 4.5])
def test_a_film_that_begins_in_the_dark_has_no_black_poster(program: str, tmp_path: Path, begins: float) -> None:
    scene = f"testsrc2=size=160x90:rate=10:duration=10,drawbox=t=fill:color=black:enable='lt(t,{begins})'"
    _, poster = posed(program, write(tmp_path / "film.mp4", "-f", "lavfi", "-i", scene, "-g", "5"))
    with Image.open(poster) as image:
        assert image.convert("L").entropy() > 3


def test_a_film_that_is_dark_all_through_has_a_dark_poster(program: str, tmp_path: Path) -> None:
    scene = "color=black:size=160x90:rate=10:duration=4"
    _, poster = posed(program, write(tmp_path / "film.mp4", "-f", "lavfi", "-i", scene, "-g", "5"))
    with Image.open(poster) as image:
        assert image.convert("L").getextrema() == (0, 0)


def test_a_clip_of_one_frame_has_a_poster(program: str, tmp_path: Path) -> None:
    made, _ = posed(program, counted(tmp_path / "film.mp4", tone=False, options=("-frames:v", "1")))
    assert made.files[-1].rendition == "poster"


@pytest.mark.parametrize(("turn", "brightest"), [(90, (90, 10)), (180, (300, 90)), (270, (90, 300))])
def test_a_poster_stands_upright(program: str, tmp_path: Path, turn: int, brightest: tuple[int, int]) -> None:
    half = "color=black:size=320x180:rate=25:duration=1,drawbox=w=iw/2:t=fill:color=white"
    lying = write(tmp_path / "lying.mp4", "-f", "lavfi", "-i", half)
    source = write(tmp_path / "film.mp4", "-display_rotation", str(-turn), "-i", str(lying), "-c", "copy")
    _, poster = posed(program, source)
    with Image.open(poster) as image:
        assert image.size == ((320, 180) if turn == 180 else (180, 320))
        grey = image.convert("L")
        assert grey.getpixel(brightest) == pytest.approx(255, abs=6)
        assert grey.getpixel((image.width - brightest[0], image.height - brightest[1])) == pytest.approx(0, abs=6)


def test_oblong_pixels_are_shown_as_they_play(program: str, tmp_path: Path) -> None:
    source = write(tmp_path / "film.mp4", "-f", "lavfi", "-i", "color=red:size=320x180:duration=1,setsar=4/3")
    _, poster = posed(program, source)
    with Image.open(poster) as image:
        assert image.size == (427, 180)


def test_a_file_that_went_bad_has_no_poster(program: str, tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", seconds=1)
    room = Darkroom(program, source, tmp_path / "out")
    probe = room.probe
    source.write_bytes(b"no film any more")
    with pytest.raises(DarkroomError):
        room.make(probe, plan(probe, room.config), "poster")
