"""The shape of `pipeline.toml`, table by table. Units are read here, so that the code beyond knows only numbers."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline import units
from pipeline.animations import Format as Film
from pipeline.doortables import Callers, EventsRule, Grants, IngestTable
from pipeline.limits import Truncated
from pipeline.mistakes import nearest
from pipeline.reception import MOST_PARTS, part_size
from pipeline.renditions import Format
from pipeline.stilltables import Encoders, MetadataTable, StillTable
from pipeline.tables import Bytes, Count, Fraction, Name, Pixels, Quality, Rate, Seconds, Table, mapping, unit

Nice = Annotated[int, Field(ge=0, le=19)]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]


STAGES = (
    "submit",
    "upload",
    "validate",
    "spread",
    "thumbnail",
    "animate",
    "poster",
    "storyboard",
    "preview",
    "audio",
    "transcode",
    "package",
    "backfill",
    "record",
    "purge",
    "erase",
)
"""Every kind of work there is, in the order of a file's way."""


class Retries(Table):
    """How often and how patiently: `wait` has the first and the longest of doubling waits, or all of them."""

    attempts: Count
    wait: Annotated[tuple[Seconds, ...], Field(strict=False, min_length=2)]


class StageTable(Table):
    """One kind of work."""

    queue: str
    retries: str
    timeout: Seconds
    long: str | None = None
    big: str | None = None
    long_over: Annotated[float, unit(units.seconds)] = 0.0


class Queue(Table):
    """One class of work, done by threads of its own; queues that name one `process` share it on one machine."""

    threads: Count
    per_project: Count | None = None
    memory: Bytes | None = None
    nice: Nice = 0
    on_demand: bool = False
    poll: Seconds = 1.0
    process: str | None = None


class DecodingTable(Table):
    """What reading pictures may take."""

    memory: Bytes = 2 * 2**30
    files: Count = 50


class LimitsTable(Table):
    """What is accepted."""

    bytes: Bytes
    pixels: Pixels
    side: Count
    frames: Count
    animation: Pixels = 1_000_000_000
    duration: Seconds
    streams: Count
    truncated: Truncated = "reject"
    accept: Annotated[frozenset[str], Field(strict=False)]


class PosterTable(Table):
    """The picture that stands for a video."""

    at: Fraction
    width: Count = 1920
    height: Count = 1920
    format: Format = "jpeg"
    quality: Quality = 80


class StoryboardTable(Table):
    """Sprite sheets. The defaults are those of `pipeline.storyboards.Storyboard`."""

    side: Annotated[int, Field(ge=16, le=1024)] = 192
    columns: Annotated[int, Field(ge=1, le=20)] = 10
    rows: Annotated[int, Field(ge=1, le=20)] = 10
    tiles: Annotated[int, Field(ge=1, le=10_000)] = 100
    step: Seconds = 5.0
    qscale: Annotated[int, Field(ge=2, le=31)] = 5


class PreviewTable(Table):
    """A short silent loop. The defaults are those of `pipeline.storyboards.Preview`."""

    at: Fraction = 0.1
    length: Seconds = 3.0
    height: Annotated[int, Field(ge=16, multiple_of=2)] = 240
    max_fps: Count = 30
    preset: Preset = "veryfast"
    crf: Annotated[int, Field(ge=0, le=51)] = 28


class AnimationTable(Table):
    """An animated image as a film. The defaults are those of `pipeline.animations.Animation`."""

    width: Count = 1280
    height: Count = 1280
    formats: Annotated[tuple[Film, ...], Field(strict=False, min_length=1)] = ("mp4", "webm")
    background: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] = "#ffffff"
    preset: Preset = "veryfast"
    crf: Annotated[int, Field(ge=0, le=51)] = 20
    webm_crf: Annotated[int, Field(ge=0, le=63)] = 30
    webm_speed: Annotated[int, Field(ge=0, le=8)] = 5
    threads: Count = 2
    memory: Bytes = 2 * 2**30

    @field_validator("formats")
    @classmethod
    def _once_each(cls, formats: tuple[Film, ...]) -> tuple[Film, ...]:
        if len(set(formats)) < len(formats):
            raise ValueError("a format is named twice")
        return formats


