"""What is made of an original: stills and posters, and the recipe that names their files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from types import MappingProxyType
from typing import Any, Literal, Self

REVISION = 1
"""Of the code that makes stills: raise it when the same settings give another picture, so that files get new keys."""

IMAGE_TYPES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"jpeg": (".jpg", "image/jpeg"), "webp": (".webp", "image/webp"), "avif": (".avif", "image/avif")}
)
"""The formats of stills: extension and MIME type."""


def recipe(*settings: object) -> str:
    """Eight hex digits that stand for the settings: equal settings, equal recipe, in every process and release.

    Takes dataclasses and anything JSON can say; a renderer adds its own revision number. The digest is SHA-256 over
    JSON with sorted keys and no spaces.
    """
    plain = [asdict(each) if is_dataclass(each) and not isinstance(each, type) else each for each in settings]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True)
class Still:
    """One image rendition: fitted into `width` x `height` pixels, aspect kept, never larger than its source.

    `quality` is the encoder's own scale, 1 to 100. `recipe` is computed when it is not given; it is given when the
    still comes out of a plan, so that a newer release goes on making the files that were promised.
    """

    name: str
    width: int
    height: int
    fit: Literal["inside"] = "inside"
    format: Literal["jpeg", "webp", "avif"] = "jpeg"
    quality: int = 80
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of these settings."""
        if not self.recipe:
            object.__setattr__(self, "recipe", recipe(self, REVISION))

    @property
    def suffix(self) -> str:
        """The still's file, below the prefix of its media's renditions."""
        return f"{self.name}-{self.recipe}{IMAGE_TYPES[self.format][0]}"

    @property
    def mime_type(self) -> str:
        """The still's MIME type."""
        return IMAGE_TYPES[self.format][1]

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in pixels of this still, made from a picture of that size."""
        return inside(width, height, self.width, self.height)

    def to_dict(self) -> dict[str, Any]:
        """JSON for the plan."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; raises TypeError for a setting it does not know."""
        return cls(**settings)


@dataclass(frozen=True, kw_only=True)
class Poster:
    """The picture that stands for a video: the frame at the fraction `at` of its duration, made like a still."""

    at: float = 0.1
    width: int = 1920
    height: int = 1920
    format: Literal["jpeg", "webp", "avif"] = "jpeg"
    quality: int = 80
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of these settings, the moment among them."""
        if not self.recipe:
            object.__setattr__(self, "recipe", recipe(self, REVISION))

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


def inside(width: int, height: int, most_width: int, most_height: int) -> tuple[int, int]:
    """The size of a picture fitted into a box: aspect kept to the nearest pixel, never enlarged, never 0."""
    scale = min(1.0, most_width / width, most_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
