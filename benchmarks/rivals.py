"""One rung as PeerTube and as Immich encode it by default, and as Darkroom does at exactly their quality.

Their defaults are those of their sources: PeerTube's `packages/ffmpeg` (`ffmpeg-default-transcoding-profile.ts`,
`encoder-options.ts`) and `packages/core-utils/src/videos/bitrate.ts`; Immich's `server/src/config.ts` and `media.ts`.
Immich leaves x264 as many threads as it likes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean

from benchmarks.encodings import Source, chunks, cpu, each, run, show, vmaf
from pipeline.config import Pipeline
from pipeline.ladder import FittedRung, Rung
from pipeline.plan import plan
from tests.builders import ffmpeg
from tests.films import Darkroom, Film
from workers.running import of

_BITS = 0.11
"""PeerTube's bits for each pixel at 720 lines: what its `-maxrate` is made of."""
_UNBOUNDED = 10**8
"""Bit/s; Immich sets no limit."""


@dataclass(frozen=True)
class Encoded:
    """One rung: CPU seconds, mean VMAF, bit/s."""

    cost: float
    looks: float
    rate: float


def compare(source: Source, rules: Pipeline, folder: Path) -> None:
    """Print a pair of lines for each: its figures, and ours at its VMAF."""
    folder.mkdir()
    rung = next(rung for rung in source.video.rungs if rung.name == source.video.mp4)
    rate = round(Fraction(source.video.rate))
    most = round(_BITS * rung.width * rung.height * rate)
    rates = ("-maxrate:v", str(most), "-bufsize:v", str(2 * most), "-b_strategy", "1", "-bf", "16")
    x264 = ("-an", "-vf", f"scale={rung.width}:{rung.height}", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    veryfast = ("-preset", "veryfast", *rates, "-r", str(rate), "-g:v", str(2 * rate), "-threads", "1")
    ultrafast = ("-fps_mode", "passthrough", "-preset", "ultrafast", "-crf", "23")
    for name, options, limit, crfs in (
        ("PeerTube", veryfast, most, (20, 22, 24, 26)),
        ("Immich", ultrafast, _UNBOUNDED, (12, 14, 16, 18)),
    ):
        target = folder / f"{name}.mp4"
        cost = cpu(partial(run, "-i", str(source.path), *x264, *options, "-movflags", "faststart", str(target)))
        theirs = Encoded(cost, mean(vmaf(target, source, rung)), 8 * target.stat().st_size / source.seconds)
        show(f"{name}, {rung.name}", **_told(source, theirs))
        terms = replace(rules, ladder=(_capped(rung, limit),))
        ours = [_ours(source, terms, folder / f"beside-{name}-{crf}", crf) for crf in crfs]
        found = equal(ours, theirs.looks)
        beside = f"darkroom at the VMAF of {name}"
        if found:
            show(beside, **_told(source, found), ratio=round(theirs.cost / found.cost, 2))
        else:
            show(beside, why_not=f"{min(one.looks for one in ours):.2f} to {max(one.looks for one in ours):.2f} only")


def equal(made: Sequence[Encoded], looks: float) -> Encoded | None:
    """What it costs to look so, between the two that look better and worse; bit rates are logarithmic in VMAF."""
    for worse, better in pairwise(sorted(made, key=lambda one: one.looks)):
        if worse.looks <= looks <= better.looks:
            part = (looks - worse.looks) / (better.looks - worse.looks) if better.looks > worse.looks else 0.0
            rate = math.exp(math.log(worse.rate) * (1 - part) + math.log(better.rate) * part)
            return Encoded(worse.cost + part * (better.cost - worse.cost), looks, rate)
    return None


def _capped(rung: FittedRung, most: int) -> Rung:
    """The same size, with the bit rate that the peer allows itself."""
    return Rung(name=rung.name, height=min(rung.width, rung.height), video=most)


def _ours(source: Source, rules: Pipeline, folder: Path, crf: int) -> Encoded:
    rules = replace(rules, video=replace(rules.video, crf=crf, remux=False))
    room = Darkroom(ffmpeg(), source.path, folder, rules)
    made = plan(source.probe, rules)
    own = replace(source, made=made, video=of(made))
    cost = cpu(lambda: each(room, own, chunks(own)))
    for part in ("audio", "package"):
        if part in made.parts:
            room.make(own.probe, made, part)
    film = Film(room.folder / "stored", own.probe, made)
    (rung,) = own.video.rungs
    playlist = film.rungs[rung.name]
    size = sum(each.stat().st_size for each in playlist.parent.glob("*.m4s"))
    return Encoded(cost, mean(vmaf(playlist, own, rung)), 8 * size / own.seconds)


def _told(source: Source, one: Encoded) -> dict[str, float]:
    speed = round(source.seconds / one.cost, 2)
    return {"seconds_per_cpu": speed, "vmaf": round(one.looks, 2), "kbit": round(one.rate / 1000)}
