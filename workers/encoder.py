"""Which ffmpeg is used."""

import shutil

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
    try:
        import imageio_ffmpeg  # noqa: PLC0415 - the container image has Debian's instead
    except ImportError:
        return None
    return str(imageio_ffmpeg.get_ffmpeg_exe())
