"""What people watch with: hls.js, in a real Chromium, plays what the stages made."""

from pathlib import Path
from typing import Any

import pytest

from ops import node
from ops.processes import CommandFailedError
from pipeline.ladder import VideoSettings
from pipeline.plan import plan
from tests.chromium import BROWSER, browsing, site
from tests.films import PROGRAMS, Config, Darkroom, Film, chunked, other_build
from tests.footage import counted

HERE = Path(__file__).parent
REGULAR = ("-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-bf", "2")
COPIED = Config(video=VideoSettings(mp4=180, chunk=4))
"""With the original's own picture as the largest rung."""
PATIENCE = 240
"""Seconds for the whole of it, on a machine that is busy."""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on PATH")


@pytest.fixture(scope="module")
def library() -> Path:
    try:
        node.install(HERE)
    except CommandFailedError as error:
        pytest.skip(f"hls.js cannot be fetched: {error}")
    return HERE / "node_modules" / "hls.js" / "dist" / "hls.min.js"


def film(folder: Path, *programs: str, config: Config) -> Film:
    """Twelve seconds in three chunks, each made by the next of the programs."""
    source = counted(folder / "film.mp4", seconds=12, options=REGULAR if config == COPIED else ())
    rooms = [Darkroom(program, source, folder / "out", config) for program in programs]
    probe = rooms[0].probe
    made = plan(probe, rooms[0].config)
    for number, part in enumerate(made.parts):
        rooms[number % len(rooms)].make(probe, made, part)
    return Film(folder / "out" / "stored", probe, made)


@pytest.mark.parametrize(("builds", "config"), [(1, chunked(4)), (2, chunked(4)), (1, COPIED)])
def test_it_plays_switches_and_seeks(library: Path, tmp_path: Path, builds: int, config: Config) -> None:
    programs = [PROGRAMS[0], other_build(PROGRAMS[0], tmp_path)][:builds]
    made = film(tmp_path, *programs, config=config)
    assert made.video.copied is (config == COPIED)
    assert len(list(made.rungs["180p"].parent.glob("copied-*.m4s"))) == (3 if config == COPIED else 0)
    assert made.rungs["180p"].read_text().count("#EXT-X-DISCONTINUITY") == 2 * (builds - 1)
    files = {"hls.js": library, "player.html": HERE / "player.html", "film": made.hls.parent}
    root = tmp_path / "root"
    root.mkdir()
    for name, path in files.items():
        (root / name).symlink_to(path)
    # hls.js knows no edit lists: after each discontinuity it is two frames late, skips the hole, and misses the end
    # (docs/decisions/0021).
    how = "#whole" if builds == 1 else ""
    with site(root) as here, browsing(f"{here.origin}/player.html{how}", tmp_path / "profile"):
        told: dict[str, Any] = here.answers.get(timeout=PATIENCE)
    assert "failed" not in told, told
    assert [error for error in told["errors"] if error["fatal"]] == []
    assert {(width, height) for width, height, _ in told["levels"]} == {(320, 180), (160, 90)}
    assert sorted(told["heights"]) == [90, 180]
    assert told["duration"] == pytest.approx(12, abs=0.1)
    sought = ["sought 7", "sought 2"]
    assert told["steps"] == ["opened", "played", "switched to 0", "switched to 1", *sought, *["ended"][: 2 - builds]]
    if builds == 1:
        assert told["errors"] == []
        assert told["ended"] == pytest.approx(told["duration"], abs=0.2)
