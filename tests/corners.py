"""The colours in the corners of a corpus's photos, by decoders that are not the product's: libvips, and ffmpeg.

`python -m tests.corners FOLDER > tests/unit/corners.json` wants pyvips[binary] installed, which nothing else here does.
"""

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests import builders

SHARE = 8
"""A corner is this part of the picture wide and high."""

# libvips' own binary has neither an HEVC decoder nor BMP, and converts CMYK without a profile by one of its own.
BY_FFMPEG = {".heic", ".bmp"}
UNREAD = {"bmp_rgba32.bmp"}  # its bit fields are in an order that ffmpeg does not know
PLAIN_CMYK = {"jpeg_cmyk_noicc.jpg", "tiff_cmyk8.tiff"}


def main() -> int:
    """Print the corners of every photo in the folder."""
    folder = Path(sys.argv[1])
    photos = sorted(path for path in folder.iterdir() if path.name.split("_")[0] in _KINDS and path.name not in UNREAD)
    rows = (f" {json.dumps(path.name)}: {json.dumps(corners(path))}" for path in photos)
    print("{", ",\n".join(rows), "}", sep="\n")  # noqa: T201 - its product
    return 0


_KINDS = {"apng", "avif", "bmp", "gif", "heic", "jpeg", "png", "tiff", "webp"}


def corners(path: Path) -> list[list[int]]:
    """Mean red, green and blue of the four corners, upright, on white: top left, top right, bottom left, right."""
    import pyvips  # noqa: PLC0415 - installed by nobody but who runs this

    if path.suffix in BY_FFMPEG or path.name in PLAIN_CMYK:
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            command = [builders.ffmpeg(), "-nostdin", "-v", "error", "-y", "-i", str(path)]
            subprocess.run([*command, "-frames:v", "1", "-update", "1", file.name], check=True, timeout=60)
            image = pyvips.Image.new_from_file(file.name).copy_memory()
        if profile := _profile(path):
            image = image.copy()
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    else:
        image = pyvips.Image.new_from_file(str(path)).autorot()
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
    image = image.colourspace("srgb")
    image = image.flatten(background=255) if image.hasalpha() else image
    return [_mean(image, x, y) for y in (0, 1) for x in (0, 1)]


def _mean(image: Any, x: int, y: int) -> list[int]:  # noqa: ANN401 - pyvips has no types
    width, height = max(1, image.width // SHARE), max(1, image.height // SHARE)
    part = image.crop(x * (image.width - width), y * (image.height - height), width, height)
    return [round(part.extract_band(band).avg()) for band in range(3)]


def _profile(path: Path) -> bytes | None:
    """The first ICC profile of an HEIC: a box `colr` of type `prof`."""
    data = path.read_bytes()
    at = data.find(b"colrprof")
    if at < 0:
        return None
    (size,) = struct.unpack(">I", data[at - 4 : at])
    return data[at + 8 : at - 4 + size]


if __name__ == "__main__":
    sys.exit(main())
