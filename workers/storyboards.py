"""The stages `storyboard` and `preview`: what a viewer sees of a video before playing it."""

from pathlib import Path

from pipeline.errors import TransientError
from pipeline.ladder import frame_rate
from pipeline.plan import Plan, picture_end
from pipeline.storyboards import Preview, Storyboard
from workers import glimpses
from workers.jobs import File, Job, Made, Promise
from workers.running import run

INDEX_TYPE = "text/vtt"
SHEET_TYPE = "image/jpeg"
PREVIEW_TYPE = "video/mp4"

_SPARSE = 4  # steps between keyframes from which on all frames are decoded: else many tiles would show the same


class SheetCountError(TransientError):
    """The decoder gave other sheets than the plan asks for."""


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """The index alone: it is stored last, and how many sheets there are follows from the video."""
    del part  # the stage has one
    return (Promise(suffix=_board(plan).index, mime_type=INDEX_TYPE, rendition="storyboard"),)


def storyboard(job: Job) -> Made:
    """The sheets and the index. Raises SheetCountError for a video that no frame of can be decoded."""
    board, seconds = _board(job.plan), picture_end(job.probe)
    tiles = board.of(job.probe.width, job.probe.height, seconds)
    source = job.source()
    every = (job.probe.keyframe_gap or 0.0) > _SPARSE * tiles.step
    sheets: list[Path] = []
    for decoded in (True,) if every else (False, True):  # what marks no keyframes is decoded whole
        if len(sheets) != tiles.sheets:
            run(job, glimpses.sheets(job.ffmpeg, source, job.probe, board, tiles, every=decoded))
            sheets = sorted(job.scratch.glob("*.jpg"))
    if len(sheets) != tiles.sheets:
        raise SheetCountError(f"{len(sheets)} sheets instead of {tiles.sheets}")
    index = job.scratch / "index.vtt"
    index.write_text(board.text(tiles, seconds), encoding="utf-8")
    files = [File(suffix=board.sheet(number), path=path, mime_type=SHEET_TYPE) for number, path in enumerate(sheets)]
    last = File(
        suffix=board.index,
        path=index,
        mime_type=INDEX_TYPE,
        rendition="storyboard",
        width=tiles.width,
        height=tiles.height,
        duration=seconds,
    )
    return Made(files=(*files, last))


def preview_promised(plan: Plan, part: str) -> tuple[Promise, ...]:
    """One file."""
    del part  # the stage has one
    return (Promise(suffix=_loop(plan).suffix, mime_type=PREVIEW_TYPE, rendition="preview"),)


def preview(job: Job) -> Made:
    """The loop."""
    loop, seconds = _loop(job.plan), picture_end(job.probe)
    rate = frame_rate(job.probe, loop.max_fps)
    run(job, glimpses.preview(job.ffmpeg, job.source(), job.probe, loop, loop.start(seconds), rate))
    width, height = loop.size(job.probe.width, job.probe.height)
    file = File(
        suffix=loop.suffix,
        path=job.scratch / "preview.mp4",
        mime_type=PREVIEW_TYPE,
        rendition="preview",
        width=width,
        height=height,
        duration=min(loop.length, seconds),
    )
    return Made(files=(file,))


def _board(plan: Plan) -> Storyboard:
    if plan.storyboard is None:
        raise ValueError("the plan has no storyboard")
    return plan.storyboard


def _loop(plan: Plan) -> Preview:
    if plan.preview is None:
        raise ValueError("the plan has no preview")
    return plan.preview
