"""Stills: the stage `thumbnail`, and the pictures of a video's poster frame."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import PermanentError
from pipeline.limits import Limits, Rejected
from pipeline.plan import Plan
from pipeline.probes import TRUNCATED, Probe
from pipeline.renditions import Fact, Still
from workers.decoding import ask
from workers.endings import ChildDeadlineError, ChildFailedError, ExhaustedError
from workers.inspection import question, verdict
from workers.jobs import File, Job, Made, Promise
from workers.processes import Children

# Seconds that looking and making together are tried for; then there is still time to do one after the other.
_CPU = 20
_WALL = 60


class Rules(Protocol):
    """What is accepted, and what a photo's record tells of its making."""

    @property
    def limits(self) -> Limits: ...  # noqa: D102
    @property
    def metadata(self) -> Collection[Fact]: ...  # noqa: D102


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """The stills of a picture, in the plan's order."""
    del part  # there is one, and it makes all of them
    return promises(plan.stills)


def make(job: Job) -> Made:
    """All stills from one decode, and the placeholder unless there is one.

    What was made ahead counts if it is what the plan promises.

    Raises:
        PermanentError: the original cannot be decoded.
        TransientError: the child failed in a way that another attempt may not meet.
    """
    if job.ahead and [file.suffix for file in job.ahead.files] == [still.suffix for still in job.plan.stills]:
        return job.ahead
    return stills(
        job.source(),
        job.plan.stills,
        pixels=job.probe.pixels,
        scratch=job.scratch,
        children=job.children,
        truncated=TRUNCATED in job.probe.warnings,
        placeholder=job.placeholder,
    )


def develop(
    source: Path, rules: Rules, wanted: Sequence[Still], *, scratch: Path, children: Children
) -> tuple[Probe, Made] | None:
    """The probe of a photo and its stills, written into `scratch`, from the one decode that proves it good.

    None if there was anything amiss: then it is looked at by itself first, and nothing was said about it. Raises what
    ends a task.
    """
    request = question(source, rules.limits, rules.metadata) | _order(source, wanted, scratch)
    try:
        answer = ask("develop", request, scratch, children, cpu=_CPU, wall=_WALL)
    except (ChildFailedError, ChildDeadlineError, ExhaustedError):
        return None
    if isinstance(answer, Rejected) or answer["probe"] is None:
        return None
    probe = verdict(answer, rules.limits)
    return None if isinstance(probe, Rejected) else (probe, _made(answer, wanted, scratch))


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
    placeholder: bool = True,
) -> Made:
    """The stills of an image file of at most so many pixels, written into `scratch`. Raises as `make` does.

    `truncated` says that the file was accepted although its end is missing, `placeholder` whether there has to be one.
    """
    told = {"pixels": pixels, "truncated": truncated, "placeholder": placeholder}
    request = _order(source, wanted, scratch) | told
    answer = ask("stills", request, scratch, children)
    if isinstance(answer, Rejected):
        raise PermanentError(answer.reason, answer.error)
    return _made(answer, wanted, scratch)


def _order(source: Path, wanted: Sequence[Still], scratch: Path) -> dict[str, Any]:
    return {
        "source": str(source.resolve()),
        "folder": str(scratch.resolve()),
        "stills": [still.to_dict() for still in wanted],
    }


def _made(answer: dict[str, Any], wanted: Sequence[Still], scratch: Path) -> Made:
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
