"""Everybody who makes stills: a program each, run in turns and measured from outside."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.rig.contenders import PEERS, python_packages
from benchmarks.rig.meter import Cost, Meter, pss
from ops import node, servers
from ops.downloads import PROJECT
from pipeline.renditions import EFFORTS, Still

SHARP = "sharp, as people write it"
CASCADED = "sharp, hand-cascaded"
DEFAULTS = "sharp, its own defaults"
BARE = "Darkroom, bare"
CHILD = "Darkroom, in its child"


@dataclass(frozen=True)
class Maker:
    """A program of `peers/laps.py`'s protocol; `argv` is made when it is needed, since it may have to be fetched."""

    name: str
    argv: Callable[[], tuple[str, ...]]
    style: str
    defaults: bool = False
    """Whether encoders keep their own settings but for quality."""


def _sharp() -> tuple[str, ...]:
    return node.install(PEERS).node, str(PEERS / "stills.mjs")


def _python(name: str) -> Callable[[], tuple[str, ...]]:
    return lambda: (sys.executable, str(PEERS / name))


def _ours() -> tuple[str, ...]:
    return sys.executable, "-m", "benchmarks.rig.ours"


def magick() -> str | None:
    """ImageMagick's program, if it is there and is what it says."""
    for name in ("magick", "convert"):
        if (path := shutil.which(name)) and b"Version: ImageMagick" in _said(path):
            return path
    return None


def _said(path: str) -> bytes:
    return subprocess.run([path, "--version"], capture_output=True, check=False).stdout


MAKERS = {
    each.name: each
    for each in (
        Maker(SHARP, _sharp, "plain"),
        Maker(CASCADED, _sharp, "cascade"),
        Maker(DEFAULTS, _sharp, "plain", defaults=True),
        Maker("pyvips", _python("stills_vips.py"), "cascade"),
        Maker("Pillow, thumbnail()", _python("stills_pillow.py"), "thumbnail"),
        Maker("Pillow, open-resize-save", _python("stills_pillow.py"), "resize"),
        Maker(BARE, _ours, "bare"),
        Maker(CHILD, _ours, "child"),
    )
} | {"ImageMagick": Maker("ImageMagick", _python("stills_magick.py"), magick() or "")}


@dataclass
class Running:
    """A program that is warm. `images` is how many one lap makes stills of."""

    process: subprocess.Popen[str]
    images: int

    def lap(self) -> Cost:
        """Go once round the files; raises RuntimeError when the program fails."""
        with Meter([self.process.pid], pss) as meter:
            self._say("go\n")
        return meter.cost

    def _say(self, line: str) -> None:
        if self.process.stdin is None or self.process.stdout is None:
            raise TypeError("it was started with pipes")
        self.process.stdin.write(line)
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "done":
            raise RuntimeError(f"{self.process.args!r} failed")


@contextmanager
def running(
    maker: Maker, files: Sequence[Path], stills: Sequence[Still], folder: Path, repeat: int
) -> Iterator[Running]:
    """Start a program and wait until it has made the first file's stills."""
    folder.mkdir(parents=True, exist_ok=True)
    job: dict[str, Any] = {
        "files": [str(file) for file in files],
        "folder": str(folder),
        "stills": [_spelled(still) for still in stills],
        "style": maker.style,
        "defaults": maker.defaults,
        "repeat": repeat,
    }
    path = f"{python_packages()}:{PEERS}" if maker.argv is not _ours else ""
    with subprocess.Popen(
        [*maker.argv(), json.dumps(job)],
        cwd=PROJECT,
        env={**servers.plain_environment(), "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None or process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{maker.name} did not start")
        yield Running(process, repeat * len(files))
        process.communicate()


def _spelled(still: Still) -> dict[str, Any]:
    """The still with the effort that our defaults mean written out."""
    effort = EFFORTS.get(still.format) if still.effort is None else still.effort
    return asdict(replace(still, effort=effort))
