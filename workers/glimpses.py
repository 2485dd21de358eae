"""The command lines that look at a video here and there: single frames, sheets of many small ones, a short loop."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.probes import Probe
from pipeline.storyboards import Preview, Storyboard, Tiles
from workers.argv import REPORT, argv, opened, output
from workers.frames import deinterlaced, held, master

ENTROPY = "lavfi.entropy.normalized_entropy.normal.Y"
"""What `moments` tells of each keyframe: how much there is to see, 0 to 1; 0 is a frame of one colour."""

FRAME = "frame.bmp"
"""What `still` writes: the kind that costs the least, for it is read once and thrown away."""
_PATIENT = ("-max_error_rate", "1")  # what can be decoded is shown, however little it is
_LOOK = 160  # pixels across of what is looked at


def still(
    program: str, source: Path, probe: Probe, at: float, size: tuple[int, int], *, keyframe: bool = False
) -> list[str]:
    """Decode the first frame not before `at` seconds into `FRAME`, as displayed, in the given pixels.

    Or the first `keyframe`: of the frames before it, which a seek may begin with, none is decoded then.
    """
    begins = {"ss": f"{at:.3f}"} if at else {}
    film = opened(source, **begins, **(_keyframes() if keyframe else {}), **held(probe))
    picture = master(deinterlaced(film[str(probe.video_stream)], probe), probe, *size)
    coded = {"codec:v": "bmp", "pix_fmt": "bgr24"}
    return argv(program, picture.output(FRAME, update=1, **{"frames:v": 1}, **coded))


def moments(program: str, source: Path, probe: Probe, at: float, window: tuple[float, int]) -> list[str]:
    """Tell the time from `at` on, and `ENTROPY`, of keyframes, the one before `at` first.

    The window is seconds and the most keyframes, which are then spread over it.
    """
    seconds, most = window
    terms = {"ss": f"{at:.3f}", "t": f"{seconds:.3f}", "noaccurate_seek": None}
    film = opened(source, **terms, **_keyframes(), **held(probe))
    spread = film[str(probe.video_stream)].filter(
        "select", f"isnan(prev_selected_t)+gte(t-prev_selected_t,{seconds / most:.3f})"
    )
    look = spread.filter("scale", w=_LOOK, h=-2, out_range="pc").filter("format", pix_fmts="gray")
    told = look.filter("entropy").filter("metadata", mode="print", key=ENTROPY, file="-")
    return argv(program, output(told, "-", format="null", fps_mode="passthrough", **{"frames:v": most}))


def sheets(program: str, source: Path, probe: Probe, board: Storyboard, tiles: Tiles, *, every: bool) -> list[str]:
    """Write the sheets `000.jpg`, `001.jpg`...; of keyframes alone, or decoding every frame.

    A tile shows what was on until the middle of its time.
    """
    film = opened(source, **({} if every else _keyframes()), **held(probe))
    rate = f"{tiles.step.denominator}/{tiles.step.numerator}"
    shown = deinterlaced(film[str(probe.video_stream)], probe).filter("fps", fps=rate, start_time=0, eof_action="pass")
    small = master(shown, probe, tiles.width, tiles.height)
    filled = small.filter("tpad", stop=-1, stop_mode="clone").filter("trim", end_frame=tiles.count)
    sheet = filled.filter("tile", layout=f"{tiles.columns}x{tiles.rows}")
    # JFIF knows one matrix, that of BT.601, and the full range.
    sheet = sheet.filter("scale", out_color_matrix="bt601", out_range="pc").filter("format", pix_fmts="yuvj420p")
    coded = {"codec:v": "mjpeg", "q:v": board.qscale, "fps_mode": "passthrough"}
    return argv(program, output(sheet, "%03d.jpg", start_number=0, **coded), *REPORT, *_PATIENT)


def preview(program: str, source: Path, probe: Probe, loop: Preview, at: float, rate: Fraction) -> list[str]:
    """Write `preview.mp4`, at that rate, from `at` seconds on."""
    film = opened(source, ss=f"{at:.3f}", t=f"{loop.length:.3f}", **held(probe))
    frames = deinterlaced(film[str(probe.video_stream)], probe).filter("fps", fps=str(rate))
    coded = {
        "codec:v": "libx264",
        "preset": loop.preset,
        "crf": loop.crf,
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "threads:v": 1,
        "movflags": "+faststart",
    }
    shown = output(master(frames, probe, *loop.size(probe.width, probe.height)), "preview.mp4", **coded)
    return argv(program, shown, *_PATIENT)


def _keyframes() -> dict[str, Any]:
    return {"skip_frame": "nokey"}
