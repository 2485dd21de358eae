"""Stills: the stage `thumbnail`, and the pictures of a video's poster frame."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PermanentError
from pipeline.limits import Rejected
from pipeline.plan import Plan
from pipeline.probes import TRUNCATED
from pipeline.renditions import Still
from workers.decoding import ask
from workers.jobs import File, Job, Made, Promise
from workers.processes import Children


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """The stills of a picture, in the plan's order."""
    del part  # there is one, and it makes all of them
    return promises(plan.stills)


def make(job: Job) -> Made:
    """All stills and the placeholder, from one decode.

    Raises:
        PermanentError: the original cannot be decoded.
        TransientError: the child failed in a way that another attempt may not meet.
    """
    return stills(
        job.source(),
        job.plan.stills,
        pixels=job.probe.pixels,
        scratch=job.scratch,
        children=job.children,
        truncated=TRUNCATED in job.probe.warnings,
    )


def promises(wanted: Sequence[Still]) -> tuple[Promise, ...]:
    """What `stills` will have stored."""
    return tuple(Promise(suffix=each.suffix, mime_type=each.mime_type, rendition=each.name) for each in wanted)


def stills(
    source: Path,
    wanted: Sequence[Still],
    *,
    pixels: int,
    scratch: Path,
    children: Children,
    truncated: bool = False,
) -> Made:
    """The stills of an image file of at most so many pixels, written into `scratch`. Raises as `make` does.

    `truncated` says that the file was accepted although its end is missing.
    """
    request = {
        "source": str(source.resolve()),
        "folder": str(scratch.resolve()),
        "pixels": pixels,
        "truncated": truncated,
        "stills": [still.to_dict() for still in wanted],
    }
    answer = ask("stills", request, scratch, children)
    if isinstance(answer, Rejected):
        raise PermanentError(answer.reason, answer.error)
    files = tuple(
        File(
            suffix=still.suffix,
            path=scratch / still.suffix,
            mime_type=still.mime_type,
            rendition=still.name,
            width=facts["width"],
            height=facts["height"],
        )
        for still, facts in zip(wanted, answer["stills"], strict=True)
    )
    return Made(files=files, placeholder=answer["placeholder"])
