"""Encoding as others do it, with the pinned ffmpeg: what it costs, and how it looks.

Decoders and encoders have one thread each, here as in Darkroom's own chunks: that is what costs the least CPU.
"""

import json
import resource
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.ladder import FittedRung
from pipeline.plan import Plan, VideoPlan
from pipeline.probes import Probe
from tests.builders import ffmpeg
from tests.films import Darkroom


@dataclass(frozen=True)
class Source:
    """A film, what inspection found in it, and what is to be made: `video` is the part of that that costs."""

    path: Path
    probe: Probe
    made: Plan
    video: VideoPlan

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.probe.video_duration or 0.0

    @property
    def read(self) -> tuple[str, ...]:
        """The options that read it."""
        return "-threads", "1", "-i", str(self.path)


def each(room: Darkroom, source: Source, parts: Sequence[str]) -> None:
    """Let Darkroom make one part after the other."""
    for part in parts:
        room.make(source.probe, source.made, part)


def chunks(source: Source) -> list[str]:
    """The parts that are the ladder's pictures."""
    return [part for part in source.made.parts if part.startswith("transcode#")]


def picture(source: Source, rung: FittedRung) -> tuple[str, ...]:
    """The options that encode a rung, on Darkroom's terms."""
    gop = str(source.video.keyframe)
    rates = ("-maxrate", str(rung.bitrate), "-bufsize", str(2 * rung.bitrate))
    grid = ("-profile:v", "high", "-sc_threshold", "0", "-g", gop, "-keyint_min", gop, "-flags:v", "+cgop")
    return (*x264(source.video.preset, source.video.crf), *rates, *grid)


def x264(preset: str, crf: int) -> tuple[str, ...]:
    """The options of an encoder of one thread."""
    return "-c:v", "libx264", "-preset", preset, "-crf", str(crf), "-pix_fmt", "yuv420p", "-threads", "1"


def cascade(source: Source) -> str:
    """The graph of one decode in which each rung is scaled from the one above it; its outputs are `[o0]`, `[o1]`..."""
    graph, above = [], "0:v"
    for number, rung in enumerate(source.video.rungs):
        last = number + 1 == len(source.video.rungs)
        scaled = f"[{above}]scale={rung.width}:{rung.height}"
        graph.append(scaled + (f"[o{number}]" if last else f",split[o{number}][n{number}]"))
        above = f"n{number}"
    return ";".join(graph)


def vmaf(film: Path, source: Source, rung: FittedRung) -> list[float]:
    """VMAF of each frame of a rung beside the source, both in the rung's size, by their numbers."""
    log = film.parent / f"vmaf-{film.stem}-{rung.name}.json"
    number = f"setpts=N/({source.video.rate})/TB"
    graph = (
        f"[0:v]{number},setsar=1[a];[1:v]{number},scale={rung.width}:{rung.height},setsar=1[b];"
        f"[a][b]libvmaf=log_fmt=json:log_path={log}:n_threads=2"
    )
    run("-i", str(film), "-i", str(source.path), "-lavfi", graph, "-f", "null", "-")
    return [frame["metrics"]["vmaf"] for frame in json.loads(log.read_text())["frames"]]


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of the child processes that ended meanwhile."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(*arguments: str) -> None:
    """Run the pinned ffmpeg."""
    subprocess.run([ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


def show(what: str, aim: str = "", /, **figures: float | str) -> None:
    """One line of figures, and the target that they have."""
    told = ", ".join(f"{name} {value}" for name, value in figures.items())
    print(f"{what}: {told}" + (f" (target: {aim})" if aim else ""), flush=True)
