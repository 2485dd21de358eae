"""Encoding a video: one chunk of frames on every rung, or all its sound, into HLS segments and a manifest of them."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import structlog

from pipeline.errors import OutOfMemoryError
from pipeline.ladder import FittedRung
from pipeline.plan import Plan, VideoPlan, picture_end
from workers import copying
from workers import video as ffmpeg
from workers.endings import ChildFailedError, ChildStalledError
from workers.jobs import File, Job, Made, Promise
from workers.running import MostlyDamagedError, counter, listen, of, run
from workers.segments import Collected, FrameCountError, collected, counted

log = structlog.get_logger()

MANIFEST_TYPE = "application/json"

_VAGUE = 2  # frames by which a container may tell the end wrong, without a look at its packets
_SLACK = Fraction(1, 2)  # seconds of picture that a damaged end may lack


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """The manifest alone: it is stored last, and how many segments the end of a video has is not known before."""
    return (Promise(suffix=manifest(of(plan), part), mime_type=MANIFEST_TYPE),)


def manifest(video: VideoPlan, part: str) -> str:
    """Where the manifest of `audio` or `transcode#0007` lies."""
    return f"{video.prefix}{part.replace('#', '-')}.json"


def transcode(job: Job) -> Made:
    """The segments of one chunk on every rung. Raises FrameCountError unless all hold the frames they must."""
    video = of(job.plan)
    source = _readable(job, video)
    made = _with_copy(job, source, video) if video.copied else None
    if made:
        return _manifested(job, video, made, frames=_whole(job, source, made), copied=True)
    made, frames = _encoded_whole(job, source, video)
    return _manifested(job, video, made, frames=frames, copied=False)


def _encoded_whole(job: Job, source: ffmpeg.Source, video: VideoPlan) -> tuple[Mapping[str, Collected | None], int]:
    """The chunk and its number of frames; where some are missing, once more from farther back."""
    start, _ = video.span(job.part)
    sources = (source, *ffmpeg.farther(source, start))
    folder = job.scratch / "encoded"
    for each in sources:
        made = _encoded(job, each, video.rungs, folder)
        try:
            return made, _whole(job, each, made)
        except FrameCountError as error:
            if each is sources[-1]:
                raise
            log.warning("frames_missing", part=job.part, error=str(error))
            shutil.rmtree(folder)
    raise AssertionError("the last source returns or raises")


def _whole(job: Job, source: ffmpeg.Source, made: Mapping[str, Collected | None]) -> int:
    """The number of frames, which are all that the chunk must have; raises FrameCountError."""
    start, stop = of(job.plan).span(job.part)
    frames = _agreed(job, made, start)
    _check(job, source, start, stop, frames)
    return frames


def _with_copy(job: Job, source: ffmpeg.Source, video: VideoPlan) -> Mapping[str, Collected | None] | None:
    """The chunk with its first rung copied, and the others made of the copy, which proves that it can be decoded.

    None where it cannot, or is not what its timestamps promised: it is encoded then, for players are less forgiving
    than decoders. What is left of it is in nobody's way: copies have names of their own.
    """
    folder, (top, *below) = job.scratch / "copied", video.rungs
    try:
        copy = copying.cut(job, source, video, folder)
        if below:
            made = {top.name: copy.made, **_encoded(job, copy.source, below, folder)}
            _agreed(job, made, video.span(job.part)[0])
            return made
        copying.prove(job, copy, video)
    except OutOfMemoryError:
        raise
    except (FrameCountError, ChildFailedError, ChildStalledError, MostlyDamagedError) as error:
        log.warning("not_copied", part=job.part, error=str(error))
        return None
    return {top.name: copy.made}


def _encoded(job: Job, source: ffmpeg.Source, rungs: Sequence[FittedRung], folder: Path) -> dict[str, Collected | None]:
    """The chunk on these rungs, below the folder; None for one that nothing was written of."""
    video = replace(of(job.plan), rungs=tuple(rungs))
    start, stop = video.span(job.part)
    for rung in rungs:
        (folder / rung.name).mkdir(parents=True)
    length = (stop or _declared(job, video)) - start
    argv = ffmpeg.chunk(job.ffmpeg, source, job.probe, video, (start, stop))
    run(job, argv, done=counter("frame", length), seconds=float(video.seconds(length)), cwd=folder)
    init = f"init-{start // video.chunk:04}.mp4"
    return {rung.name: collected(folder / rung.name, rung.name, init) for rung in rungs}


def _agreed(job: Job, made: Mapping[str, Collected | None], start: int) -> int:
    """The number of frames that all rungs have; raises FrameCountError if they differ."""
    counts = {counted(each, of(job.plan), start) for each in made.values() if each}
    if len(counts) > 1 or (counts and None in made.values()):
        raise FrameCountError(f"{job.part} has rungs of different lengths: {sorted(counts)}")
    return counts.pop() if counts else 0


def audio(job: Job) -> Made:
    """The segments of all sound.

    A track that turns out to be empty, or of which most cannot be decoded, gives a manifest without one.
    """
    video = of(job.plan)
    folder = job.scratch / "audio"
    folder.mkdir()
    length = int((job.probe.duration or 0) * 10**6)
    argv = ffmpeg.audio(job.ffmpeg, job.source(), job.probe, video)
    try:
        run(job, argv, done=counter("out_time_us", length), cwd=folder)
    except MostlyDamagedError as error:
        log.warning("sound_undecodable", error=str(error))
        return _manifested(job, video, {"audio": None})
    made = collected(folder, "audio", "init.mp4")
    return _manifested(job, video, {"audio": made})


def _check(job: Job, source: ffmpeg.Source, start: int, stop: int | None, frames: int) -> None:
    """A chunk is whole when it reaches its stop, or the last packet of the picture, whatever the container declared."""
    video = of(job.plan)
    if frames == (stop or 0) - start or (stop is None and start + frames >= _declared(job, video) - _VAGUE):
        return
    slack = math.ceil(_SLACK * Fraction(video.rate))
    listing = ffmpeg.tail(job.ffmpeg, source, video, start)
    last = (_last_packet(job, listing) - ffmpeg.zero(source, job.probe, video)) * Fraction(video.rate)
    if last > start + frames + slack or (stop is not None and last > stop - 1):
        raise FrameCountError(f"{job.part} has {frames} frames, and there is picture after them")


def _last_packet(job: Job, argv: list[str]) -> Fraction:
    """The latest presentation time in seconds of a framecrc listing; 0 if it is empty."""
    base, latest = Fraction(1), 0

    def on_line(line: str) -> None:
        nonlocal base, latest
        if line.startswith("#tb 0:"):
            base = Fraction(line.partition(":")[2].strip())
        elif not line.startswith("#"):
            dts, pts = (word.strip() for word in line.split(",")[1:3])  # either may be NOPTS
            latest = max(latest, *(int(word) for word in (dts, pts) if word.isdecimal()), 0)

    listen(job, argv, on_line)
    return latest * base


def _readable(job: Job, video: VideoPlan) -> ffmpeg.Source:
    source = ffmpeg.original(job.source(), job.probe)
    if not ffmpeg.needs_remux(job.probe, video):
        return source

    def remux(target: Path) -> None:
        copied = job.scratch / "source.mkv"
        run(job, ffmpeg.remux(job.ffmpeg, source, copied))
        copied.replace(target)  # which other tasks have in common, and ffmpeg cannot reach

    try:
        copy = job.derived("source.mkv", 2 * job.probe.bytes, remux)
    except ChildFailedError:  # a timestamp is missing, say: slower, but no worse
        return source
    return ffmpeg.copied(copy)


def _declared(job: Job, video: VideoPlan) -> int:
    return math.ceil(picture_end(job.probe) * Fraction(video.rate))


def _manifested(job: Job, video: VideoPlan, found: Mapping[str, Collected | None], **facts: Any) -> Made:  # noqa: ANN401
    """The files of all tracks and, last, the manifest that says they are whole."""
    made = {name: each for name, each in found.items() if each}
    path = job.scratch / "manifest.json"
    path.write_text(json.dumps(facts | {"tracks": {name: each.track.to_dict() for name, each in made.items()}}))
    files = [
        File(suffix=video.prefix + suffix, path=file, mime_type=mime_type)
        for each in made.values()
        for suffix, file, mime_type in each.files
    ]
    return Made(files=(*files, File(suffix=manifest(video, job.part), path=path, mime_type=MANIFEST_TYPE)))
