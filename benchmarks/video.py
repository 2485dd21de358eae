"""What the ladder costs, beside ffmpeg run once for each rung, one tuned process, PeerTube's and Immich's commands.

All of it in one run, on one source, with the shipped pipeline.toml. CPU seconds are those of all child processes. Our
figure is for everything a worker does but S3 and the records. Prints figures; asserts nothing.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import mean

from benchmarks import corpus, crew
from pipeline.config import Pipeline, load
from pipeline.copying import obstacles
from pipeline.ladder import FittedRung
from pipeline.plan import Plan, VideoPlan, plan
from pipeline.probes import Probe
from pipeline.storyboards import Storyboard
from tests.builders import ffmpeg
from tests.films import Darkroom, Film
from tests.stack import ROOT
from workers.running import of

SCENE = "mandelbrot=size={size}:rate=30:end_scale=0.02"
"""Shown where there is no corpus: hardly more than noise in the end, which no bit rate of a rung is enough for."""
NATURAL = "mov_pcm_1080p50.mov"
"""Two seconds of a camera's, shown again and again."""
PARTS = ("ladders", "copies", "peers", "glimpses", "workers", "corpus")
AFTER_A_SEAM = 8
"""Frames in which an encoder that starts anew may be worse."""


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


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-video", description=__doc__)
    parser.add_argument("--source", type=Path, help="a film of your own, instead of the one that is made")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--seconds", type=int, default=32)
    parser.add_argument("--chunk", type=float, default=8.0, help="seconds; the shipped 60 s would make one of it")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        path = given.source or footage(folder / "source.mp4", given.size, given.seconds)
        rules = load(ROOT / "pipeline.toml")
        rules = replace(rules, video=replace(rules.video, chunk=given.chunk, threads=1))
        room = Darkroom(ffmpeg(), path, folder / "ours", rules)
        made = plan(room.probe, rules)
        source = Source(path, room.probe, made, of(made))
        show("source", size=f"{source.probe.width}x{source.probe.height}", seconds=round(source.seconds, 1))
        show("plan", rungs=len(source.video.rungs), chunks=source.video.chunks, preset=source.video.preset)
        if "ladders" in given.parts:
            compare_ladders(source, room, folder)
        if "copies" in given.parts:
            compare_copy(source, rules, folder)
        if "peers" in given.parts:
            compare_peers(source, folder)
        if "glimpses" in given.parts:
            compare_glimpses(source, rules, folder)
        if "workers" in given.parts:
            crew.compare(source.path, folder / "crew")
        if "corpus" in given.parts and "CORPUS_DIR" in os.environ:
            corpus.compare(load(ROOT / "pipeline.toml"), folder / "corpus")
    return 0


def compare_ladders(source: Source, room: Darkroom, folder: Path) -> None:
    """The whole ladder in three ways, and how each rung looks."""
    parts = [part for part in source.made.parts if part.startswith("transcode#")]
    single, tuned = folder / "single", folder / "tuned"
    cost = {
        "ffmpeg for each rung": cpu(lambda: apart(source, single)),
        "one hand-tuned process": cpu(lambda: together(source, tuned)),
        "darkroom, in chunks": cpu(lambda: each(room, source, parts)),
    }
    single_cost, tuned_cost, our_cost = cost.values()
    for name, seconds in cost.items():
        show(name, cpu=round(seconds, 2))
    show("darkroom to single", "<= 0.60 at 1080p, <= 0.40 at 4K", ratio=round(our_cost / single_cost, 3))
    show("darkroom to hand-tuned", "<= 1.05", ratio=round(our_cost / tuned_cost, 3))
    for part in ("audio", "package"):
        if part in source.made.parts:
            room.make(source.probe, source.made, part)
    film = Film(room.folder / "stored", source.probe, source.made)
    seams = {chunk * source.video.chunk + n for chunk in range(1, source.video.chunks) for n in range(AFTER_A_SEAM)}
    for rung in source.video.rungs:
        ours, theirs = vmaf(film.rungs[rung.name], source, rung), vmaf(tuned / f"{rung.name}.mp4", source, rung)
        after = [theirs[n] - ours[n] for n in seams if n < min(len(ours), len(theirs))]
        facts = {"ours": mean(ours), "tuned": mean(theirs), "below": mean(theirs) - mean(ours)}
        facts["below_after_seams"] = mean(after) if after else 0.0
        aim = f"below <= 0.3, in the {AFTER_A_SEAM} frames after seams <= 1.5"
        show(f"VMAF of {rung.name}", aim, **{name: round(value, 2) for name, value in facts.items()})


