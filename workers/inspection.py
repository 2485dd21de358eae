"""Inspecting an upload: what it is, and whether it is welcome. Decodes nothing itself."""

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipeline.limits import Limits, Rejected, judge, reject
from pipeline.probes import Probe
from pipeline.renditions import Fact
from workers.decoding import ask
from workers.processes import Children

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
    request = question(source, limits, metadata)
    for asked in ("inspect", "films"):
        answer = ask(asked, request, source.resolve().parent, children)
        if isinstance(answer, Rejected):
            return answer
        if answer["probe"] is not None:
            return verdict(answer, limits)
    return reject("format_unsupported")


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
