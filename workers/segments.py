"""The HLS segments that an encoder left in a folder: read back, and counted, before they are promised."""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pipeline.errors import TransientError
from pipeline.plan import VideoPlan
from pipeline.playlists import Segment, Track
from workers.fragments import FragmentError, Samples, header, samples
from workers.video import START

INIT_TYPE = "video/mp4"
SEGMENT_TYPE = "video/iso.segment"


class FrameCountError(TransientError):
    """An encoder wrote other frames than the plan asks for. Tried again, for the machine may be at fault."""


@dataclass(frozen=True)
class Collected:
    """The segments of one track: the track as playlists need it, and `suffix, path, MIME type` of each file."""

    track: Track
    samples: tuple[Samples, ...]
    timescale: int
    files: tuple[tuple[str, Path, str], ...]


def collected(folder: Path, name: str, init: str) -> Collected | None:
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
    return Collected(track, tuple(facts.values()), head.timescale, files)


def counted(made: Collected, video: VideoPlan, start: int) -> int:
    """The number of frames; raises FrameCountError unless each segment is in its place and only the last short."""
    frames, scale = 0, made.timescale
    for position, segment in enumerate(made.samples):
        due, length = START + video.seconds(start + frames), video.seconds(segment.count)
        if (Fraction(segment.start, scale), Fraction(segment.duration, scale)) != (due, length):
            raise FrameCountError(f"segment {position} from frame {start} on is not where it belongs")
        if segment.count != video.segment and position + 1 < len(made.samples):
            raise FrameCountError(f"segment {position} from frame {start} on has {segment.count} frames")
        frames += segment.count
    return frames
