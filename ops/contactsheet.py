"""`darkroom contact-sheet`: what becomes of files, on one page, made by the workers' own code without any stack."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ops import sheetpage
from ops.sheetpage import Entry, Shot
from pipeline.config import Pipeline, load
from pipeline.errors import DarkroomError
from pipeline.limits import Rejected
from pipeline.plan import plan
from pipeline.probes import Probe
from pipeline.renditions import Still
from workers import glimpses
from workers.decoding import ask
from workers.encoder import find_ffmpeg
from workers.inspection import inspect
from workers.jobs import File, Job, Made
from workers.processes import Children
from workers.stages import WORK

PARTS = ("thumbnail", "animate", "poster")
"""What is made here: pictures, and films of pictures; a ladder takes minutes."""

TOML = Path(__file__).parents[1] / "pipeline.toml"


@dataclass(frozen=True)
class Bench:
    """Where the work is done: `folder` is the page's."""

    folder: Path
    pipeline: Pipeline
    ffmpeg: str
    children: Children

    def entry(self, number: int, source: Path) -> Entry:
        """Everything about one file; what goes wrong is part of it."""
        home = self.folder / f"{number:03}"
        work = home / "work"
        work.mkdir(parents=True)
        original = home / f"original{source.suffix.lower()}"
        shutil.copyfile(source, original)
        try:
            probe = inspect(original, self.children, self.pipeline.limits, self.pipeline.metadata)
            if isinstance(probe, Rejected):
                return Entry(source.name, original, error=f"rejected: {probe.reason}")
            shots, placeholder = self._made(original, probe, home)
        except DarkroomError as error:
            return Entry(source.name, original, error=f"failed: {error}")
        finally:
            shutil.rmtree(work)
        return Entry(source.name, original, probe=probe, shots=shots, placeholder=placeholder)

    def _made(self, original: Path, probe: Probe, home: Path) -> tuple[tuple[Shot, ...], dict[str, Any] | None]:
        whole = plan(probe, self.pipeline)
        shots: list[Shot] = []
        placeholder = None
        for part in (part for part in whole.parts if part in PARTS):
            scratch = home / "work" / part
            scratch.mkdir()
            job = Job(
                part=part,
                probe=probe,
                plan=whole,
                scratch=scratch,
                children=self.children,
                ffmpeg=self.ffmpeg,
                source=lambda: original,
                derived=lambda name, _size, write: _derived(home / "work" / name, write),
                fetch=lambda suffix: home / suffix,
                report=lambda _: None,
            )
            made = WORK[part].make(job)
            frame = scratch / glimpses.FRAME if part == "poster" else original
            likeness = self._likeness(frame, made, (*whole.stills, *((whole.poster.still,) if whole.poster else ())))
            shots += [_kept(file, home, likeness.get(str(file.rendition))) for file in made.files]
            placeholder = made.placeholder or placeholder
        return tuple(shots), placeholder

    def _likeness(self, source: Path, made: Made, stills: Sequence[Still]) -> dict[str, float]:
        """The SSIM of each still that was made, by name."""
        files = {file.rendition: file.path for file in made.files}
        there = [still for still in stills if still.name in files]
        if not there:
            return {}
        request = {
            "source": str(source.resolve()),
            "folder": str(files[there[0].name].parent.resolve()),
            "pixels": self.pipeline.limits.pixels,
            "stills": [still.to_dict() for still in there],
        }
        answer = ask("similarity", request, source.resolve().parent, self.children)
        return (
            {}
            if isinstance(answer, Rejected)
            else dict(zip((each.name for each in there), answer["ssim"], strict=True))
        )


def write(folder: Path, files: Sequence[Path]) -> None:
    """Make the page anew in a folder and say where it is.

    Raises:
        ConfigError, SettingsError: pipeline.toml or ffmpeg cannot be used.
    """
    pipeline, ffmpeg = load(Path(os.environ.get("PIPELINE") or TOML)), find_ffmpeg(os.environ.get("FFMPEG") or None)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bench, console = Bench(folder, pipeline, ffmpeg, Children()), Console()
    entries = []
    for number, path in enumerate(files):
        entries.append(bench.entry(number, path))
        console.print(f"{path.name}: {entries[-1].error or 'made'}", markup=False, highlight=False, soft_wrap=True)
    page = sheetpage.write(folder, entries)
    console.print(f"All of it on one page: {page.resolve().as_uri()}", soft_wrap=True, highlight=False)


def _kept(file: File, home: Path, likeness: float | None) -> Shot:
    path = home / file.suffix
    shutil.move(file.path, path)
    size = path.stat().st_size
    return Shot(str(file.rendition), path, file.mime_type, size, file.width, file.height, file.duration, likeness)


def _derived(path: Path, make: Callable[[Path], None]) -> Path:
    if not path.exists():
        make(path)
    return path
