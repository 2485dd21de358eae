"""The ladder in three ways: ffmpeg run once for each output, as people write it; one process tuned by hand; Darkroom.

In two readings: the rungs' pictures alone, and the whole job, everything that is made of a film. People encode the MP4
apart from the rung of its size, take the poster by a seek, and the storyboard from a full decode (`fps,scale,tile`).
Who tunes by hand copies the MP4 from the segments and decodes keyframes alone for the storyboard.
"""

from functools import partial
from pathlib import Path
from statistics import mean

from benchmarks.encodings import Source, cascade, chunks, cpu, each, picture, run, show, vmaf, x264
from pipeline.ladder import frame_rate
from pipeline.plan import picture_end
from tests.films import Darkroom, Film

AIMS = "<= 0.60 at 1080p, <= 0.40 at 4K", "<= 1.05"
AFTER_A_SEAM = 8
"""Frames in which an encoder that starts anew may be worse."""
_SEGMENTS = ("-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod")


def compare(source: Source, room: Darkroom, folder: Path) -> None:
    """Both readings, and how each rung looks."""
    tuned = folder / "tuned"
    alone = {
        "ffmpeg for each rung": cpu(lambda: apart(source, folder / "single")),
        "one hand-tuned process": cpu(lambda: together(source, tuned)),
        "darkroom, in chunks": cpu(lambda: each(room, source, chunks(source))),
    }
    _told("the rungs alone", alone)
    rest = [part for part in source.made.parts if part not in chunks(source)]
    ours = {part: cpu(partial(each, room, source, [part])) for part in rest}
    theirs = {name: cpu(partial(run, *argv)) for name, argv in one_each(source, folder / "people").items()}
    best = {name: cpu(partial(run, *argv)) for name, argv in by_hand(source, folder / "hand").items()}
    show("ffmpeg for each output", **{name: round(value, 2) for name, value in theirs.items()})
    show("by hand", **{name: round(value, 2) for name, value in best.items()})
    pictures = alone["darkroom, in chunks"]
    show("darkroom", chunks=round(pictures, 2), **{name: round(value, 2) for name, value in ours.items()})
    totals = (sum(theirs.values()), sum(best.values()), pictures + sum(ours.values()))
    whole = ("ffmpeg for each output", "one hand-tuned process and what it needs", "darkroom")
    _told("the whole job", dict(zip(whole, totals, strict=True)))
    looks(source, Film(room.folder / "stored", source.probe, source.made), tuned)


def _told(reading: str, costs: dict[str, float]) -> None:
    single, tuned, ours = costs.values()
    for name, seconds in costs.items():
        show(f"{reading}, {name}", cpu=round(seconds, 2))
    show(f"{reading}, darkroom to single", AIMS[0], ratio=round(ours / single, 3), tuned=round(tuned / single, 3))
    show(f"{reading}, darkroom to hand-tuned", AIMS[1], ratio=round(ours / tuned, 3))


def looks(source: Source, film: Film, tuned: Path) -> None:
    """VMAF of each rung beside the hand-tuned one's, and behind seams."""
    seams = {chunk * source.video.chunk + n for chunk in range(1, source.video.chunks) for n in range(AFTER_A_SEAM)}
    for rung in source.video.rungs:
        ours, theirs = vmaf(film.rungs[rung.name], source, rung), vmaf(tuned / f"{rung.name}.mp4", source, rung)
        after = [theirs[n] - ours[n] for n in seams if n < min(len(ours), len(theirs))]
        facts = {"ours": mean(ours), "tuned": mean(theirs), "below": mean(theirs) - mean(ours)}
        facts["below_after_seams"] = mean(after) if after else 0.0
        aim = f"below <= 0.3, in the {AFTER_A_SEAM} frames after seams <= 1.5"
        show(f"VMAF of {rung.name}", aim, **{name: round(value, 2) for name, value in facts.items()})


