"""Makers of photos and videos for the tests: small, real files whose every fact is known."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pillow_heif
from PIL import ExifTags, Image, ImageCms

from workers.encoder import find_ffmpeg

Size = tuple[int, int]

CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
"""Top left, top right, bottom left, bottom right of `quarters`: no two turns of it look alike."""

SECRET = "Ansel's camera"
"""Stands in the metadata of `photo(..., secret=True)` and must stand in nothing made of it."""

FULL_OPACITY = 255


def ffmpeg() -> str:
    """The ffmpeg that makes the files: always the pinned one, whichever is under test."""
    return find_ffmpeg(None)


def quarters(size: Size, mode: str = "RGB", alpha: int = FULL_OPACITY) -> Image.Image:
    """A picture of four coloured quarters, as it is meant to be seen; `alpha` is the opacity of its lower half."""
    width, height = size
    picture = Image.new("RGBA", size)
    for index, colour in enumerate(CORNERS):
        left, top = index % 2 * (width // 2), index // 2 * (height // 2)
        opacity = alpha if index // 2 else FULL_OPACITY
        picture.paste((*colour, opacity), (left, top, width, height))
    return picture if mode == "RGBA" else picture.convert("RGB").convert(mode)


def photo(
    path: Path,
    size: Size = (640, 480),
    *,
    picture: Image.Image | None = None,
    orientation: int = 1,
    profile: bytes | None = None,
    secret: bool = False,
    **options: float | str | bytes | bool | list[Image.Image],
) -> Path:
    """Write a photo, in the format that the path's extension names. `size` is that of the stored pixels.

    `orientation` is written as EXIF says it, and the pixels are stored so that the picture is seen as `quarters` draws
    it. `secret` adds position, maker and comment.
    """
    pillow_heif.register_heif_opener()
    shown = picture or quarters(size[::-1] if orientation in {5, 6, 7, 8} else size)
    stored = lying(shown, orientation)
    exif = Image.Exif()
    if orientation != 1:
        exif[ExifTags.Base.Orientation] = orientation
    if secret:
        exif[ExifTags.Base.Make] = SECRET
        exif[ExifTags.Base.ImageDescription] = SECRET
        exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 5.0, 0.0), 3: "E", 4: (4.0, 52.0, 0.0)})
    if len(exif):
        options["exif"] = exif.tobytes()
    if profile:
        options["icc_profile"] = profile
    stored.save(path, None, **options)
    return path


def lying(shown: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera stores them that is held in this orientation: the inverse of turning them upright."""
    stored_as = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return shown.transpose(stored_as[orientation]) if orientation in stored_as else shown


def profile(space: str = "sRGB") -> bytes:
    """An ICC profile of LittleCMS's own: `sRGB` or `LAB`."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()  # type: ignore[arg-type]


def swapped_profile() -> bytes:
    """The sRGB profile with red and green exchanged, under another name: a picture converted from it shows at once."""
    data = profile().replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    return data.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")).replace(b"sRGB", b"swap")


def video(
    path: Path,
    size: Size = (320, 180),
    *,
    rate: str = "30",
    seconds: float = 2.0,
    audio: bool = True,
    turned: int = 0,
    options: Sequence[str] = (),
) -> Path:
    """Write a video of a moving test picture and a tone, in the container that the path's extension names.

    `turned` are the degrees clockwise that a player must turn it by (MP4 and MOV); `options` go before the output.
    """
    width, height = size
    sources = ["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={rate}:duration={seconds}"]
    if audio:
        sources += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    plain = path.with_name(f"plain-{path.name}") if turned else path
    _run(*sources, *([] if path.suffix == ".webm" else ["-pix_fmt", "yuv420p"]), *options, str(plain))
    if turned:
        _run("-display_rotation", str(-turned), "-i", str(plain), "-c", "copy", str(path))
        plain.unlink()
    return path


def converted(path: Path, to: Path, pixels: str) -> Path:
    """Write a photo again in another kind of pixels, as ffmpeg names them: `rgb48be`, `yuvj411p`, ..."""
    _run("-i", str(path), "-pix_fmt", pixels, *(["-q:v", "1"] if to.suffix == ".jpg" else []), str(to))
    return to


def sound(path: Path) -> Path:
    """Write a file of one second of sound, without any picture."""
    _run("-f", "lavfi", "-i", "sine=frequency=440:duration=1", str(path))
    return path


def song(path: Path) -> Path:
    """Write a song as a player keeps it: a second of sound, with a picture of its cover (M4A)."""
    cover = photo(path.with_name("cover.png"), (60, 60))
    plain = sound(path.with_name(f"plain-{path.name}"))
    _run(
        "-i",
        str(plain),
        "-i",
        str(cover),
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-disposition:v",
        "attached_pic",
        str(path),
    )
    for each in (cover, plain):
        each.unlink()
    return path


def cut(path: Path, to: Path, keep: float) -> Path:
    """Copy the first part of a file, a fraction of its bytes, as a transfer that broke off leaves it."""
    shutil.copy(path, to)
    os.truncate(to, int(path.stat().st_size * keep))
    return to


def _run(*arguments: str) -> None:
    command = [ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
