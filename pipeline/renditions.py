"""What is made of an original: stills and posters, and the recipe that names their files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol, Self

from pipeline.framing import Fit, Framing, Gravity, frame

Format = Literal["jpeg", "webp", "avif"]

Kept = Literal["copyright", "credit", "icc"]
"""What of an original's metadata may stay in its renditions: its owner, its maker, and the profile of its colours."""

Fact = Literal["taken", "camera", "lens", "exposure", "gps"]
"""What of a photo's metadata may go into its record."""

REVISION = 2
"""Of the code that makes stills: raise it when the same settings give another picture, so that files get new keys."""

IMAGE_TYPES: Mapping[Format, tuple[str, str]] = MappingProxyType(
    {"jpeg": (".jpg", "image/jpeg"), "webp": (".webp", "image/webp"), "avif": (".avif", "image/avif")}
)
"""The formats of stills: extension and MIME type."""

LARGEST = 16_383
"""Pixels on a side that every format can hold: the bound of WebP (RFC 9649, section 2.6)."""

QUALITIES: Mapping[Format, int] = MappingProxyType({"jpeg": 80, "webp": 80, "avif": 60})
"""The default on each encoder's own scale."""

EFFORTS: Mapping[str, int] = MappingProxyType({"avif": 9, "webp": 2})
"""How hard encoders try by default: the `speed` of AVIF (0 is the slowest), the `method` of WebP (0 is the fastest)."""


def recipe(*settings: object) -> str:
    """Eight hex digits that stand for the settings: equal settings, equal recipe, in every process and release.

    Takes dataclasses and anything JSON can say; a renderer adds its own revision number. The digest is SHA-256 over
    JSON with sorted keys and no spaces.
    """
    plain = [asdict(each) if is_dataclass(each) and not isinstance(each, type) else each for each in settings]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class Settings(Protocol):
    """A frozen dataclass with a recipe of its own."""

    @property
    def recipe(self) -> str:
        """Empty until it is frozen."""


def freeze(settings: Settings, *more: object) -> None:
    """Give settings the recipe of themselves and of what else counts, unless they came with one: out of a plan."""
    if not settings.recipe:
        object.__setattr__(settings, "recipe", recipe(settings, *more))


@dataclass(frozen=True, kw_only=True)
class Still:
    """One image rendition: a picture fitted into a box of `width` x `height` pixels, in one format.

    The name of a further format of one still has that format behind a dot, `medium.avif`. `quality` is the encoder's
    own scale, 1 to 100, `effort` its own number for how hard it tries. `background`, `#rrggbb` or `#rrggbbaa`, lies
    under what is transparent where the format knows no alpha, and on the canvas of `contain`. `keep_profile` keeps an
    RGB picture in the colour space it came in. `recipe` is computed when it is not given; it is given when the still
    comes out of a plan, so that a newer release goes on making the files that were promised.
    """

    name: str
    width: int
    height: int
    fit: Fit = "inside"
    gravity: Gravity = "centre"
    format: Format = "jpeg"
    quality: int = 80
    effort: int | None = None
    background: str = "#ffffff"
    upscale: bool = False
    keep_profile: bool = False
    progressive: bool = False
    keep: tuple[Kept, ...] = ()
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of these settings."""
        freeze(self, REVISION)

    @property
    def suffix(self) -> str:
        """The still's file, below the prefix of its media's renditions."""
        return f"{self.name.partition('.')[0]}-{self.recipe}{IMAGE_TYPES[self.format][0]}"

    @property
    def mime_type(self) -> str:
        """The still's MIME type."""
        return IMAGE_TYPES[self.format][1]

    def frame(self, width: int, height: int) -> Framing:
        """How a picture of that size in pixels becomes this still."""
        box = (self.width, self.height)
        return frame(width, height, box, self.fit, self.gravity, upscale=self.upscale)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in pixels of this still, made from a picture of that size."""
        return self.frame(width, height).canvas

    def to_dict(self) -> dict[str, Any]:
        """JSON for the plan."""
        return asdict(self) | {"keep": list(self.keep)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; an older plan has fewer settings. Raises TypeError for one it does not know."""
        return cls(**{**settings, "keep": tuple(settings.get("keep", ()))})


@dataclass(frozen=True, kw_only=True)
class Poster:
    """The picture that stands for a video: the frame at the fraction `at` of its duration, made like a still."""

    at: float = 0.1
    width: int = 1920
    height: int = 1920
    format: Format = "jpeg"
    quality: int = 80
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of these settings, the moment among them."""
        freeze(self, REVISION)

    @property
    def still(self) -> Still:
        """The still named `poster`."""
        return Still(
            name="poster",
            width=self.width,
            height=self.height,
            format=self.format,
            quality=self.quality,
            recipe=self.recipe,
        )
