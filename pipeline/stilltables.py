"""The tables of `pipeline.toml` about pictures: `[stills]`, `[encoders]` and `[metadata]`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from pipeline.framing import Fit, Gravity
from pipeline.renditions import EFFORTS, LARGEST, QUALITIES, Fact, Format, Kept, Still
from pipeline.tables import BEST, Quality, Table, mapping

RESERVED = frozenset(
    {"original", "poster", "preview", "storyboard", "hls", "mp4", "webm", "animation", "audio", "video", "placeholder"}
)
"""Names in a record's `urls` that are not a still's to take."""

_FORMATS = get_args(Format)


def _for_all(quality: object) -> object:
    """One quality is that of every format."""
    if not isinstance(quality, int):
        return quality
    if not 0 < quality <= BEST:
        raise ValueError(f"{quality} is no quality; it is a number from 1 to {BEST}")
    return dict.fromkeys(_FORMATS, quality)


Side = Annotated[int, Field(ge=1, le=LARGEST)]


class StillTable(Table):
    """One image rendition; several formats of it share its pixels."""

    width: Side = LARGEST
    height: Side = LARGEST
    fit: Fit = "inside"
    gravity: Gravity = "centre"
    format: Format | None = None
    formats: Annotated[tuple[Format, ...], Field(strict=False)] = ()
    quality: Annotated[dict[Format, Quality], BeforeValidator(_for_all)] = Field(default_factory=dict)
    background: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}([0-9a-f]{2})?$")] = "#ffffff"
    upscale: bool = False
    keep_profile: bool = False
    progressive: bool = False

    def stills(self, name: str, encoders: "Encoders", keep: Sequence[Kept]) -> Iterator[Still]:
        """The table as stills, one a format: the first has the table's name, another one its format behind it."""
        formats = self.formats or (self.format or "jpeg",)
        efforts = {"avif": encoders.avif.speed, "webp": encoders.webp.method}
        for format_ in formats:
            yield Still(
                name=name if format_ == formats[0] else f"{name}.{format_}",
                width=self.width,
                height=self.height,
                fit=self.fit,
                gravity=self.gravity,
                format=format_,
                quality=self.quality.get(format_, QUALITIES[format_]),
                effort=efforts.get(format_),
                background=self.background,
                upscale=self.upscale,
                keep_profile=self.keep_profile,
                progressive=self.progressive and format_ == "jpeg",
                keep=tuple(sorted(keep)),
            )


class Avif(Table):
    """0 is the slowest."""

    speed: Annotated[int, Field(ge=0, le=10)] = EFFORTS["avif"]


class Webp(Table):
    """0 is the fastest."""

    method: Annotated[int, Field(ge=0, le=6)] = EFFORTS["webp"]


class Encoders(Table):
    """How hard the encoders try."""

    avif: Avif = Avif()
    webp: Webp = Webp()


class MetadataTable(Table):
    """What is kept of what a photo says about itself: in the record, and in its renditions."""

    record: Annotated[frozenset[Fact], Field(strict=False)] = frozenset({"taken", "camera", "lens", "exposure"})
    keep: Annotated[frozenset[Kept], Field(strict=False)] = frozenset()


def contradictions(tables: Mapping[str, Any]) -> Iterator[str]:
    """Stills whose settings are each right and together wrong. Looks at the tables as they were read."""
    stills = mapping(tables.get("stills"))
    if "stills" in tables and not stills:
        yield "stills: is empty; name one still at least, such as [stills.thumbnail]"
    for name, table in stills.items():
        yield from (f"stills.{name}{mistake}" for mistake in _contradictions(name, mapping(table)))


def _contradictions(name: str, still: Mapping[str, Any]) -> Iterator[str]:
    if name in RESERVED:
        yield f": is the name of another rendition; taken are: {', '.join(sorted(RESERVED))}"
    if not {"width", "height"} & set(still):
        yield ": needs a width, a height or both"
    fit = still.get("fit", "inside")
    if fit in {"cover", "contain"} and not {"width", "height"} <= set(still):
        yield f".fit: {fit!r} fills a box; it needs a width and a height"
    if fit == "inside" and "gravity" in still:
        yield ".gravity: nothing is cut off or laid on a canvas inside a box; it goes with 'cover' and 'contain'"
    if "formats" in still and "format" in still:
        yield ".formats: stands beside format; give one of them"
    formats = still.get("formats", [still.get("format", "jpeg")])
    if isinstance(formats, list):
        yield from _misformed([*map(str, formats)], still)


def _misformed(formats: Sequence[str], still: Mapping[str, Any]) -> Iterator[str]:
    if not formats:
        yield f".formats: is empty; there are: {', '.join(_FORMATS)}"
    if len(set(formats)) < len(formats):
        yield ".formats: names one twice"
    if still.get("progressive") and "jpeg" not in formats:
        yield ".progressive: only a JPEG is"
    for named in mapping(still.get("quality")):
        if named in _FORMATS and named not in formats:
            yield f".quality.{named}: the still is not made in that format"
