"""The picture that stands for a video, and every still that a photo would get, made from it."""

from contextlib import suppress
from pathlib import Path

from pipeline.errors import PermanentError
from pipeline.framing import inside
from pipeline.limits import REASONS
from pipeline.plan import Plan, picture_end
from pipeline.renditions import Still
from workers import glimpses, images
from workers.endings import ChildFailedError
from workers.jobs import Job, Made, Promise
from workers.running import MostlyDamagedError, run

_LARGEST = 4096  # pixels of the frame's longer side: no still needs more
_WINDOW = 20.0, 12  # seconds from a moment on, and the most keyframes of them, that are looked at
_ELSEWHERE = (0.25, 0.5, 0.75)  # of the video: where to look when there is nothing to see yet
_BLANK = 0.2  # of the entropy there can be: black, white, a fade, a title of a few letters


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """The stills in the plan's order, then the poster."""
    del part  # the stage has one
    return images.promises(_wanted(plan))


def poster(job: Job) -> Made:
    """The poster, all stills, and the placeholder unless there is one.

    Raises PermanentError where no frame can be decoded.
    """
    size = inside(job.probe.width, job.probe.height, _LARGEST, _LARGEST)
    frame = _frame(job, size)
    return images.stills(
        frame,
        _wanted(job.plan),
        pixels=size[0] * size[1],
        scratch=job.scratch,
        children=job.children,
        placeholder=job.placeholder,
    )


def _wanted(plan: Plan) -> tuple[Still, ...]:
    return (*plan.stills, *((plan.poster.still,) if plan.poster else ()))


def _frame(job: Job, size: tuple[int, int]) -> Path:
    """The keyframe chosen; the first frame where that cannot be decoded."""
    frame = job.scratch / glimpses.FRAME
    source = job.source()
    best, seen = _moment(job, source)
    for moment, keyframe in dict.fromkeys(((best, seen), (best, False), (0.0, False))):
        try:
            run(job, glimpses.still(job.ffmpeg, source, job.probe, moment, size, keyframe=keyframe))
        except (ChildFailedError, MostlyDamagedError):
            if not moment and not keyframe:
                raise
        if frame.exists():
            return frame
    raise PermanentError("video_undecodable", REASONS["video_undecodable"])


def _moment(job: Job, source: Path) -> tuple[float, bool]:
    """When there is most to see, in seconds: among the keyframes about the poster's moment, if they are not blank.

    And whether it is a keyframe's, which is not so where none could be looked at.
    """
    end = picture_end(job.probe)
    wanted = (job.plan.poster.at if job.plan.poster else 0.0) * end
    seen: dict[float, float] = {}
    for moment in (wanted, *(each * end for each in _ELSEWHERE)):
        seen |= _looked(job, source, moment, min(_WINDOW[0], end / 10))
        if max(seen.values(), default=0.0) > _BLANK:
            break
    best = max(seen, key=lambda moment: (round(seen[moment], 1), -abs(moment - wanted)), default=wanted)
    return max(0.0, best - 0.001), bool(seen)  # rounding must not lead to the frame after


def _looked(job: Job, source: Path, at: float, seconds: float) -> dict[float, float]:
    """The entropy of keyframes from a moment on, by their times."""
    seen: dict[float, float] = {}
    time = at

    def read(line: str) -> None:
        nonlocal time
        if line.startswith("frame:"):
            time = at + float(line.rpartition("pts_time:")[2])
        elif line.startswith(glimpses.ENTROPY):
            seen[time] = float(line.partition("=")[2])

    with suppress(ChildFailedError, MostlyDamagedError):  # then the frame at the moment itself does
        run(job, glimpses.moments(job.ffmpeg, source, job.probe, at, (max(seconds, 1.0), _WINDOW[1])), done=read)
    return seen