class RungTable(Table):
    """One size of the ladder."""

    name: Name
    height: Annotated[int, Field(ge=16, multiple_of=2)]
    video: Rate


class AudioTable(Table):
    """The one audio rendition."""

    bitrate: Rate


class VideoTable(Table):
    """How video is cut and encoded."""

    keyframe: Seconds
    segment: Seconds
    chunk: Seconds
    max_fps: Count
    mp4: Count
    preset: Preset
    crf: Annotated[int, Field(ge=0, le=51)]
    threads: Count
    memory: Bytes
    nice: Nice = 10
    remux: bool = True


class Serving(Table):
    """What the public may fetch."""

    publish_originals: bool = True


class CacheTable(Table):
    """What a machine's worker processes keep of films, together."""

    most: Bytes = 10_000_000_000
    idle: Seconds = 900.0


class Orphans(Table):
    """What the orphan scan deletes."""

    wait: Seconds = 86_400.0
    superseded: Seconds | Literal["off"] = 90 * 86_400.0


class LeaseTable(Table):
    """How long a claim holds, how often it is renewed, and how long one write to S3 may last that it allowed."""

    length: Seconds
    renewal: Seconds
    put_timeout: Seconds = 60.0

    @field_validator("renewal")
    @classmethod
    def _twice_a_lease(cls, renewal: float, others: ValidationInfo) -> float:
        length = others.data.get("length")
        if length is not None and renewal > length / 2:
            raise ValueError(f"{renewal:g} s is too seldom: a lease of {length:g} s is renewed twice before it ends")
        return renewal


class File(Table):
    """The whole file."""

    give_up: Seconds
    backlog: Seconds = 3600.0
    lease: LeaseTable
    limits: LimitsTable
    decoding: DecodingTable = DecodingTable()
    retries: dict[Name, Retries]
    queues: dict[Name, Queue]
    stages: dict[Name, StageTable]
    stills: dict[Name, StillTable]
    encoders: Encoders = Encoders()
    metadata: MetadataTable = MetadataTable()
    animation: AnimationTable | None = None
    ladder: list[RungTable] = Field(min_length=1)
    audio: AudioTable
    video: VideoTable
    poster: PosterTable
    storyboard: StoryboardTable | None = None
    preview: PreviewTable | None = None
    ingest: Annotated[IngestTable, Field(validate_default=True)] = IngestTable()
    serving: Serving = Serving()
    grants: Grants = Grants()
    orphans: Orphans = Orphans()
    callers: Callers = Callers()
    events: list[EventsRule] = Field(default_factory=list)
    cache: CacheTable = CacheTable()

    @field_validator("ingest")
    @classmethod
    def _has_room_for_a_part(cls, ingest: IngestTable, others: ValidationInfo) -> IngestTable:
        limits = others.data.get("limits")
        part = part_size(limits.bytes) if limits else 0
        if part > ingest.memory:
            raise ValueError(
                f"a file of limits.bytes comes in {MOST_PARTS} parts of {part // 2**20} MiB: memory has to hold one"
            )
        return ingest


def dangling(tables: Mapping[str, Any]) -> Iterator[str]:
    """What names something that is not there: queues, retry policies, stages. Looks at the tables as they were read."""
    stages, queues, retries = (mapping(tables.get(name)) for name in ("stages", "queues", "retries"))
    for name, stage in stages.items():
        if name not in STAGES:
            yield f"stages.{name}: unknown stage; {nearest(name, STAGES)}"
        for field, there in (("queue", queues), ("long", queues), ("big", queues), ("retries", retries)):
            named = mapping(stage).get(field)
            if isinstance(named, str) and named not in there:
                yield f"stages.{name}.{field}: there is no {named!r}; {nearest(named, list(there))}"
    yield from (f"stages.{name}: is missing" for name in STAGES if name not in stages)
