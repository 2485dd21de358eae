"""A rung that needs no encoder: the original's own packets as segments, believed once they were counted and decoded."""

import shutil
from pathlib import Path
from typing import NamedTuple

from pipeline.plan import VideoPlan
from workers import video as ffmpeg
from workers.jobs import Job
from workers.running import counter, run
from workers.segments import Collected, FrameCountError, collected, counted


class Copy(NamedTuple):
    """One span of the original: its segments, all of them as a source, the number of frames."""

    made: Collected
    source: ffmpeg.Source
    frames: int


def cut(job: Job, source: ffmpeg.Source, video: VideoPlan, folder: Path) -> Copy:
    """Copy the job's span into segments of the first rung, below the folder.

    Raises FrameCountError unless each frame is where an encoder would have put it, and ChildFailedError.
    """
    span = video.span(job.part)
    rung = video.rungs[0].name
    (folder / rung).mkdir(parents=True)
    run(job, ffmpeg.copy(job.ffmpeg, source, job.probe, video, span), cwd=folder)
    made = collected(folder / rung, rung, f"copied-{span[0] // video.chunk:04}.mp4")
    if made is None:
        raise FrameCountError(f"{job.part} has nothing to copy")
    frames = counted(made, video, span[0])
    whole = folder / "whole.mp4"
    with whole.open("wb") as target:
        for _, path, _ in made.files:
            with path.open("rb") as piece:
                shutil.copyfileobj(piece, target)
    return Copy(made, ffmpeg.cut(whole, frames), frames)


def prove(job: Job, copy: Copy, video: VideoPlan) -> None:
    """Decode all of a copy; raises FrameCountError unless as many frames come out, ChildFailedError for any fault."""
    reached = 0.0
    fraction = counter("frame", copy.frames)

    def done(line: str) -> float | None:
        nonlocal reached
        told = fraction(line)
        reached = max(reached, told or 0.0)
        return told

    seconds = float(video.seconds(copy.frames))
    run(job, ffmpeg.decode(job.ffmpeg, copy.source, video), done=done, seconds=seconds)
    if reached != 1.0:
        raise FrameCountError(f"{job.part} has {copy.frames} frames, and {reached:.1%} of them can be decoded")
