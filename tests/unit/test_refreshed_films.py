"""Films without whole pictures to begin with: each frame refreshes a column of the picture (x264's intra refresh)."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.films import PROGRAMS, Darkroom, assert_steady, chunked, likenesses
from tests.footage import write


@pytest.mark.parametrize("program", PROGRAMS, ids=["pinned", "system"][: len(PROGRAMS)])
def test_a_chunk_of_a_film_without_whole_pictures_is_decoded_from_farther_back(program: str, tmp_path: Path) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=6")
    coding = ("-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=25")
    source = write(tmp_path / "film.mp4", *picture, *coding)
    with capture_logs() as logs:
        film = Darkroom(program, source, tmp_path / "out", chunked(4)).develop()
    assert film.video.chunks == 2
    assert [line["part"] for line in logs if line["event"] == "frames_missing"] == ["transcode#0001"]
    assert_steady(film)
    assert min(likenesses(film, source)) > 0.95