def apart(source: Source, folder: Path) -> None:
    """The pictures of the rungs, one ffmpeg after the other."""
    folder.mkdir()
    for rung in source.video.rungs:
        scaled = ("-vf", f"scale={rung.width}:{rung.height}", "-an")
        run(*source.read, *scaled, *picture(source, rung), str(folder / f"{rung.name}.mp4"))


def together(source: Source, folder: Path) -> None:
    """The same by one process."""
    folder.mkdir()
    outputs: list[str] = []
    for number, rung in enumerate(source.video.rungs):
        outputs += ["-map", f"[o{number}]", *picture(source, rung), str(folder / f"{rung.name}.mp4")]
    run(*source.read, "-filter_complex", cascade(source), *outputs)


def one_each(source: Source, folder: Path) -> dict[str, tuple[str, ...]]:
    """What people run for each output: its options of ffmpeg."""
    made: dict[str, tuple[str, ...]] = {}
    sound = ("-map", "0:v:0", "-map", "0:a:0?", *_sound(source))
    for rung in source.video.rungs:
        (folder / rung.name).mkdir(parents=True)
        coded = (*source.read, "-vf", f"scale={rung.width}:{rung.height}", *sound, *picture(source, rung))
        made[rung.name] = (*coded, *_SEGMENTS, str(folder / rung.name / "index.m3u8"))
        if rung.name == source.video.mp4:
            made["mp4"] = (*coded, "-movflags", "+faststart", str(folder / "movie.mp4"))
    return made | glimpses(source, folder)


def by_hand(source: Source, folder: Path) -> dict[str, tuple[str, ...]]:
    """The runs of who knows ffmpeg well: one for all encodings, the MP4 copied, the storyboard of keyframes."""
    outputs: list[str] = []
    for number, rung in enumerate(source.video.rungs):
        (folder / rung.name).mkdir(parents=True)
        outputs += ["-map", f"[o{number}]", *picture(source, rung), *_SEGMENTS, str(folder / rung.name / "index.m3u8")]
    tracks = [folder / source.video.mp4 / "index.m3u8"]
    if source.video.audio:
        (folder / "audio").mkdir()
        tracks.append(folder / "audio" / "index.m3u8")
        outputs += ["-map", "0:a:0", *_sound(source), *_SEGMENTS, str(tracks[-1])]
    read = [word for track in tracks for word in ("-i", str(track))]
    kept = [word for number in range(len(tracks)) for word in ("-map", f"{number}:0")]
    return {
        "encodings": (*source.read, "-filter_complex", cascade(source), *outputs),
        "mp4": (*read, *kept, "-c", "copy", "-movflags", "+faststart", str(folder / "movie.mp4")),
        **glimpses(source, folder, "-skip_frame", "nokey"),
    }


def glimpses(source: Source, folder: Path, *sparing: str) -> dict[str, tuple[str, ...]]:
    """Poster, storyboard and preview by a run each."""
    made = source.made
    end = picture_end(source.probe)
    runs = {"poster": ("-ss", str(end / 10), *source.read, "-frames:v", "1", str(folder / "poster.jpg"))}
    if board := made.storyboard:
        tiles = board.of(source.probe.width, source.probe.height, end)
        small = f"fps=1/{float(tiles.step)},scale={tiles.width}:{tiles.height}:out_range=pc,format=yuvj420p"
        sheet = f"{small},tile={tiles.columns}x{tiles.rows}"
        runs["storyboard"] = (*sparing, *source.read, "-an", "-vf", sheet, str(folder / "%03d.jpg"))
    if loop := made.preview:
        width, height = loop.size(source.probe.width, source.probe.height)
        cut = ("-ss", str(loop.start(end)), "-t", str(loop.length), *source.read, "-an")
        shown = ("-vf", f"fps={frame_rate(source.probe, loop.max_fps)},scale={width}:{height}")
        runs["preview"] = (*cut, *shown, *x264(loop.preset, loop.crf), str(folder / "preview.mp4"))
    return runs


def _sound(source: Source) -> tuple[str, ...]:
    return ("-c:a", "aac", "-ac", "2", "-b:a", str(source.video.audio.bitrate)) if source.video.audio else ("-an",)
