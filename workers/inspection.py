"""Inspecting an upload: what it is, and whether it is welcome. Decodes nothing itself."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from pipeline.limits import Limits, Rejected, judge, reject
from pipeline.probes import Probe
from pipeline.renditions import Fact
from workers.decoding import ask
from workers.processes import Children


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
    request = {
        "source": str(source.resolve()),
        "limits": {**asdict(limits), "accept": sorted(limits.accept)},
        "metadata": sorted(metadata),
    }
    for question in ("inspect", "films"):
        answer = ask(question, request, source.resolve().parent, children)
        if isinstance(answer, Rejected):
            return answer
        if answer["probe"] is not None:
            probe = Probe.from_dict(answer["probe"])
            verdict = judge(probe, limits)  # once more: what comes from a confined child is not believed
            return verdict if isinstance(verdict, Rejected) else probe
    return reject("format_unsupported")
