"""Encoding a video: one chunk of frames on every rung, or all its sound, into HLS segments and a manifest of them."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.errors import TransientError
from pipeline.plan import Plan, VideoPlan, phase, picture_end
from pipeline.playlists import Segment, Track
from pipeline.progress import Report
from workers import video as ffmpeg
from workers.endings import ChildFailedError
from workers.fragments import FragmentError, Samples, header, samples
from workers.jobs import File, Job, Made, Promise

INIT_TYPE = "video/mp4"
SEGMENT_TYPE = "video/iso.segment"
MANIFEST_TYPE = "application/json"

_NICE = 10
_DEADLINE = 4 * 3600.0  # seconds; a net, for the stage's own timeout ends a job sooner
_STALL = 900.0  # seconds without another frame: decoding one's way to a chunk's first one takes far less
_FILE = 2 * 2**30  # bytes of one segment, or more where the source itself is larger
_VAGUE = 2  # frames by which a container may tell the end wrong, without a look at its packets
_SLACK = Fraction(1, 2)  # seconds of picture that a damaged end may lack


class FrameCountError(TransientError):
    """An encoder wrote other frames than the plan asks for. Tried again, for the machine may be at fault."""


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """The manifest alone: it is stored last, and how many segments the end of a video has is not known before."""
    return (Promise(suffix=manifest(of(plan), part), mime_type=MANIFEST_TYPE),)


def manifest(video: VideoPlan, part: str) -> str:
    """Where the manifest of `audio` or `transcode#0007` lies."""
    return f"{video.prefix}{part.replace('#', '-')}.json"


def of(plan: Plan) -> VideoPlan:
    """The video's plan; raises ValueError where there is none."""
    if plan.video is None:
        raise ValueError("the plan is of no video")
    return plan.video


def transcode(job: Job) -> Made:
    """The segments of one chunk on every rung. Raises FrameCountError unless all hold the frames they must."""
    video = of(job.plan)
    start, stop = video.span(job.part)
    source = _readable(job, video)
    for rung in video.rungs:
        (job.scratch / rung.name).mkdir()
    length = (stop or _declared(job, video)) - start
    argv = ffmpeg.chunk(job.ffmpeg, source, job.probe, video, (start, stop))
    run(job, argv, done=counter("frame", length), seconds=float(video.seconds(length)))
    init = f"init-{start // video.chunk:04}.mp4"
    made = {rung.name: _collected(job.scratch / rung.name, rung.name, init) for rung in video.rungs}
    counts = {_counted(each.samples, each.timescale, video, start) for each in made.values() if each}
    if len(counts) > 1 or (counts and None in made.values()):
        raise FrameCountError(f"{job.part} has rungs of different lengths: {sorted(counts)}")
    frames = counts.pop() if counts else 0
    _check(job, source, start, stop, frames)
    return _manifested(job, video, {name: each for name, each in made.items() if each}, frames=frames)


def audio(job: Job) -> Made:
    """The segments of all sound. A track that turns out to be empty gives a manifest without one."""
    video = of(job.plan)
    folder = job.scratch / "audio"
    folder.mkdir()
    length = int((job.probe.duration or 0) * 10**6)
    argv = ffmpeg.audio(job.ffmpeg, job.source(), job.probe, video)
    run(job, argv, done=counter("out_time_us", length), cwd=folder)
    made = _collected(folder, "audio", "init.mp4")
    return _manifested(job, video, {"audio": made} if made else {})


def run(
    job: Job,
    argv: list[str],
    *,
    done: Callable[[str], float | None] | None = None,
    seconds: float | None = None,
    cwd: Path | None = None,
    memory: int | None = None,
) -> None:
    """Run ffmpeg confined; `done` reads the fraction done from a line of its progress, or None.

    `seconds` of video are encoded, for the speed that is reported; `memory` are its bytes of address space, where the
    plan is not of a video. Raises ChildStalledError when the fraction has not risen for a while.
    """
    reached, begun = -1.0, time.monotonic()

    def on_line(line: str) -> bool:
        nonlocal reached
        fraction = done(line) if done else None
        if fraction is None or fraction <= reached:
            return False
        reached = fraction
        elapsed = time.monotonic() - begun
        speed = fraction * seconds / elapsed if seconds and fraction > 0 and elapsed > 0 else None
        job.report(Report(min(1.0, fraction), speed))
        return True

    job.children.run(
        argv,
        cwd=cwd or job.scratch,
        deadline=_DEADLINE,
        memory=memory or of(job.plan).memory,
        file_size=max(_FILE, 2 * job.probe.bytes),
        nice=_NICE,
        on_line=on_line if done else None,
        stall=_STALL if done else None,
    )


