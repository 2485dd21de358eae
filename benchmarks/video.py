"""What the ladder costs, beside ffmpeg run once for each output, one tuned process, PeerTube's and Immich's commands.

All of it in one run, on one source, with the shipped pipeline.toml. CPU seconds are those of all child processes. Our
figure is for everything a worker does but S3, the records, and the stills that are made of the poster.
Prints figures; asserts nothing.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from benchmarks import corpus, crew, footage, ladders, rivals
from benchmarks.encodings import Source, chunks, cpu, each, picture, run, show
from pipeline.config import Pipeline, load
from pipeline.copying import obstacles
from pipeline.plan import plan
from pipeline.storyboards import Storyboard
from tests.builders import ffmpeg
from tests.films import Darkroom
from tests.stack import ROOT
from workers.running import of

PARTS = ("ladders", "copies", "peers", "glimpses", "workers", "corpus")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-video", description=__doc__)
    parser.add_argument("--source", type=Path, help="a film of your own, instead of the one that is made")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--chunk", type=float, default=4.0, help="seconds; the shipped 60 s would make one of it")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        path = given.source or folder / "source.mp4"
        told = str(path) if given.source else footage.film(path, given.size, given.seconds)
        rules = load(ROOT / "pipeline.toml")
        rules = replace(rules, video=replace(rules.video, chunk=given.chunk, threads=1))
        room = Darkroom(ffmpeg(), path, folder / "ours", rules)
        probe = room.probe
        made = plan(probe, rules)
        source = Source(path, probe, made, of(made))
        show("source", size=f"{probe.width}x{probe.height}", seconds=round(source.seconds, 1), of=told)
        video = source.video
        show("plan", rungs=len(video.rungs), rate=video.rate, chunks=video.chunks, preset=video.preset, crf=video.crf)
        show("machine", cores=os.cpu_count() or 1, load=round(os.getloadavg()[0], 1))
        if "ladders" in given.parts:
            ladders.compare(source, room, folder)
        if "copies" in given.parts:
            compare_copy(source, rules, folder)
        if "peers" in given.parts:
            rivals.compare(source, rules, folder / "rivals")
        if "glimpses" in given.parts:
            compare_glimpses(source, rules, folder)
        if "workers" in given.parts:
            crew.compare(source.path, folder / "crew")
        if "corpus" in given.parts and "CORPUS_DIR" in os.environ:
            corpus.compare(load(ROOT / "pipeline.toml"), folder / "corpus")
    return 0


def compare_copy(source: Source, rules: Pipeline, folder: Path) -> None:
    """A film that is a rung already, the ladder made with its largest rung copied and with all of it encoded."""
    rung, keyframe = source.video.rungs[0], source.video.keyframe
    film = folder / "rung.mp4"
    # Cameras name transfer curves, xvYCC's say, that are copied into no rung.
    scaled = ("-vf", f"scale={rung.width}:{rung.height},setsar=1,setparams=color_trc=bt709", "-an")
    run(*source.read, *scaled, *picture(source, rung), "-bf", "2", str(film))
    cost = {}
    for name, remux in (("encoded", False), ("copied", True)):
        terms = replace(rules, video=replace(rules.video, remux=remux))
        room = Darkroom(ffmpeg(), film, folder / name, terms)
        probe = room.probe
        made = plan(probe, terms)
        if of(made).copied is not remux:
            show("copied rung", why_not=",".join(obstacles(probe, rung, Fraction(of(made).rate), terms.video)))
            return
        own = Source(film, probe, made, of(made))
        cost[name] = cpu(partial(each, room, own, chunks(own)))
    ratio = cost["copied"] / cost["encoded"]
    show("copied rung", **{name: round(each, 2) for name, each in cost.items()}, ratio=round(ratio, 3), gop=keyframe)


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


if __name__ == "__main__":
    sys.exit(main())
