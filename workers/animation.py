"""The stage `animate`: an animated image as a film. Its frames go from a decoder to an encoder, through a pipe."""

import errno
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.animations import FILM_TYPES, Animation
from pipeline.errors import OutOfMemoryError, PermanentError, TransientError
from pipeline.limits import Rejected
from pipeline.plan import Plan
from workers import films
from workers.decoding import ask
from workers.jobs import File, Job, Made, Promise
from workers.running import counter, run

# Seconds: the decoder waits for its encoder most of the time, and has more to do than for a picture.
_CPU, _WALL = 300, 1800.0
_POLL = 0.005  # seconds between looks whether the encoder has come to the pipe


class FilmError(TransientError):
    """The encoder did not take every frame. Tried again, for the machine may be at fault."""


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """The film in each format."""
    del part  # there is one
    settings = of(plan)
    return tuple(
        Promise(suffix=settings.suffix(film), mime_type=FILM_TYPES[film][1], rendition=settings.name(film))
        for film in settings.formats
    )


def of(plan: Plan) -> Animation:
    """The animation's settings; raises ValueError where the plan has none."""
    if plan.animation is None:
        raise ValueError("the plan has no animation")
    return plan.animation


def animate(job: Job) -> Made:
    """The film in each format, from one decode.

    Raises:
        PermanentError: a frame cannot be decoded.
        TransientError: a child failed in a way that another attempt may not meet.
    """
    settings, probe = of(job.plan), job.probe
    size = settings.size(probe.width, probe.height)
    order = {
        "source": str(job.source().resolve()),
        "pixels": probe.pixels,
        "frames": probe.frames,
        "animation": settings.to_dict(),
        "alpha": probe.has_alpha,
    }
    told = _filmed(job, order, settings, size)
    return Made(
        files=tuple(
            File(
                suffix=settings.suffix(film),
                path=job.scratch / f"animation.{film}",
                mime_type=FILM_TYPES[film][1],
                rendition=settings.name(film),
                width=size[0],
                height=size[1],
                duration=told["duration"] / 1000,
            )
            for film in settings.formats
        )
    )


def _filmed(job: Job, order: dict[str, Any], settings: Animation, size: tuple[int, int]) -> dict[str, Any]:
    """Let one child decode while ffmpeg encodes: only the frames on their way are in memory. Raises as `animate`."""
    pipe = job.scratch / "frames"
    os.mkfifo(pipe, 0o600)
    with ThreadPoolExecutor(2) as threads:
        encoder = threads.submit(_encode, job, settings, pipe, size)
        with _held_open(pipe, encoder):
            request = order | {"pipe": str(pipe.resolve())}
            decoder = threads.submit(ask, "animation", request, job.scratch, job.children, cpu=_CPU, wall=_WALL)
            wait([decoder])
    failures = [failure for each in (encoder, decoder) if (failure := each.exception())]
    told = decoder.result() if decoder.exception() is None else None
    if isinstance(told, Rejected):  # then the encoder may have failed as well, for want of frames
        raise PermanentError(told.reason, told.error)
    if failures:  # of a pipe that the other one has left, as a rule
        raise next((each for each in failures if isinstance(each, OutOfMemoryError)), failures[0])
    if told is None or encoder.result() != told["frames"] + 1:
        raise FilmError(f"{encoder.result()} frames were encoded of {told}, the last one counting twice")
    return told


def _encode(job: Job, settings: Animation, pipe: Path, size: tuple[int, int]) -> int:
    """How many frames ffmpeg encoded."""
    count = 0
    fraction = counter("frame", job.probe.frames + 1)

    def done(line: str) -> float | None:
        nonlocal count
        name, _, value = line.partition("=")
        if name == "frame" and value.strip().isdecimal():
            count = int(value)
        return fraction(line)

    argv = films.animation(job.ffmpeg, pipe, settings, size, alpha=job.probe.has_alpha)
    run(job, argv, done=done, memory=settings.memory)
    return count


@contextmanager
def _held_open(pipe: Path, encoder: Future[int]) -> Iterator[None]:
    """Keep the pipe from ending before its writer does. Opening it waits for its reader, and raises what ended that."""
    while (mouth := _entered(pipe)) is None:
        if encoder.done():
            raise encoder.exception() or FilmError("the encoder ended without having looked for frames")
        time.sleep(_POLL)
    try:
        yield
    finally:
        os.close(mouth)


def _entered(pipe: Path) -> int | None:
    """The pipe open for writing; None while nobody has opened it for reading."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
