"""The plan: every rendition one media is promised, decided once from its probe and the configuration."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Protocol, Self

from pipeline import copying
from pipeline.animations import Animation
from pipeline.ladder import Audio, FittedRung, Rung, VideoSettings, fit, frame_rate
from pipeline.probes import Probe
from pipeline.renditions import Poster, Still, freeze
from pipeline.storyboards import Preview, Storyboard

REVISION = 3
"""Of the code that makes videos: raise it when the same settings give other files, so that they get new keys."""


_GAPS = (
    5  # keyframe gaps in a chunk at least: it decodes half a gap on average to reach its start, a tenth of the whole
)
_PASSES = 4
"""Chunks, at most, of MPEG-PS: some of its timestamps only a decoder can tell, so that each is read from the start."""
_UNHEARD = Fraction(1, 2000)  # seconds: half the resolution of Matroska's clock
_DELAY = Fraction(1, 20)  # seconds: more than the 2,112 samples that an AAC encoder may put before the sound
_SLIVER = 0.25  # of a chunk: a rest no longer than that is left to the last one, and so is a duration told too long


class Config(Protocol):
    """What a plan is made from: the renditions `pipeline.toml` asks for."""

    @property
    def stills(self) -> tuple[Still, ...]: ...  # noqa: D102
    @property
    def animation(self) -> Animation | None: ...  # noqa: D102
    @property
    def ladder(self) -> tuple[Rung, ...]: ...  # noqa: D102
    @property
    def audio(self) -> Audio: ...  # noqa: D102
    @property
    def poster(self) -> Poster: ...  # noqa: D102
    @property
    def storyboard(self) -> Storyboard | None: ...  # noqa: D102
    @property
    def preview(self) -> Preview | None: ...  # noqa: D102
    @property
    def video(self) -> VideoSettings: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class VideoPlan:
    """How one video is encoded: everything its tasks need to agree on.

    `rate` is exact frames per second ("30000/1001"). `keyframe`, `segment` and `chunk` count frames, each a whole
    multiple of the one before, so that every seam falls on a frame. `audio` is None for a silent video, `mp4` the name
    of a rung. `copied`: the picture of the first rung is the original's own.
    """

    rungs: tuple[FittedRung, ...]
    rate: str
    keyframe: int
    segment: int
    chunk: int
    chunks: int
    audio: Audio | None
    mp4: str
    preset: str
    crf: int
    threads: int
    memory: int
    copied: bool = False
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of these settings."""
        freeze(self, REVISION)

    @property
    def prefix(self) -> str:
        """Where the video's files lie, below the prefix of its media's renditions."""
        return f"video-{self.recipe}/"

    def span(self, part: str) -> tuple[int, int | None]:
        """First frame of `transcode#0007` and the one after its last; None: it runs to the end of the video."""
        chunk = int(part.partition("#")[2])
        start = chunk * self.chunk
        return start, None if chunk == self.chunks - 1 else start + self.chunk

    def seconds(self, frames: int) -> Fraction:
        """The time that so many frames last, exactly."""
        return frames / Fraction(self.rate)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The renditions one media is promised, and the tasks that make them (`parts`: their range keys, in order)."""

    parts: tuple[str, ...]
    stills: tuple[Still, ...]
    animation: Animation | None = None
    poster: Poster | None = None
    storyboard: Storyboard | None = None
    preview: Preview | None = None
    video: VideoPlan | None = None
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of the whole."""
        freeze(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON for the record."""
        animation = self.animation.to_dict() if self.animation else None
        return asdict(self) | {"parts": list(self.parts), "animation": animation}

    @classmethod
    def from_dict(cls, plan: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; raises TypeError or KeyError for anything else."""
        video, poster = plan["video"], plan["poster"]
        board, preview = plan.get("storyboard"), plan.get("preview")
        return cls(
            parts=tuple(plan["parts"]),
            stills=tuple(Still.from_dict(still) for still in plan["stills"]),
            animation=Animation.from_dict(animation) if (animation := plan.get("animation")) else None,
            poster=Poster(**poster) if poster else None,
            storyboard=Storyboard(**board) if board else None,
            preview=Preview(**preview) if preview else None,
            video=_video(video) if video else None,
            recipe=plan["recipe"],
        )


def plan(probe: Probe, config: Config) -> Plan:
    """What is made of a file with this probe under this configuration."""
    if probe.kind == "image":
        animation = config.animation if probe.frames > 1 else None
        stages = ("thumbnail", "animate") if animation else ("thumbnail",)
        return Plan(parts=stages, stills=config.stills, animation=animation)
    video = _encoding(probe, config)
    chunks = (f"transcode#{chunk:04}" for chunk in range(video.chunks))
    extras = {"storyboard": config.storyboard, "preview": config.preview, "audio": video.audio}
    parts = ("poster", *(name for name, wanted in extras.items() if wanted), *chunks, "package")
    return Plan(
        parts=parts,
        stills=config.stills,
        poster=config.poster,
        storyboard=config.storyboard,
        preview=config.preview,
        video=video,
    )


def wants_packets(probe: Probe, config: Config) -> bool:
    """Whether all packets of a file have to be read before it can be planned: its video may be a rung already."""
    return probe.kind == "video" and config.video.remux and copying.promising(probe, fit(config.ladder, probe)[0])


def needs(part: str, parts: Sequence[str]) -> frozenset[str]:
    """The tasks that must be done before `part` may start: packaging waits for everything it joins."""
    if part != "package":
        return frozenset({"validate"})
    return frozenset(each for each in parts if each == "audio" or each.startswith("transcode#")) | {"validate"}


def picture_end(probe: Probe) -> float:
    """When the last picture of a video ends, in seconds from the start of the file, as far as its container tells."""
    if probe.video_duration is None:
        return probe.duration or 0.0
    return max(0.0, probe.video_start - probe.start_time) + probe.video_duration


def phase(probe: Probe, rate: Fraction) -> Fraction:
    """Seconds from the grid of frames that begins with the file to the pictures.

    Taken from the pictures and from the sound alike: they then fall on the grid, and together as in the original. The
    grid's frame before them is theirs, unless that leaves out more of the sound before them than an encoder's delay.
    """
    late = Fraction(probe.video_start - probe.start_time).limit_denominator(10**6)
    frame = math.floor((late + _UNHEARD) * rate) / rate
    off = late - frame
    if abs(off) <= _UNHEARD:
        return Fraction()
    return off if off <= _DELAY else off - 1 / rate


def _encoding(probe: Probe, config: Config) -> VideoPlan:
    settings = config.video
    rungs = fit(config.ladder, probe)
    rate = frame_rate(probe, settings.max_fps)
    copied = settings.remux and not copying.obstacles(probe, rungs[0], rate, settings)
    if copied:
        segment = copying.segment(probe, rate, settings)
        keyframe = copying.keyframe(segment, settings.keyframe * rate)
        least = 0.0  # it is decoded from where it is cut
    else:
        keyframe = max(1, round(settings.keyframe * rate))
        segment = keyframe * max(1, round(settings.segment / settings.keyframe))
        least = max(_GAPS * (probe.keyframe_gap or 0), picture_end(probe) / _PASSES if probe.container == "mpeg" else 0)
    chunk = segment * max(1, round(max(settings.chunk, least) * rate / segment))
    small = [rung for rung in rungs if min(rung.width, rung.height) <= settings.mp4]
    return VideoPlan(
        rungs=rungs,
        rate=f"{rate.numerator}/{rate.denominator}",
        keyframe=keyframe,
        segment=segment,
        chunk=chunk,
        chunks=max(1, math.ceil(picture_end(probe) * rate / chunk - _SLIVER)),
        audio=config.audio if probe.has_audio and probe.audio_codec else None,
        mp4=(small or rungs[-1:])[0].name,
        preset=settings.preset,
        crf=settings.crf,
        threads=settings.threads,
        memory=settings.memory,
        copied=copied,
    )


def _video(settings: Mapping[str, Any]) -> VideoPlan:
    rungs = tuple(FittedRung(**rung) for rung in settings["rungs"])
    audio = Audio(**settings["audio"]) if settings["audio"] else None
    return VideoPlan(**{**settings, "rungs": rungs, "audio": audio})
