"""The command lines that write whole films into one file."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.animations import Animation
from pipeline.ladder import FittedRung
from pipeline.plan import VideoPlan
from workers import colour
from workers.argv import REPORT, argv, file_of, joined, merged, opened, output
from workers.video import START, coding

_AS_TIMED = {"fps_mode": "passthrough", "enc_time_base": "1:1000"}


def movie(program: str, tracks: Sequence[Path], target: Path) -> list[str]:
    """Join whole fragmented tracks into one MP4 that plays while it loads; nothing is encoded again."""
    streams = [opened(track)["0"] for track in tracks]
    made = output(*streams, file_of(target), format="mp4", codec="copy", movflags="+faststart", output_ts_offset=-START)
    return argv(program, made, *REPORT, "-copyts")


def encoded(
    program: str, runs: Sequence[Path], sound: Sequence[Path], rung: FittedRung, video: VideoPlan, target: Path
) -> list[str]:
    """As `movie`, of a rung whose runs need decoders set up differently: its picture is encoded again, as one."""
    rate = Fraction(video.rate)
    pictures = joined(*(opened(run)["0"] for run in runs))
    # Frames are numbered anew: how much time lies between files of one second each is the filter's guess.
    pictures = pictures.filter("settb", f"1/{rate.numerator}")
    pictures = pictures.filter("setpts", f"N*{rate.denominator}+{START * rate.numerator}")
    streams = [pictures, *(opened(track)["0"] for track in sound)]
    coded = coding(rung, video) | {"enc_time_base:v": f"1:{rate.numerator}", "codec:a": "copy"}
    made = output(*streams, file_of(target), format="mp4", movflags="+faststart", output_ts_offset=-START, **coded)
    return argv(program, made, *REPORT, "-copyts")


def animation(program: str, frames: Path, settings: Animation, size: tuple[int, int], *, alpha: bool) -> list[str]:
    """Encode raw frames as they come through a pipe, with the times they come with, in every format at once.

    `alpha` says that there is a second stream, which has it: the WebM is made of that. Writes `animation.mp4`... in the
    working directory. Without frames out of order the last one ends when it should: decoding times are the same.
    """
    source = opened(frames, format="matroska", max_pixels=size[0] * size[1])
    layers = {film: "1" if alpha and film == "webm" else "0" for film in settings.formats}
    halves = source["0"].filter_multi_output("split") if list(layers.values()) == ["0", "0"] else None
    outputs = []
    for index, (film, layer) in enumerate(layers.items()):
        picture = halves[index] if halves else source[layer]
        for name, options in colour.of_srgb("yuva420p" if layer == "1" else "yuv420p"):
            picture = picture.filter(name, **options)
        coded = {"mp4": _h264, "webm": _vp9}[film](settings)
        outputs.append(output(picture, f"animation.{film}", **coded, **_AS_TIMED))
    return argv(program, merged(*outputs), *REPORT)


def _h264(settings: Animation) -> dict[str, Any]:
    return {
        "codec:v": "libx264",
        "preset": settings.preset,
        "crf": settings.crf,
        "profile:v": "high",
        "bf": 0,
        "threads:v": settings.threads,
        "video_track_timescale": 1000,
        "movflags": "+faststart",
    }


def _vp9(settings: Animation) -> dict[str, Any]:
    return {
        "codec:v": "libvpx-vp9",
        "crf": settings.webm_crf,
        "b:v": 0,
        "deadline": "good",
        "cpu-used": settings.webm_speed,
        "row-mt": 1,
        "threads:v": settings.threads,
    }