def compare_copy(source: Source, rules: Pipeline, folder: Path) -> None:
    """A film that is a rung already, the ladder made with its largest rung copied and with all of it encoded."""
    rung, keyframe = source.video.rungs[0], source.video.keyframe
    film = folder / "rung.mp4"
    encode(source, rung, film, source.video.preset, source.video.crf, (*_terms(source, rung), "-bf", "2"))
    cost = {}
    for name, remux in (("encoded", False), ("copied", True)):
        terms = replace(rules, video=replace(rules.video, remux=remux))
        room = Darkroom(ffmpeg(), film, folder / name, terms)
        probe = room.probe
        made = plan(probe, terms)
        if of(made).copied is not remux:
            show("copied rung", why_not=",".join(obstacles(probe, rung, Fraction(of(made).rate), terms.video)))
            return
        parts = [part for part in made.parts if part.startswith("transcode#")]
        cost[name] = cpu(partial(each, room, Source(film, probe, made, of(made)), parts))
    ratio = cost["copied"] / cost["encoded"]
    show("copied rung", **{name: round(each, 2) for name, each in cost.items()}, ratio=round(ratio, 3), gop=keyframe)


def compare_peers(source: Source, folder: Path) -> None:
    """One rung as PeerTube and as Immich encode it by default, and as we do at the quality nearest to theirs."""
    rung = next(rung for rung in source.video.rungs if rung.name == source.video.mp4)
    rate = round(Fraction(source.video.rate))
    bits = round(0.11 * rung.width * rung.height * rate)  # PeerTube's bits per pixel at 720p
    gop = ("-g", str(2 * rate), "-r", str(rate))
    peers = {
        "PeerTube": ("veryfast", 23, ("-maxrate", str(bits), "-bufsize", str(2 * bits), "-bf", "16", *gop)),
        "Immich": ("ultrafast", 23, ("-g", "256")),
    }
    ours = [_ours(source, rung, folder, crf) for crf in (20, 22, 24, 26)]
    for name, (preset, crf, more) in peers.items():
        target = folder / f"{name}.mp4"
        cost = cpu(partial(encode, source, rung, target, preset, crf, more))
        looks = mean(vmaf(target, source, rung))
        show(f"{name}, {rung.name}", **_told(source, cost, looks, target))
        found = min(ours, key=lambda one: abs(one[1] - looks))
        show(f"darkroom at the VMAF of {name}", **_told(source, found[0], found[1], found[2]))


def _ours(source: Source, rung: FittedRung, folder: Path, crf: int) -> tuple[float, float, Path]:
    target = folder / f"crf-{crf}.mp4"
    gop = ("-g", str(source.video.keyframe), "-maxrate", str(rung.bitrate), "-bufsize", str(2 * rung.bitrate))
    cost = cpu(lambda: encode(source, rung, target, source.video.preset, crf, gop))
    return cost, mean(vmaf(target, source, rung)), target


def _told(source: Source, cost: float, looks: float, target: Path) -> dict[str, float]:
    rate = 8 * target.stat().st_size / source.seconds / 1000
    return {"seconds_per_cpu": round(source.seconds / cost, 2), "vmaf": round(looks, 2), "kbit": round(rate)}


