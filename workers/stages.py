"""The product at one glance: what makes the parts of a plan."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pipeline.plan import Plan
from workers import animation, images, packaging, posters, storyboards, transcoding
from workers.clocks import on_one_clock
from workers.jobs import Job, Made, Promise


class Stage(NamedTuple):
    """A kind of work: what a part of it promises to store, and what makes it."""

    promised: Callable[[Plan, str], tuple[Promise, ...]]
    make: Callable[[Job], Made]


WORK: Mapping[str, Stage] = MappingProxyType(
    {
        "thumbnail": Stage(images.promised, images.make),
        "animate": Stage(animation.promised, animation.animate),
        "poster": Stage(posters.promised, on_one_clock(posters.poster)),
        "storyboard": Stage(storyboards.promised, on_one_clock(storyboards.storyboard)),
        "preview": Stage(storyboards.preview_promised, on_one_clock(storyboards.preview)),
        "audio": Stage(transcoding.promised, on_one_clock(transcoding.audio)),
        "transcode": Stage(transcoding.promised, on_one_clock(transcoding.transcode)),
        "package": Stage(packaging.promised, packaging.package),
    }
)
