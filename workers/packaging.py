"""Joining what was encoded apart: playlists, and one rung with the sound as a file of its own."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.errors import PermanentError
from pipeline.ladder import FittedRung
from pipeline.limits import REASONS
from pipeline.plan import Plan, VideoPlan
from pipeline.playlists import Runs, Track, Variant, broken, joined, media, multivariant, seams
from workers import films
from workers.jobs import File, Job, Made, Promise
from workers.running import counter, of
from workers.running import run as run_encoder
from workers.transcoding import manifest

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
MOVIE_TYPE = "video/mp4"

_PLAYLIST = "index.m3u8"
_SOUND = "audio"


def promised(plan: Plan, part: str) -> tuple[Promise, ...]:  # noqa: ARG001 - the stage has one part
    """The MP4, the rungs' playlists and, last, the multivariant playlist that points at them."""
    video = of(plan)
    return (
        Promise(suffix=_movie(video), mime_type=MOVIE_TYPE, rendition="mp4"),
        *(Promise(suffix=f"{video.prefix}{rung.name}/{_PLAYLIST}", mime_type=PLAYLIST_TYPE) for rung in video.rungs),
        Promise(suffix=f"{video.prefix}{_PLAYLIST}", mime_type=PLAYLIST_TYPE, rendition="hls"),
    )


def package(job: Job) -> Made:
    """The MP4 and the playlists over all segments. Raises PermanentError where there is no whole picture."""
    video = of(job.plan)
    chunks = [_manifest(job, part) for part in job.plan.parts if part.startswith("transcode#")]
    _require_whole([chunk["frames"] for chunk in chunks], video)
    parts = {rung.name: _tracks(chunks, rung.name) for rung in video.rungs}
    breaks = seams(parts.values())
    rungs = {name: joined(tracks, breaks) for name, tracks in parts.items()}
    sound = _sound(job, video, breaks)
    largest = video.rungs[0]
    chosen = next(rung for rung in video.rungs if rung.name == video.mp4)
    duration = max(sum(run.duration for run in runs) for runs in (rungs | sound).values())
    movie = _movie_of(job, chosen, rungs[chosen.name], sound)
    index = _text(job, video, _PLAYLIST, multivariant(_variants(video, rungs), sound.get(_SOUND), _uri(_SOUND)))
    return Made(
        files=(
            File(
                suffix=_movie(video),
                path=movie,
                mime_type=MOVIE_TYPE,
                rendition="mp4",
                width=chosen.width,
                height=chosen.height,
                duration=duration,
            ),
            *(_text(job, video, _uri(name), media(runs)) for name, runs in (rungs | sound).items()),
            replace(index, rendition="hls", width=largest.width, height=largest.height, duration=duration),
        )
    )


def _movie(video: VideoPlan) -> str:
    return f"{video.prefix}{video.mp4}.mp4"


def _uri(name: str) -> str:
    return f"{name}/{_PLAYLIST}"


def _manifest(job: Job, part: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(job.fetch(manifest(of(job.plan), part)).read_text(encoding="utf-8"))
    return made


def _require_whole(frames: Sequence[int], video: VideoPlan) -> None:
    """A picture, and no gap in it: nothing follows a chunk that is not full."""
    if not sum(frames) or any(later and earlier != video.chunk for earlier, later in pairwise(frames)):
        raise PermanentError("video_undecodable", REASONS["video_undecodable"])


def _tracks(manifests: Iterable[Mapping[str, Any]], name: str) -> list[Track]:
    return [Track.from_dict(made["tracks"][name]) for made in manifests if made["tracks"]]


def _sound(job: Job, video: VideoPlan, breaks: Sequence[int]) -> dict[str, Runs]:
    """The sound, with its discontinuities where the picture has them: segments of both have the same numbers."""
    made = _manifest(job, _SOUND) if video.audio else {"tracks": {}}
    at = [chunk * (video.chunk // video.segment) for chunk in breaks]
    tracks = _tracks([made], _SOUND)
    return {_SOUND: broken(tracks[0], at)} if tracks else {}


def _variants(video: VideoPlan, rungs: Mapping[str, Runs]) -> list[Variant]:
    rate = float(Fraction(video.rate))
    return [
        Variant(uri=_uri(rung.name), runs=rungs[rung.name], width=rung.width, height=rung.height, rate=rate)
        for rung in video.rungs
    ]


def _movie_of(job: Job, rung: FittedRung, runs: Runs, sound: Mapping[str, Runs]) -> Path:
    """One MP4 of a rung and the sound. It has one header: a rung that needs several is encoded again."""
    target = job.scratch / "movie.mp4"
    pictures = [_whole(job, rung.name, run) for run in runs]
    heard = [_whole(job, name, *pieces) for name, pieces in sound.items()]
    if len(pictures) > 1:
        video = of(job.plan)
        length = round(sum(run.duration for run in runs) * Fraction(video.rate))
        argv = films.encoded(job.ffmpeg, pictures, heard, rung, video, target)
        run_encoder(job, argv, done=counter("frame", length))
    else:
        run_encoder(job, films.movie(job.ffmpeg, [*pictures, *heard], target))
    return target


def _whole(job: Job, name: str, *runs: Track) -> Path:
    """One file of a run: all its segments behind its initialisation segment are one already."""
    target = job.scratch / f"{name}-{runs[0].segments[0].name}.mp4"
    with target.open("wb") as whole:
        for piece in (runs[0].init, *(segment.name for run in runs for segment in run.segments)):
            with job.fetch(f"{of(job.plan).prefix}{name}/{piece}").open("rb") as part:
                shutil.copyfileobj(part, whole)
    return target


def _text(job: Job, video: VideoPlan, name: str, text: str) -> File:
    path = job.scratch / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return File(suffix=f"{video.prefix}{name}", path=path, mime_type=PLAYLIST_TYPE)
