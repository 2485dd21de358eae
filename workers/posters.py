"""The picture that stands for a video, and every still that a photo would get, made from it."""

from pathlib import Path

from pipeline.errors import PermanentError
from pipeline.framing import inside
from pipeline.limits import REASONS
from pipeline.plan import Plan, picture_end
from pipeline.renditions import Still
from workers import glimpses, images
from workers.endings import ChildFailedError
from workers.jobs import Job, Made, Promise
from workers.transcoding import run

_LARGEST = 4096  # pixels of the frame's longer side: no still needs more


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """The stills in the plan's order, then the poster."""
    del part  # the stage has one
    return images.promises(_wanted(plan))


def poster(job: Job) -> Made:
    """The poster, all stills and the placeholder. Raises PermanentError where no frame can be decoded."""
    size = inside(job.probe.width, job.probe.height, _LARGEST, _LARGEST)
    frame = _frame(job, size)
    return images.stills(frame, _wanted(job.plan), pixels=size[0] * size[1], scratch=job.scratch, children=job.children)


def _wanted(plan: Plan) -> tuple[Still, ...]:
    return (*plan.stills, *((plan.poster.still,) if plan.poster else ()))


def _frame(job: Job, size: tuple[int, int]) -> Path:
    """The frame at the poster's moment; the first one where there is none, or none can be found."""
    at = (job.plan.poster.at if job.plan.poster else 0.0) * picture_end(job.probe)
    frame = job.scratch / "frame.png"
    source = job.source()
    for moment in (at, 0.0):
        try:
            run(job, glimpses.still(job.ffmpeg, source, job.probe, moment, size))
        except ChildFailedError:
            if not moment:
                raise
        if frame.exists():
            return frame
    raise PermanentError("video_undecodable", REASONS["video_undecodable"])
