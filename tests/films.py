"""The stages of a video run over a folder, and what must hold of all that they leave there."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av

from pipeline.animations import Animation
from pipeline.ladder import Audio, Rung, VideoSettings
from pipeline.limits import Limits
from pipeline.plan import Config as Rules
from pipeline.plan import Plan, VideoPlan, plan, wants_packets
from pipeline.probes import Probe
from pipeline.progress import Report
from pipeline.renditions import Poster, Still
from pipeline.storyboards import Preview, Storyboard
from tests import warm
from tests.builders import ffmpeg
from tests.footage import pictures, time_of
from tests.hls import violations
from workers.inspection import inspect, read_packets
from workers.jobs import Job, Made
from workers.stages import WORK

PROGRAMS = [program for program in (ffmpeg(), shutil.which("ffmpeg")) if program]
"""Every ffmpeg there is: what one build makes is not what another makes."""

LIMITS = Limits(
    bytes=2**30,
    pixels=10**8,
    side=30_000,
    frames=1000,
    animation=10**9,
    duration=14_400.0,
    streams=64,
    accept=frozenset(
        f"video/{name}" for name in ("mp4", "quicktime", "webm", "x-matroska", "x-msvideo", "mp2t", "3gpp", "mpeg")
    ),
)


@dataclass(frozen=True)
class Config:
    """A small ladder, so that encoding takes no time."""

    stills: tuple[Still, ...] = (Still(name="thumbnail", width=100, height=100),)
    animation: Animation | None = None
    ladder: tuple[Rung, ...] = (
        Rung(name="180p", height=180, video=600_000),
        Rung(name="90p", height=90, video=200_000),
    )
    audio: Audio = field(default_factory=lambda: Audio(bitrate=96_000))
    poster: Poster = field(default_factory=Poster)
    storyboard: Storyboard | None = None
    preview: Preview | None = None
    video: VideoSettings = field(default_factory=lambda: VideoSettings(mp4=180, remux=False))


def chunked(seconds: float) -> Config:
    """The same in chunks of that length."""
    return Config(video=VideoSettings(mp4=180, chunk=seconds, remux=False))


@dataclass(frozen=True)
class Darkroom:
    """One film and the folder its renditions go to, each written once."""

    program: str
    source: Path
    folder: Path
    config: Rules = field(default_factory=Config)

    @property
    def probe(self) -> Probe:
        """What inspection finds."""
        probe = inspect(self.source, warm.children(), LIMITS)
        assert isinstance(probe, Probe), probe
        if wants_packets(probe, self.config):
            probe = read_packets(self.source, probe, warm.children(), LIMITS)
        return probe

    def develop(self) -> "Film":
        """Run every task of the plan, in order."""
        probe = self.probe
        made = plan(probe, self.config)
        for part in made.parts:
            self.make(probe, made, part)
        return Film(self.folder / "stored", probe, made)

    def make(self, probe: Probe, made: Plan, part: str, report: Callable[[Report], None] = lambda _: None) -> Made:
        """Run one task and store its files; what it promised must be among them."""
        stored = self.folder / "stored"
        scratch = self.folder / part.replace("#", "-")
        scratch.mkdir(parents=True)
        promised, work = WORK[part.partition("#")[0]]
        job = Job(
            part=part,
            probe=probe,
            plan=made,
            scratch=scratch,
            children=warm.children(),
            ffmpeg=self.program,
            source=lambda: self.source,
            derived=self.derived,
            fetch=lambda suffix: stored / suffix,
            report=report,
        )
        files = work(job)
        for file in files.files:
            target = stored / file.suffix
            assert not target.exists(), file.suffix
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file.path, target)
        assert {each.suffix for each in promised(made, part)} <= {file.suffix for file in files.files}
        assert promised(made, part)[-1].suffix == files.files[-1].suffix
        shutil.rmtree(scratch)
        return files

    def derived(self, name: str, size: int, make: Callable[[Path], None]) -> Path:
        """As the cache does it, with room for everything."""
        path = self.folder / name
        if not path.exists():
            make(path)
        assert path.stat().st_size <= size
        return path


@dataclass(frozen=True)
class Film:
    """What was stored of one video."""

    stored: Path
    probe: Probe
    plan: Plan

    @property
    def video(self) -> VideoPlan:
        """The video's part of the plan."""
        assert self.plan.video is not None
        return self.plan.video

    @property
    def hls(self) -> Path:
        """The multivariant playlist."""
        return self.stored / self.video.prefix / "index.m3u8"

    @property
    def mp4(self) -> Path:
        """The one file."""
        return self.stored / f"{self.video.prefix}{self.video.mp4}.mp4"

    @property
    def rungs(self) -> dict[str, Path]:
        """The media playlists by name."""
        return {rung.name: self.hls.with_name(rung.name) / "index.m3u8" for rung in self.video.rungs}

    @property
    def poster(self) -> Path:
        """The picture that stands for it."""
        assert self.plan.poster is not None
        return self.stored / self.plan.poster.still.suffix