@dataclass(frozen=True)
class _Collected:
    track: Track
    samples: tuple[Samples, ...]
    timescale: int
    files: tuple[tuple[str, Path, str], ...]


def _collected(folder: Path, name: str, init: str) -> _Collected | None:
    """What ffmpeg left in a folder; None if nothing was encoded. Raises FrameCountError for what is no such file."""
    first = folder / "init.mp4"
    try:
        read = ((path, samples(path.read_bytes())) for path in sorted(folder.glob("*.m4s")))
        facts = {path: fact for path, fact in read if fact.count}
        if not facts:
            return None
        head = header(first.read_bytes())
    except (FragmentError, OSError) as error:
        raise FrameCountError(f"{name} is not readable: {error}") from error
    segments = tuple(
        Segment(name=path.name, duration=fact.duration / head.timescale, bytes=path.stat().st_size)
        for path, fact in facts.items()
    )
    sha256 = hashlib.sha256(first.read_bytes()).hexdigest()
    track = Track(init=init, sha256=sha256, config=head.config, codec=head.codec, segments=segments)
    files = ((f"{name}/{init}", first, INIT_TYPE), *((f"{name}/{path.name}", path, SEGMENT_TYPE) for path in facts))
    return _Collected(track, tuple(facts.values()), head.timescale, files)


def _counted(segments: Sequence[Samples], timescale: int, video: VideoPlan, start: int) -> int:
    """The number of frames; raises FrameCountError unless each segment is in its place and only the last short."""
    frames = 0
    for position, segment in enumerate(segments):
        due = ffmpeg.START + video.seconds(start + frames)
        if Fraction(segment.start, timescale) != due or segment.duration != timescale * video.seconds(segment.count):
            raise FrameCountError(f"segment {position} from frame {start} on is not where it belongs")
        if segment.count != video.segment and position + 1 < len(segments):
            raise FrameCountError(f"segment {position} from frame {start} on has {segment.count} frames")
        frames += segment.count
    return frames


def _check(job: Job, source: ffmpeg.Source, start: int, stop: int | None, frames: int) -> None:
    """A chunk is whole when it reaches its stop, or the last packet of the picture, whatever the container declared."""
    video = of(job.plan)
    if frames == (stop or 0) - start or (stop is None and start + frames >= _declared(job, video) - _VAGUE):
        return
    slack = math.ceil(_SLACK * Fraction(video.rate))
    rate = Fraction(video.rate)
    last = (_last_packet(job, ffmpeg.tail(job.ffmpeg, source, video, start)) - phase(job.probe, rate)) * rate
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

    job.children.run(argv, cwd=job.scratch, deadline=_DEADLINE, memory=of(job.plan).memory, on_line=on_line)
    return latest * base


def _readable(job: Job, video: VideoPlan) -> ffmpeg.Source:
    source = ffmpeg.original(job.source(), job.probe)
    if not ffmpeg.needs_remux(job.probe, video):
        return source
    try:
        copy = job.derived(
            "source.mkv", 2 * job.probe.bytes, lambda target: run(job, ffmpeg.remux(job.ffmpeg, source, target))
        )
    except ChildFailedError:  # a timestamp is missing, say: slower, but no worse
        return source
    return ffmpeg.copied(copy)


def _declared(job: Job, video: VideoPlan) -> int:
    return math.ceil(picture_end(job.probe) * Fraction(video.rate))


def counter(name: str, length: int) -> Callable[[str], float | None]:
    """Reads one value of ffmpeg's `-progress` (`frame=120`) as a fraction of the length."""

    def done(line: str) -> float | None:
        key, _, value = line.partition("=")
        return int(value) / max(1, length) if key == name and value.isdecimal() else None

    return done


def _manifested(job: Job, video: VideoPlan, made: dict[str, _Collected], **facts: Any) -> Made:  # noqa: ANN401
    """The files of all tracks and, last, the manifest that says they are whole."""
    path = job.scratch / "manifest.json"
    path.write_text(json.dumps(facts | {"tracks": {name: each.track.to_dict() for name, each in made.items()}}))
    files = [
        File(suffix=video.prefix + suffix, path=file, mime_type=mime_type)
        for each in made.values()
        for suffix, file, mime_type in each.files
    ]
    return Made(files=(*files, File(suffix=manifest(video, job.part), path=path, mime_type=MANIFEST_TYPE)))
