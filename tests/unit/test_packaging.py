import json
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.errors import PermanentError
from pipeline.plan import plan
from tests.films import PROGRAMS, Darkroom, Film, assert_clean, assert_steady_movie, chunked, other_build, runs
from tests.footage import LEVELS, counted, number, pictures, sound
from tests.hls import violations

PROGRAM = PROGRAMS[0]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("film")
    return Darkroom(PROGRAM, counted(folder / "film.mp4"), folder / "out", chunked(4)).develop()


def test_every_uri_in_every_playlist_leads_to_a_file(film: Film) -> None:
    for playlist in (film.hls, *film.rungs.values(), film.hls.with_name("audio") / "index.m3u8"):
        text = playlist.read_text()
        uris = re.findall(r'URI="([^"]+)"', text) + [line for line in text.splitlines() if line and line[0] != "#"]
        assert uris
        assert all((playlist.parent / uri).is_file() for uri in uris)


def test_the_playlist_of_all_is_stored_last_and_named_hls(tmp_path: Path) -> None:
    room = Darkroom(PROGRAM, counted(tmp_path / "film.mp4", seconds=3), tmp_path / "out")
    probe = room.probe
    made = plan(probe, room.config)
    *others, package = made.parts
    for part in others:
        room.make(probe, made, part)
    files = room.make(probe, made, package).files
    assert [file.rendition for file in files] == ["mp4", None, None, None, "hls"]
    assert files[-1].mime_type == "application/vnd.apple.mpegurl"
    assert (files[0].mime_type, files[0].width, files[0].height) == ("video/mp4", 320, 180)
    assert files[0].duration == pytest.approx(3.0, abs=0.1)


def test_the_movie_plays_while_it_loads(film: Film) -> None:
    data = film.mp4.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_rates_are_those_of_the_files(film: Film) -> None:
    line = next(line for line in film.hls.read_text().splitlines() if "RESOLUTION=320x180" in line)
    told = int(re.findall(r"AVERAGE-BANDWIDTH=(\d+)", line)[0])
    size = sum(path.stat().st_size for name in ("180p", "audio") for path in film.hls.with_name(name).glob("*.m4s"))
    assert told == pytest.approx(8 * size / 10, rel=0.05)
    assert int(re.findall(r":BANDWIDTH=(\d+)", line)[0]) >= told


def test_another_builds_header_is_no_obstacle_when_decoders_agree(tmp_path: Path) -> None:
    """Chunks of one video may be made by two releases at once, in the middle of a deployment."""
    programs = (PROGRAMS * 2)[:2]
    source = counted(tmp_path / "film.mp4")
    rooms = [Darkroom(program, source, tmp_path / "out", chunked(4)) for program in programs]
    probe = rooms[0].probe
    made = plan(probe, rooms[0].config)
    for turn, part in enumerate(made.parts):
        rooms[turn % 2].make(probe, made, part)
    assert Film(tmp_path / "out" / "stored", probe, made).mp4.is_file()


def test_chunks_whose_decoders_disagree_are_set_apart_and_the_movie_is_encoded_again(tmp_path: Path) -> None:
    source = counted(tmp_path / "film.mp4", rate="30000/1001")
    room, other = (
        Darkroom(each, source, tmp_path / "out", chunked(4)) for each in (PROGRAM, other_build(PROGRAM, tmp_path))
    )
    probe = room.probe
    made = plan(probe, room.config)
    for part in made.parts:
        (other if part == "transcode#0001" else room).make(probe, made, part)
    film = Film(tmp_path / "out" / "stored", probe, made)
    assert violations(film.hls) == []
    for playlist in (*film.rungs.values(), film.hls.with_name("audio") / "index.m3u8"):
        text = playlist.read_text()
        assert text.count("#EXT-X-DISCONTINUITY\n#EXT-X-MAP") == 2, playlist
        assert text.count("#EXT-X-MAP") == 3
    total = len(pictures(source))
    assert len(assert_steady_movie(film)) == total
    assert [number(picture) for picture in pictures(film.mp4)] == [n % LEVELS for n in range(total)]
    for playlist in film.rungs.values():
        pieces = runs(playlist)
        shown = [picture for piece in pieces for picture in pictures(piece)]
        assert [number(picture) for picture in shown] == [n % LEVELS for n in range(total)]
        assert {after.time - before.time for before, after in pairwise(shown)} == {1 / Fraction(film.video.rate)}
        for piece in pieces:
            assert_clean(piece)
    assert sound(film.mp4)[-1][0] == pytest.approx(10, abs=0.05)


def tampered(film: Film, tmp_path: Path, *, frames: int) -> Darkroom:
    """The same film, with another number of frames in its second chunk's manifest, and its package yet to be made."""
    room = Darkroom(PROGRAM, Path("/dev/null"), tmp_path, chunked(4))
    for path in film.stored.rglob("*"):
        relative = path.relative_to(film.stored)
        if (path.is_file() and relative.suffix in {".json", ".m4s"}) or path.name.startswith("init"):
            target = tmp_path / "stored" / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(path)
    manifest = tmp_path / "stored" / film.video.prefix / "transcode-0001.json"
    facts = json.loads(manifest.read_text())
    facts["frames"] = frames
    manifest.unlink()
    manifest.write_text(json.dumps(facts))
    return room


def test_a_gap_in_the_picture_is_never_packaged(film: Film, tmp_path: Path) -> None:
    room = tampered(film, tmp_path, frames=99)
    with pytest.raises(PermanentError) as error:
        room.make(film.probe, film.plan, "package")
    assert error.value.reason == "video_undecodable"
