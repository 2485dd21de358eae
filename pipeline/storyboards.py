"""What lets a viewer look ahead: small pictures of a whole video on a few sheets, and a short loop of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pipeline.framing import inside
from pipeline.ladder import even
from pipeline.renditions import freeze

REVISION = 1
"""Of the code that makes both: raise it when the same settings give other files, so that files get new keys."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """The small pictures of one video: `width` and `height` of each in pixels, `step` seconds from one to the next.

    A sheet holds `columns` x `rows` of them, the last one fewer.
    """

    width: int
    height: int
    step: Fraction
    count: int
    columns: int
    rows: int

    @property
    def sheets(self) -> int:
        """How many sheets it takes."""
        return math.ceil(self.count / (self.columns * self.rows))

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Sheet, x and y in pixels of each tile."""
        for index in range(self.count):
            sheet, place = divmod(index, self.columns * self.rows)
            row, column = divmod(place, self.columns)
            yield sheet, column * self.width, row * self.height


@dataclass(frozen=True, kw_only=True)
class Storyboard:
    """Sprite sheets and a WebVTT file that says which part of which is shown when.

    `side` is the longer side of a tile in pixels, `columns` and `rows` those of a sheet. There is a tile every `step`
    seconds, or less often, so that there are `tiles` at most. `qscale` is the quality of ffmpeg's JPEG encoder, 2 the
    best and 31 the worst.
    """

    side: int = 192
    columns: int = 10
    rows: int = 10
    tiles: int = 100
    step: float = 5.0
    qscale: int = 5
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of these settings."""
        freeze(self, REVISION)

    @property
    def index(self) -> str:
        """The WebVTT file, below the prefix of its media's renditions."""
        return f"storyboard-{self.recipe}/index.vtt"

    def sheet(self, number: int) -> str:
        """A sheet, beside it."""
        return f"storyboard-{self.recipe}/{number:03}.jpg"

    def of(self, width: int, height: int, seconds: float) -> Tiles:
        """The tiles of a video of that size in pixels and length."""
        step = Fraction(math.ceil(1000 * max(self.step, seconds / self.tiles)), 1000)
        count = max(1, math.ceil(seconds / step))
        across, down = inside(width, height, self.side, self.side)
        columns = min(self.columns, count)
        rows = min(self.rows, math.ceil(count / columns))
        return Tiles(width=even(across), height=even(down), step=step, count=count, columns=columns, rows=rows)

    def text(self, tiles: Tiles, seconds: float) -> str:
        """The WebVTT file (W3C); where on a sheet a tile is says `#xywh=` (W3C Media Fragments URI 1.0)."""
        cues = ["WEBVTT"]
        for index, (sheet, x, y) in enumerate(tiles.places()):
            starts = index * tiles.step
            ends = max(seconds, float(starts) + 0.001) if index == tiles.count - 1 else float(starts + tiles.step)
            name = self.sheet(sheet).rpartition("/")[2]
            cues.append(f"{_clock(float(starts))} --> {_clock(ends)}\n{name}#xywh={x},{y},{tiles.width},{tiles.height}")
        return "\n\n".join(cues) + "\n"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A short silent loop, as MP4: `length` seconds from the fraction `at` of a video on.

    `height` is its short side in pixels, `max_fps` the most frames per second; `preset` and `crf` are x264's.
    """

    at: float = 0.1
    length: float = 3.0
    height: int = 240
    max_fps: int = 30
    preset: str = "veryfast"
    crf: int = 28
    recipe: str = ""

    def __post_init__(self) -> None:
        """Freeze the recipe of these settings."""
        freeze(self, REVISION)

    @property
    def suffix(self) -> str:
        """The file, below the prefix of its media's renditions."""
        return f"preview-{self.recipe}.mp4"

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Its size in pixels, of a video of that size: both even, never enlarged."""
        scale = min(1.0, self.height / min(width, height))
        return even(round(width * scale)), even(round(height * scale))

    def start(self, seconds: float) -> float:
        """Where it begins in a video of that length: early enough to be whole."""
        return max(0.0, min(self.at * seconds, seconds - self.length))


def _clock(seconds: float) -> str:
    """A WebVTT timestamp."""
    millis = round(1000 * seconds)
    return f"{millis // 3_600_000:02}:{millis // 60_000 % 60:02}:{millis // 1000 % 60:02}.{millis % 1000:03}"
