"""Films whose timestamps leap are put on one clock before anything is made of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from pipeline.probes import MATROSKA, Discontinuity, Probe
from workers.argv import argv, file_of, opened, output
from workers.jobs import Job, Made
from workers.running import run
from workers.video import START

_GROWTH = 3  # times the original: in a TS each frame is padded to whole packets of 188 bytes
_TS = "mpegts"
_DISC = "pcm_bluray"  # of which an ordinary TS does not say what it is
_EXACT = {"mpegts_copyts": 1, "pes_payload_size": 0}  # nothing is added to timestamps, and each frame has its own


def on_one_clock(make: Callable[[Job], Made]) -> Callable[[Job], Made]:
    """The same of a film as it is played, however its timestamps leap: of a copy that all parts share.

    Raises ChildFailedError where its tracks cannot be copied.
    """

    @wraps(make)
    def made(job: Job) -> Made:
        return make(_continued(job) if job.probe.discontinuities else job)

    return made


def _continued(job: Job) -> Job:
    def copy(target: Path) -> None:
        run(job, continuous(job.ffmpeg, job.source(), job.probe, target))

    def source() -> Path:
        return job.derived("continuous", _GROWTH * job.probe.bytes, copy)

    return replace(job, source=source, probe=continued(job.probe))


def continuous(program: str, source: Path, probe: Probe, target: Path) -> list[str]:
    """Copy picture and sound into a file in which timestamps do not leap, and count from `START`."""
    film = opened(source, fflags="+genpts")
    tracks = {"v": (probe.video_stream, probe.discontinuities)}
    if probe.audio_stream is not None:
        tracks["a"] = (probe.audio_stream, probe.audio_discontinuities)
    shown = probe.container == MATROSKA
    kept: dict[str, Any] = {"format": "matroska"} if shown else {"format": _TS, **_EXACT}
    if probe.audio_codec == _DISC:
        kept["mpegts_m2ts_mode"] = 1
    moved = {f"bsf:{kind}": _moved(leaps, guessed=shown and kind == "v") for kind, (_, leaps) in tracks.items()}
    begins = {"avoid_negative_ts": "disabled", "output_ts_offset": f"{START - probe.start_time:.6f}"}
    streams = [film[str(index)] for index, _ in tracks.values()]
    return argv(program, output(*streams, file_of(target), codec="copy", **kept, **moved, **begins), "-copyts")


def continued(probe: Probe) -> Probe:
    """The probe of what `continuous` makes."""
    return replace(
        probe,
        container=MATROSKA if probe.container == MATROSKA else _TS,
        start_time=float(START),
        video_start=START + probe.video_start - probe.start_time,
        video_stream=0,
        audio_stream=None if probe.audio_stream is None else 1,
        discontinuities=(),
        audio_discontinuities=(),
    )


def _moved(leaps: Sequence[Discontinuity], *, guessed: bool) -> str:
    """The filter that adds what is due from a byte of the file on; not every packet knows its own.

    Where decoding times are not stored, a demuxer `guessed` them, wrongly beyond a leap: they are made a second before
    the frame is shown, or right after the one before.
    """
    due = "".join(f"+{ticks:d}*gte(ld(0),{position:d})" for position, ticks in leaps)
    pts, dts = (f"st(0,max(ld(0),POS))*0+{time}{due}" for time in ("PTS", "DTS"))
    dts = f"max(PREV_OUTDTS+1,{pts}-1/TB)" if guessed else dts
    return f"setts='pts={pts}:dts={dts}'"  # quoted, for commas separate filters