def compare_glimpses(source: Source, rules: Pipeline, folder: Path) -> None:
    """Storyboard and poster, and the same tiles with one seek each."""
    room = Darkroom(ffmpeg(), source.path, folder / "glimpses", rules)
    ours = cpu(lambda: each(room, source, ("poster", "storyboard")))
    tiles = (rules.storyboard or Storyboard()).of(source.probe.width, source.probe.height, source.seconds)

    def seeking() -> None:
        for index in range(tiles.count):
            at = ("-ss", str(float(index * tiles.step)), "-i", str(source.path), "-frames:v", "1")
            run(*at, "-vf", f"scale={tiles.width}:{tiles.height}", str(folder / f"tile-{index}.jpg"))
        run("-ss", str(source.seconds / 10), "-i", str(source.path), "-frames:v", "1", str(folder / "poster.png"))

    theirs = cpu(seeking)
    facts = {"ours": ours, "seeking": theirs, "ratio": ours / theirs}
    show(
        "storyboard and poster",
        "ratio <= 0.2",
        tiles=tiles.count,
        **{name: round(value, 3) for name, value in facts.items()},
    )


def each(room: Darkroom, source: Source, parts: Sequence[str]) -> None:
    """Make one part after the other."""
    for part in parts:
        room.make(source.probe, source.made, part)


def footage(path: Path, size: str, seconds: int) -> Path:
    """Make a film with sound and a keyframe every second, of what a camera saw if CORPUS_DIR has it."""
    natural = Path(os.environ.get("CORPUS_DIR", "")) / NATURAL
    looped = ("-stream_loop", "-1", "-i", str(natural))
    scene = looped if natural.is_file() else ("-f", "lavfi", "-i", SCENE.format(size=size))
    sound = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-map", "0:v", "-map", "1:a")
    frames = ("-vf", f"scale={size.replace('x', ':')}", "-r", "30", "-t", str(seconds))
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "14", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac")
    run(*scene, *sound, *frames, *coding, str(path))
    return path


def apart(source: Source, folder: Path) -> None:
    """What people write: one ffmpeg after the other."""
    folder.mkdir()
    for rung in source.video.rungs:
        encode(source, rung, folder / f"{rung.name}.mp4", source.video.preset, source.video.crf, _terms(source, rung))


def together(source: Source, folder: Path) -> None:
    """One decode, each rung scaled from the one above it, all encoded in one process."""
    folder.mkdir()
    graph, outputs, above = [], [], "0:v"
    for number, rung in enumerate(source.video.rungs):
        last = number + 1 == len(source.video.rungs)
        scaled = f"[{above}]scale={rung.width}:{rung.height}"
        graph.append(scaled + (f"[o{number}]" if last else f",split[o{number}][n{number}]"))
        above = f"n{number}"
        coding = _coding(source.video.preset, source.video.crf, _terms(source, rung))
        outputs += ["-map", f"[o{number}]", *coding, str(folder / f"{rung.name}.mp4")]
    run("-i", str(source.path), "-filter_complex", ";".join(graph), *outputs)


def encode(source: Source, rung: FittedRung, target: Path, preset: str, crf: int, more: Sequence[str]) -> None:
    """One rung by one process."""
    scale = ("-vf", f"scale={rung.width}:{rung.height}", "-an")
    run("-i", str(source.path), *scale, *_coding(preset, crf, more), str(target))


def _coding(preset: str, crf: int, more: Sequence[str]) -> tuple[str, ...]:
    return ("-c:v", "libx264", "-preset", preset, "-crf", str(crf), "-pix_fmt", "yuv420p", "-threads", "1", *more)


def _terms(source: Source, rung: FittedRung) -> tuple[str, ...]:
    gop = str(source.video.keyframe)
    rates = ("-maxrate", str(rung.bitrate), "-bufsize", str(2 * rung.bitrate))
    return (*rates, "-profile:v", "high", "-sc_threshold", "0", "-g", gop, "-keyint_min", gop, "-flags", "+cgop")


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


def cpu(work: Callable[[], None]) -> float:
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


if __name__ == "__main__":
    sys.exit(main())
