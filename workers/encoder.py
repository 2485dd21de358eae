"""Which ffmpeg is used."""

import os
import shutil
from importlib import resources
from pathlib import Path

from pipeline.settings import SettingsError


def find_ffmpeg(named: str | None) -> str:
    """The absolute path of `named`, else the pinned build of imageio-ffmpeg where that is installed, else the system's.

    Raises `SettingsError` when there is none.
    """
    found = shutil.which(named) if named is not None else _pinned() or shutil.which("ffmpeg")
    if found is None:
        raise SettingsError("There is no ffmpeg: install it, or set FFMPEG to its path.")
    return found


def _pinned() -> str | None:
    """Not by `get_ffmpeg_exe`, which runs it first, and settles for a bare "ffmpeg" when that run is killed."""
    try:
        folder = resources.files("imageio_ffmpeg.binaries")  # the container image has Debian's ffmpeg instead
    except ImportError:
        return None
    return next((str(path) for path in Path(str(folder)).glob("ffmpeg-*") if os.access(path, os.X_OK)), None)
