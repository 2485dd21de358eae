"""ffmpeg-python, the one place: what holds of every command line, whatever it makes. Nothing here runs anything.

An input is a local file of a whitelisted container, never a playlist or a URL; streams are named by index; metadata,
chapters, data and subtitles are left behind.
"""

from pathlib import Path
from typing import Any

import ffmpeg

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg"
THREADS = 2  # of filters, and of decoders: with one for each core, address space runs out on large machines
BARE = {"map_metadata": -1, "map_chapters": -1, "fflags": "+bitexact"}
REPORT = ("-progress", "pipe:1")

_SAFE = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, "max_streams": 64}
_QUIET = ("-nostdin", "-y", "-v", "error", "-nostats", "-max_alloc", str(512 * 2**20))


def opened(path: Path, **options: Any) -> Any:  # noqa: ANN401 - ffmpeg-python has no types
    """A file to read; its streams are `["0"]`, `["1"]`..."""
    return ffmpeg.input(file_of(path), **{"threads": THREADS, **_SAFE, **options})


def output(*streams: Any, **options: Any) -> Any:  # noqa: ANN401
    """A file of several streams: its name, then the options."""
    return ffmpeg.output(*streams, **BARE, **options)


def merged(*outputs: Any) -> Any:  # noqa: ANN401
    """Several files of one process."""
    return ffmpeg.merge_outputs(*outputs)


def joined(*streams: Any) -> Any:  # noqa: ANN401
    """Pictures one after the other."""
    return ffmpeg.concat(*streams, v=1, a=0)


def file_of(path: Path) -> str:
    """A path as no protocol but `file` reads it."""
    return f"file:{path}"


def argv(program: str, made: Any, *flags: str) -> list[str]:  # noqa: ANN401
    """The command line, compiled."""
    compiled: list[str] = ffmpeg.compile(made, cmd=[program, *_QUIET, "-filter_complex_threads", str(THREADS), *flags])
    return compiled
