"""Colour: everything becomes sRGB, which is what viewers take for granted, or stays what it is and says so."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageCms

from workers.confined import icc

PROFILE = "icc_profile"
"""Where Pillow keeps a picture's profile, in `Image.info`."""

_ALPHA = "A"
_PROFILED = frozenset({"L", "RGB", "CMYK", "LAB"})  # what LittleCMS is asked to read
_MOST = 65_536  # bytes of a profile that a still may be made to carry
# Colours named by code points of ITU-T H.273 instead of a profile: `colr` of ISO/IEC 23000-22, `cICP` of PNG. Each
# stands in the head of its file, before the pixels.
_HEAD = 65_536
_CODED: Mapping[str, re.Pattern[bytes]] = MappingProxyType(
    {
        "AVIF": re.compile(rb"colrnclx\x00(.)\x00(.)", re.DOTALL),
        "HEIF": re.compile(rb"colrnclx\x00(.)\x00(.)", re.DOTALL),
        "PNG": re.compile(rb"\x00\x00\x00\x04cICP(.)(.)\x00", re.DOTALL),
    }
)


def profile_of(image: Image.Image, path: Path) -> bytes | None:
    """The ICC profile that an image file carries, or the one that its code points stand for; None: take it for sRGB."""
    if profile := image.info.get(PROFILE):
        return bytes(profile)
    pattern = _CODED.get(str(image.format))
    if pattern is None:
        return None
    with path.open("rb") as file:
        found = pattern.search(file.read(_HEAD))
    return icc.coded(found[1][0], found[2][0]) if found else None


def render(image: Image.Image, profile: bytes | None, *, keep: bool = False) -> Image.Image:
    """The image in mode L, RGB or RGBA and in sRGB; its `info` has the profile that it has to carry, and nothing else.

    That is none unless its colours were converted, or kept as they came. A profile that is broken, or is for another
    kind of pixels, is as good as none; then grey stays grey, RGB is taken for sRGB and CMYK is converted by the plain
    formula. Only RGB can be kept.
    """
    base, alpha = _apart(image)
    source = _source(base, profile)
    tag = None
    if source is not None:
        if keep and profile and base.mode == "RGB" and len(profile) <= _MOST:
            tag = profile
        elif (converted := _converted(base, source)) is not None:
            base, tag = converted, icc.srgb()
    if base.mode not in {"L", "RGB"}:
        base = base.convert("RGB")
    if alpha is not None:
        base = base.convert("RGB")
        base.putalpha(alpha)
    base.info = {PROFILE: tag} if tag else {}
    return base


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image | None:
    try:
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL, outputMode="RGB"
        )
    except ImageCms.PyCMSError:
        return None


def _apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode in {"LA", "RGBA"}:
        return image.convert(image.mode.rstrip(_ALPHA)), image.getchannel(_ALPHA)
    return image.copy() if image.readonly else image, None


def _source(image: Image.Image, profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    if not profile or image.mode not in _PROFILED:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(source)
    except (ImageCms.PyCMSError, OSError):
        return None
    return None if "sRGB" in name else source
