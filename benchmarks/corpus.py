"""How the largest rung of real films looks at the default settings: its VMAF.

Beside the same frames, encoded nearly without loss, so that what is measured is the encoder, whatever had to be done to
a film before: turned, deinterlaced, brought to another rate or range. Of the films in CORPUS_DIR of a minute at most.
"""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from statistics import mean

from pipeline.config import Pipeline
from pipeline.plan import Plan, plan
from tests.builders import ffmpeg
from tests.films import Darkroom, Film, corpus
from workers.running import of

MOST = 60.0
"""Seconds."""
FULL = 1080
"""Pixels of the shorter side."""
_CRF = 1  # hardly any loss; 0 is another profile of H.264
_RATE = 10**9


def compare(rules: Pipeline, folder: Path) -> None:
    """Print one line for each film, and the lowest mean of those of 1080 lines or more."""
    means = {}
    for path in corpus():
        room = Darkroom(ffmpeg(), path, folder / path.name, rules)
        probe = room.probe
        if (probe.duration or 0) > MOST:
            continue
        made = plan(probe, rules)
        film = Film(room.folder / "stored", probe, made)
        lossless = Darkroom(ffmpeg(), path, folder / f"{path.name}-lossless", rules)
        reference = Film(lossless.folder / "stored", probe, _lossless(made))
        for each, where in ((film, room), (reference, lossless)):
            for part in each.plan.parts:
                if part.startswith(("transcode#", "audio", "package")):
                    where.make(probe, each.plan, part)
        rung = film.video.rungs[0]
        name = rung.name
        values = vmaf(film.rungs[name], reference.rungs[name])
        means[path.name] = (min(rung.width, rung.height), mean(values))
        print(f"VMAF of {path.name}, {name}: mean {mean(values):.2f}, least {min(values):.2f}", flush=True)
    full = [value for side, value in means.values() if side >= FULL]
    least = f"of 1080p at least {min(full):.2f}" if full else "none of 1080p"
    print(f"VMAF at default settings: {len(means)} films, {least} (target: >= 90)", flush=True)


def _lossless(made: Plan) -> Plan:
    video = of(made)
    rungs = tuple(replace(rung, bitrate=_RATE) for rung in video.rungs[:1])
    video = replace(video, rungs=rungs, mp4=rungs[0].name, crf=_CRF, preset="ultrafast", recipe="")
    return replace(made, video=video, recipe="")


def vmaf(film: Path, reference: Path) -> list[float]:
    """VMAF of each frame of a rung beside the reference's."""
    log = film.with_name("vmaf.json")
    graph = f"[0:v][1:v]libvmaf=log_fmt=json:log_path={log}:n_threads=2"
    argv = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(film), "-i", str(reference), "-lavfi", graph]
    subprocess.run([*argv, "-f", "null", "-"], check=True)
    return [frame["metrics"]["vmaf"] for frame in json.loads(log.read_text())["frames"]]
