"""Films of which some can be decoded: what there is is shown, and what can be no film is not tried again."""

from dataclasses import replace
from pathlib import Path

import av
import pytest

from pipeline.errors import PermanentError
from pipeline.plan import plan
from pipeline.storyboards import Preview, Storyboard
from tests.films import PROGRAMS, Config, Darkroom, assert_steady
from tests.footage import counted, pictures

CONFIG = replace(Config(), storyboard=Storyboard(), preview=Preview())

pytestmark = pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])


def damaged(path: Path, whole: int, track: str = "video") -> Path:
    """A film of 50 frames of whose picture, or sound, only the first so many packets are whole."""
    counted(path, seconds=2, options=("-bf", "0", "-c:a", "flac"))
    with av.open(str(path)) as container:
        [stream] = container.streams.get({track: 0})
        places = [(entry.pos, entry.size) for entry in stream.index_entries]
    data = bytearray(path.read_bytes())
    for at, size in places[whole:]:
        data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("part", ["poster", "storyboard", "preview"])
def test_a_glimpse_of_little_is_made(program: str, tmp_path: Path, part: str) -> None:
    room = Darkroom(program, damaged(tmp_path / "film.mp4", 8), tmp_path / "out", CONFIG)
    assert room.make(room.probe, plan(room.probe, CONFIG), part).files


def test_sound_of_which_next_to_nothing_can_be_decoded_is_left_out(program: str, tmp_path: Path) -> None:
    film = Darkroom(program, damaged(tmp_path / "film.mp4", 3, "audio"), tmp_path / "out", CONFIG).develop()
    assert film.probe.has_audio
    assert_steady(film)
    assert len(pictures(film.mp4)) == 50
    assert "AUDIO" not in film.hls.read_text()


def test_what_is_mostly_damaged_is_not_tried_again(program: str, tmp_path: Path) -> None:
    room = Darkroom(program, damaged(tmp_path / "film.mp4", 8), tmp_path / "out", CONFIG)
    with pytest.raises(PermanentError) as error:
        room.make(room.probe, plan(room.probe, CONFIG), "transcode#0000")
    assert error.value.reason == "video_undecodable"
