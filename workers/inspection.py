"""Inspecting an upload: what it is, and whether it is welcome. Decodes nothing itself."""

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipeline.limits import Limits, Rejected, judge, reject
from pipeline.probes import JOINABLE, MATROSKA, Probe
from pipeline.renditions import Fact
from workers.decoding import CPU, WALL, ask
from workers.processes import Children

_LAP = 2 * 10**9  # bytes that a child reads in the time it has for any file, with much to spare
_UNMOVED = {"pcm_dvd"}  # sound that no container takes but MPEG-PS, whose own timestamps cannot be put right
_OF_PACKETS = ("profile", "level", "steady_rate", "time_base", "keyframe_every", "bit_rate", "peak_rate")


def inspect(source: Path, children: Children, limits: Limits, metadata: Collection[Fact] = ()) -> Probe | Rejected:
    """The probe of a local file that was decoded far enough to know that its stills can be made, or why it is refused.

    An image is decoded whole (a JPEG at an eighth of its size), of a video the first picture. `metadata` is what the
    probe tells of a photo's making. The file lies alone in its folder, which the child works in. Costs a fork and the
    decode: 30 ms of CPU for a JPEG of 12 MP, about half a second for an HEIC.

    Raises:
        TransientError: the child failed, or was too slow, in a way that another attempt may not meet.
    """
    if source.stat().st_size == 0:
        return reject("format_unsupported")
    request, folder = question(source, limits, metadata), source.resolve().parent
    for asked in ("inspect", "films"):
        answer = ask(asked, request, folder, children)
        if isinstance(answer, Rejected):
            return answer
        if answer["probe"] is not None:
            told = _clock(answer["probe"], request, folder, children)
            return told if isinstance(told, Rejected) else verdict({"probe": answer["probe"] | told}, limits)
    return reject("format_unsupported")


def _clock(
    found: dict[str, Any], request: dict[str, Any], folder: Path, children: Children
) -> dict[str, Any] | Rejected:
    """What else all packets tell of a film: whether its timestamps leap, and how long it lasts.

    A Matroska's own word for that is when it ends, by a clock that may have begun before it, and stays behind where the
    end is missing.
    """
    probe = Probe.from_dict(found)
    if probe.container not in JOINABLE:
        return {}
    streams = {"video": probe.video_stream, "audio": probe.audio_stream}
    laps = 1 + probe.bytes // _LAP
    told = ask("discontinuities", request | streams, folder, children, cpu=laps * CPU, wall=laps * WALL)
    if isinstance(told, Rejected):
        return told
    picture, sound = told.pop("pictureEnd"), told.pop("soundEnd")
    begins = {"videoStart": told.pop("pictureStart"), "startTime": told.pop("soundStart")}
    if told and probe.audio_codec in _UNMOVED:
        return reject("timestamps_broken")
    if not told and probe.duration is not None and probe.container != MATROSKA:
        return {}
    if probe.duration is None and probe.container != MATROSKA:  # of a single packet it tells nothing
        begins["startTime"] = min(begins.values())
        probe = replace(probe, start_time=begins["startTime"], video_start=begins["videoStart"])
        told |= begins
    lasts = {"duration": max(picture, sound) - probe.start_time, "videoDuration": picture - probe.video_start}
    return told | lasts if min(lasts.values()) > 0 else reject("duration_unknown")


def question(source: Path, limits: Limits, metadata: Collection[Fact]) -> dict[str, Any]:
    """What a child that inspects has to be told."""
    return {
        "source": str(source.resolve()),
        "limits": {**asdict(limits), "accept": sorted(limits.accept)},
        "metadata": sorted(metadata),
    }


def verdict(answer: dict[str, Any], limits: Limits) -> Probe | Rejected:
    """The probe that it answers, judged once more: what comes from a confined child is not believed."""
    probe = Probe.from_dict(answer["probe"])
    judged = judge(probe, limits)
    return judged if isinstance(judged, Rejected) else probe


def read_packets(source: Path, probe: Probe, children: Children, limits: Limits) -> Probe:
    """The probe with what all packets of its video tell, as far as they fit a copy. Reads the whole file, once.

    Raises TransientError, as `inspect` does.
    """
    request = question(source, limits, ()) | {"stream": probe.video_stream}
    answer = ask("packets", request, source.resolve().parent, children)
    told = {} if isinstance(answer, Rejected) else answer["packets"]
    return replace(probe, **{name: told[name] for name in _OF_PACKETS if name in told})
