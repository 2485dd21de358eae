"""The command lines that look at a video here and there: single frames, and sheets of many small ones."""

from pathlib import Path

from pipeline.probes import Probe
from workers.argv import argv, opened
from workers.frames import cap, deinterlaced, master


def still(program: str, source: Path, probe: Probe, at: float, size: tuple[int, int]) -> list[str]:
    """Decode the first frame not before `at` seconds into `frame.png`, as displayed, in the given pixels."""
    film = opened(source, **({"ss": f"{at:.3f}"} if at else {}), **cap(probe))
    picture = master(deinterlaced(film[str(probe.video_stream)], probe), probe, *size)
    return argv(program, picture.output("frame.png", pix_fmt="rgb24", update=1, **{"frames:v": 1, "codec:v": "png"}))
