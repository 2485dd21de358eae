"""The product at one glance: what makes the parts of a plan."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pipeline.plan import Plan
from workers import animation, images, packaging, posters, storyboards, transcoding
from workers.jobs import Job, Made, Promise


class Stage(NamedTuple):
    """A kind of work: what a part of it promises to store, and what makes it."""

    promised: Callable[[Plan, str], tuple[Promise, ...]]
    make: Callable[[Job], Made]


WORK: Mapping[str, Stage] = MappingProxyType(
    {
        "thumbnail": Stage(images.promised, images.make),
        "animate": Stage(animation.promised, animation.animate),
        "poster": Stage(posters.promised, posters.poster),
        "storyboard": Stage(storyboards.promised, storyboards.storyboard),
        "preview": Stage(storyboards.preview_promised, storyboards.preview),
        "audio": Stage(transcoding.promised, transcoding.audio),
        "transcode": Stage(transcoding.promised, transcoding.transcode),
        "package": Stage(packaging.promised, packaging.package),
    }
)
