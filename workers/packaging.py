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
from pipeline.limits import REASONS
from pipeline.plan import Plan, VideoPlan
from pipeline.playlists import MismatchError, Track, Variant, joined, media, multivariant
from workers import video as ffmpeg
from workers.jobs import File, Job, Made, Promise
from workers.transcoding import manifest, of, run

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
    """The MP4 and the playlists over all segments. Raises PermanentError for parts that do not join."""
    video = of(job.plan)
    chunks = [_manifest(job, part) for part in job.plan.parts if part.startswith("transcode#")]
    _require_whole([chunk["frames"] for chunk in chunks], video)
    rungs = {rung.name: _joined(chunks, rung.name) for rung in video.rungs}
    sound = _sound(job, video)
    largest = video.rungs[0]
    chosen = next(rung for rung in video.rungs if rung.name == video.mp4)
    duration = max(track.duration for track in (rungs | sound).values())
    movie = _joined_movie(job, {chosen.name: rungs[chosen.name]} | sound)
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
            *(_text(job, video, _uri(name), media(track)) for name, track in (rungs | sound).items()),
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


def _joined(manifests: Iterable[Mapping[str, Any]], name: str) -> Track:
    try:
        return joined([Track.from_dict(made["tracks"][name]) for made in manifests if made["tracks"]])
    except MismatchError as error:
        raise PermanentError("encoder_mismatch", "The video was encoded in parts that do not fit together.") from error


def _sound(job: Job, video: VideoPlan) -> dict[str, Track]:
    made = _manifest(job, _SOUND) if video.audio else {"tracks": {}}
    return {_SOUND: _joined([made], _SOUND)} if made["tracks"] else {}


def _variants(video: VideoPlan, rungs: Mapping[str, Track]) -> list[Variant]:
    rate = float(Fraction(video.rate))
    return [
        Variant(uri=_uri(rung.name), track=rungs[rung.name], width=rung.width, height=rung.height, rate=rate)
        for rung in video.rungs
    ]


def _joined_movie(job: Job, tracks: Mapping[str, Track]) -> Path:
    """One MP4 of a rung and the sound. All segments of a track behind its initialisation segment are a file already."""
    sources = []
    for name, track in tracks.items():
        source = job.scratch / f"{name}.mp4"
        with source.open("wb") as whole:
            for piece in (track.init, *(segment.name for segment in track.segments)):
                with job.fetch(f"{of(job.plan).prefix}{name}/{piece}").open("rb") as part:
                    shutil.copyfileobj(part, whole)
        sources.append(source)
    target = job.scratch / "movie.mp4"
    run(job, ffmpeg.movie(job.ffmpeg, sources, target))
    return target


def _text(job: Job, video: VideoPlan, name: str, text: str) -> File:
    path = job.scratch / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return File(suffix=f"{video.prefix}{name}", path=path, mime_type=PLAYLIST_TYPE)
