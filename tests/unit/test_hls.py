"""HLS as the specification has it: what is written passes the checker, and the checker knows what would not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.films import PROGRAMS, Darkroom, Film, chunked
from tests.footage import counted
from tests.hls import violations


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("film")
    source = counted(folder / "film.mp4", seconds=9, rate="15")
    return Darkroom(PROGRAMS[0], source, folder / "out", chunked(4)).develop()


def test_what_is_written_keeps_to_the_specification(film: Film) -> None:
    assert violations(film.hls) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("index.m3u8", "#EXTM3U\n", "", "EXTM3U"),
        ("index.m3u8", "AVERAGE-BANDWIDTH=", "AVERAGE-BANDWIDTH=1", "AVERAGE-BANDWIDTH is not"),
        ("index.m3u8", ":BANDWIDTH=", ":BANDWIDTH=1,X-TRUE=", "below the peak"),
        ("index.m3u8", "mp4a.40.2", "mp4a.40.5", "CODECS are not"),
        ("index.m3u8", "FRAME-RATE=15.000", "FRAME-RATE=15", "FRAME-RATE=15 "),
        ("index.m3u8", ',AUDIO="audio"', ',AUDIO="sound"', "names no group"),
        ("index.m3u8", "VIDEO-RANGE=SDR", "VIDEO-RANGE=HDR", "VIDEO-RANGE=HDR"),
        ("index.m3u8", "RESOLUTION=320x180,", "", "without RESOLUTION"),
        ("index.m3u8", 'GROUP-ID="audio",', "", "without GROUP-ID"),
        ("index.m3u8", 'NAME="Audio"', "NAME=Audio", "NAME=Audio"),
        ("90p/index.m3u8", "TARGETDURATION:4", "TARGETDURATION:3", "longer than the target"),
        ("90p/index.m3u8", "TARGETDURATION:4", "TARGETDURATION:5", "differ between variants"),
        ("90p/index.m3u8", "VERSION:7", "VERSION:5", "version 6"),
        ("90p/index.m3u8", "#EXT-X-ENDLIST\n", "", "ENDLIST"),
        ("90p/index.m3u8", "#EXTINF:4.000000,", "#EXTINF:3.900000,", "lasts 4.000"),
        ("90p/index.m3u8", "#EXTINF:4.000000,\n00001.m4s\n", "", "does not follow"),
        (
            "90p/index.m3u8",
            "#EXTINF:4.000000,\n00001",
            "#EXT-X-DISCONTINUITY\n#EXTINF:4.000000,\n00001",
            "not the same",
        ),
        ("90p/index.m3u8", "#EXT-X-MAP:", "#EXT-X-MEDIA:", "does not belong"),
        ("90p/index.m3u8", '"init-0000.mp4"', "init-0000.mp4", "URI=init"),
    ],
)
def test_what_the_specification_forbids_is_found(
    film: Film, tmp_path: Path, name: str, old: str, new: str, complaint: str
) -> None:
    copy = tmp_path / "film"
    shutil.copytree(film.hls.parent, copy)
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1))
    found = violations(copy / "index.m3u8")
    assert any(complaint in each + " " for each in found), found


def test_types_are_those_players_expect(film: Film) -> None:
    endings: dict[str, Callable[[Path], bool]] = {
        ".m3u8": lambda path: path.read_bytes().startswith(b"#EXTM3U"),
        ".mp4": lambda path: path.read_bytes()[4:8] == b"ftyp",
        ".m4s": lambda path: path.read_bytes()[4:8] in (b"styp", b"sidx", b"moof"),
    }
    for path in film.hls.parent.rglob("*"):
        assert path.is_dir() or path.suffix == ".json" or endings[path.suffix](path), path