def assert_steady(film: Film) -> None:
    """What must hold of every film: steady frames, keyframes on the grid, the same on all rungs and in the MP4."""
    step = 1 / Fraction(film.video.rate)
    counts = set()
    for rung in film.video.rungs:
        shown = pictures(film.rungs[rung.name])
        assert {(each.width, each.height) for each in shown} == {(rung.width, rung.height)}
        assert {later.time - earlier.time for earlier, later in pairwise(shown)} <= {step}
        assert shown[0].time == 1  # with the sound, a second late
        copied = film.video.copied and rung == film.video.rungs[0]
        assert all(each.key for each in shown[:: film.video.segment if copied else film.video.keyframe])
        counts.add(len(shown))
    counts.add(len(assert_steady_movie(film)))
    assert len(counts) == 1
    assert_clean(film.hls)
    assert violations(film.hls) == []


def assert_steady_movie(film: Film) -> list[Fraction]:
    """What must hold of every MP4; gives the times of its frames in seconds."""
    with av.open(str(film.mp4)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.sample_aspect_ratio in (1, None)
        times = [time_of(frame) for frame in container.decode(stream)]
    assert times[0] == 0
    assert {after - before for before, after in pairwise(times)} <= {1 / Fraction(film.video.rate)}
    assert_clean(film.mp4)
    return times


def likenesses(film: Film, source: Path) -> list[float]:
    """The structural similarity of each frame of the largest rung with what a plain graph makes of the source."""
    rung, rate = film.video.rungs[0], film.video.rate
    combed = "bwdif=mode=send_frame:deint=interlaced," if film.probe.interlaced else ""
    shown = f"{combed}fps={rate},scale={rung.width}:{rung.height},setsar=1"
    numbered = f"format=yuv420p,setpts=N/TB/({rate})"
    graph = f"[0:{film.probe.video_stream}]{shown},{numbered}[a];[1:v]{numbered}[b];[a][b]ssim=stats_file=-"
    argv = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(source), "-i", str(film.rungs[rung.name]), "-lavfi", graph]
    told = subprocess.run([*argv, "-f", "null", "-"], capture_output=True, check=True, text=True, timeout=300).stdout
    return [float(value) for value in re.findall(r"All:([0-9.]+)", told)]


def other_build(program: str, folder: Path) -> str:
    """An ffmpeg whose x264 makes another decoder configuration of the same settings."""
    script = folder / "other"
    other = 'for word; do [ "$word" = high ] && word=main; set -- "$@" "$word"; shift; done'
    script.write_text(f'#!/bin/sh\n{other}\nexec "{program}" "$@"\n')
    script.chmod(0o755)
    return str(script)


def assert_clean(path: Path) -> None:
    """Every stream decodes without a complaint."""
    argv = [ffmpeg(), "-v", "error", "-i", str(path), "-map", "0", "-f", "null", "-"]
    assert subprocess.run(argv, capture_output=True, check=True).stderr == b""


def runs(playlist: Path) -> list[Path]:
    """One file of each run of a media playlist, for ffmpeg reads no second EXT-X-MAP: its header, then its segments."""
    made: list[Path] = []
    for line in playlist.read_text().splitlines():
        if line.startswith("#EXT-X-MAP:"):
            made.append(playlist.with_name(f"run-{len(made)}.mp4"))
            made[-1].write_bytes(playlist.with_name(line.split('"')[1]).read_bytes())
        elif not line.startswith("#"):
            with made[-1].open("ab") as run:
                run.write(playlist.with_name(line).read_bytes())
    return made


def corpus() -> list[Path]:
    """The videos of CORPUS_DIR; none where it is not set."""
    folder = os.environ.get("CORPUS_DIR")
    suffixes = {".mp4", ".mov", ".mkv", ".webm", ".ts", ".avi", ".3gp"}
    return sorted(path for path in Path(folder).iterdir() if path.suffix in suffixes) if folder else []
