"""What is made of an animated image: a film of the same pictures at the same times, for a fraction of its bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal, Self

from pipeline.framing import inside
from pipeline.renditions import freeze

REVISION = 1
"""Of the code that makes animations: raise it when the same settings give another film, so that files get new keys."""

Format = Literal["mp4", "webm"]

FILM_TYPES: Mapping[Format, tuple[str, str]] = MappingProxyType(
    {"mp4": (".mp4", "video/mp4"), "webm": (".webm", "video/webm")}
)
"""The formats of animations: extension and MIME type."""


@dataclass(frozen=True, kw_only=True)
class Animation:
    """An animated image as a film, fitted into `width` x `height` pixels, never enlarged by more than a pixel.

    `background`, `#rrggbb`, lies under what is transparent; the WebM keeps the transparency itself. `preset` and `crf`
    are x264's, `webm_crf` and `webm_speed` (0 to 8, the fastest) libvpx's, `threads` those of each encoder and `memory`
    the bytes of address space of the process. `recipe` is given when it comes out of a plan.
    """

    width: int = 1280
    height: int = 1280
    formats: tuple[Format, ...] = ("mp4", "webm")
    background: str = "#ffffff"
    preset: str = "veryfast"
    crf: int = 20
    webm_crf: int = 30
    webm_speed: int = 5
    threads: int = 2
    memory: int = 2 * 2**30
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of these settings."""
        freeze(self, REVISION)

    def suffix(self, film: Format) -> str:
        """The file of one format, below the prefix of its media's renditions."""
        return f"animation-{self.recipe}{FILM_TYPES[film][0]}"

    def name(self, film: Format) -> str:
        """What the record calls one format: a further one has it behind a dot, as stills have."""
        return "animation" if film == self.formats[0] else f"animation.{film}"

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """The size in pixels that frames of that size are resampled to."""
        return inside(width, height, self.width, self.height)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The film's size, made from frames of that size: even, for colour is stored for four pixels at once.

        An odd last row or column is cut off, a side of one pixel doubled.
        """
        width, height = self.fitted(width, height)
        return max(2, width // 2 * 2), max(2, height // 2 * 2)

    def to_dict(self) -> dict[str, Any]:
        """JSON for the plan."""
        return asdict(self) | {"formats": list(self.formats)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; raises TypeError for a setting it does not know."""
        return cls(**{**settings, "formats": tuple(settings["formats"])})
