"""How far a media is: what its running tasks report, added up. For people to look at; nothing is decided by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.media import SETTLED, Media
from pipeline.plan import Plan, picture_end
from pipeline.probes import Probe

# What the parts of a video cost beside its chunks, in seconds of video encoded: measured, roughly.
_CONSTANT = 1.0
_PER_SECOND = {"audio": 0.05, "storyboard": 0.05, "package": 0.02}


class Report(NamedTuple):
    """How much of a task is done, 0 to 1; how many seconds of video it encodes in one, where it encodes any.

    `stored` are the bytes of an upload that are in S3; what fraction that is nobody may know yet.
    """

    fraction: float
    speed: float | None = None
    stored: int | None = None


@dataclass(frozen=True)
class Progress:
    """Of a whole media: the fraction done, 0 to 1; seconds of video encoded in one; seconds left, if they are known."""

    fraction: float
    speed: float | None = None
    left: float | None = None


def overall(media: Media, reports: Mapping[str, Report]) -> Progress:
    """The progress of all tasks together, those of a video by how much of it they encode."""
    if media.status in SETTLED:
        return Progress(1.0)
    weights = _weights(media)
    left = {
        part: weight * (1.0 - min(reports[part].fraction if part in reports else 0.0, 1.0))
        for part, weight in weights.items()
        if part not in media.done
    }
    fraction = 1.0 - sum(left.values()) / sum(weights.values())
    running = [reports[part].speed or 0.0 for part, rest in left.items() if part in reports and rest > 0]
    speed = sum(running)
    return Progress(fraction, speed, sum(left.values()) / speed) if speed > 0 else Progress(fraction)


def _weights(media: Media) -> dict[str, float]:
    """What each task costs beside the others; those of a photo alike."""
    if not media.plan or not media.probe:
        return {"validate": _CONSTANT}
    plan, probe = Plan.from_dict(media.plan), Probe.from_dict(media.probe)
    end = picture_end(probe)
    weights = {"validate": _CONSTANT}
    for part in plan.parts:
        seconds = _PER_SECOND.get(part, 0.0) * end
        if plan.video and part.startswith("transcode#"):
            start, stop = plan.video.span(part)
            seconds = (end if stop is None else float(plan.video.seconds(stop))) - float(plan.video.seconds(start))
        weights[part] = _CONSTANT + max(0.0, seconds)
    return weights
