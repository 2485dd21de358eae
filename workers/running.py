"""Running ffmpeg as a stage does: confined, watched, on the plan's terms, telling how far it is."""

import time
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import PermanentError
from pipeline.limits import REASONS
from pipeline.plan import Plan, VideoPlan
from pipeline.progress import Report
from workers.endings import ChildFailedError, ChildOutOfMemoryError
from workers.jobs import Job

_DEADLINE = 4 * 3600.0  # seconds; a net, for the stage's own timeout ends a job sooner
_STALL = 900.0  # seconds without another frame: decoding one's way to a chunk's first one takes far less
_DAMAGED = 69  # ffmpeg's exit status where more than two thirds of the packets could not be decoded
_FILE = 2 * 2**30  # bytes of one segment, or more where the source itself is larger


def of(plan: Plan) -> VideoPlan:
    """The video's plan; raises ValueError where there is none."""
    if plan.video is None:
        raise ValueError("the plan is of no video")
    return plan.video


class MostlyDamagedError(PermanentError):
    """Most of what ffmpeg was to decode could not be decoded, nor will it be the next time."""


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
    plan is not of a video.

    Raises MostlyDamagedError, and ChildStalledError when the fraction has not risen for a while.
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

    try:
        job.children.run(
            argv,
            cwd=cwd or job.scratch,
            deadline=_DEADLINE,
            memory=memory or of(job.plan).memory,
            file_size=max(_FILE, 2 * job.probe.bytes),
            on_line=on_line if done else None,
            stall=_STALL if done else None,
        )
    except ChildFailedError as error:
        if error.returncode == _DAMAGED and not isinstance(error, ChildOutOfMemoryError):
            raise MostlyDamagedError("video_undecodable", REASONS["video_undecodable"]) from error
        raise


def listen(job: Job, argv: list[str], on_line: Callable[[str], None]) -> None:
    """Run ffmpeg confined for the lines that it writes."""
    job.children.run(argv, cwd=job.scratch, deadline=_DEADLINE, memory=of(job.plan).memory, on_line=on_line)


def counter(name: str, length: int) -> Callable[[str], float | None]:
    """Reads one value of ffmpeg's `-progress` (`frame=120`) as a fraction of the length."""

    def done(line: str) -> float | None:
        key, _, value = line.partition("=")
        return int(value) / max(1, length) if key == name and value.isdecimal() else None

    return done
