"""What Darkroom accepts, and what it says about the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pipeline.probes import Probe

Truncated = Literal["reject", "accept-with-warning"]

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "format_unsupported": "The file is no image or video that can be read.",
        "type_not_accepted": "Files of this type are not accepted.",
        "bytes_exceeded": "The file is larger than is accepted.",
        "digest_mismatch": "Other bytes came than the digest is of: nothing was stored. Send them again.",
        "pixels_exceeded": "The picture has more pixels than are accepted.",
        "side_exceeded": "The picture is wider or higher than is accepted.",
        "frames_exceeded": "The animation has more frames than are accepted.",
        "streams_exceeded": "The video has more tracks than are accepted.",
        "duration_exceeded": "The video is longer than is accepted.",
        "image_undecodable": "The image is damaged or incomplete.",
        "video_undecodable": "The video is damaged: no picture could be decoded from it.",
        "video_truncated": "The video is incomplete: its end is missing.",
        "video_encrypted": "The video is encrypted: it cannot be shown without its key.",
        "picture_missing": "The file holds no picture: it has sound only, or nothing.",
        "duration_unknown": "The video does not say how long it is, and its length could not be measured.",
        "timestamps_broken": "The video's timestamps are in no order that it could be played in.",
        "decoder_crashed": "The file is damaged in a way that stops its decoder.",
        "inspection_exhausted": "Reading the file takes more memory or time than is allowed.",
    }
)
"""Every reason a file can be rejected for, with the sentence the public reads. The codes never change their meaning."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that is accepted.

    Bytes; pixels of one frame; pixels of one side; frames of an animation; pixels of all its frames together; seconds;
    tracks. `accept` are MIME types as inspection names them; `truncated` is what becomes of a JPEG or a video whose end
    is missing.
    """

    bytes: int
    pixels: int
    side: int
    frames: int
    animation: int
    duration: float
    streams: int
    accept: frozenset[str]
    truncated: Truncated = "reject"


@dataclass(frozen=True)
class Accepted:
    """The file is welcome."""


@dataclass(frozen=True)
class Rejected:
    """The file is refused: a stable code and a public sentence."""

    reason: str
    error: str


def reject(reason: str) -> Rejected:
    """The refusal with its sentence; raises KeyError for a reason that is not in `REASONS`."""
    return Rejected(reason, REASONS[reason])


_TOO_MUCH: tuple[tuple[str, Callable[[Probe, Limits], bool]], ...] = (
    ("type_not_accepted", lambda probe, most: probe.mime_type not in most.accept),
    ("bytes_exceeded", lambda probe, most: probe.bytes > most.bytes),
    (
        "side_exceeded",
        lambda probe, most: max(probe.width, probe.height, probe.coded_width, probe.coded_height) > most.side,
    ),
    ("pixels_exceeded", lambda probe, most: max(probe.pixels, probe.width * probe.height) > most.pixels),
    ("frames_exceeded", lambda probe, most: probe.kind == "image" and exhausts(probe.frames, probe.pixels, most)),
    ("streams_exceeded", lambda probe, most: probe.streams > most.streams),
    ("duration_exceeded", lambda probe, most: (probe.duration or 0) > most.duration),
)


def judge(probe: Probe, limits: Limits) -> Accepted | Rejected:
    """The verdict on a file; the first rule that it breaks gives the reason."""
    for reason, broken in _TOO_MUCH:
        if broken(probe, limits):
            return reject(reason)
    return Accepted()


def exhausts(frames: int, pixels: int, limits: Limits) -> bool:
    """Whether so many frames of so many pixels each are more than an animation may hold."""
    return frames > limits.frames or (frames > 1 and frames * pixels > limits.animation)
