"""Colour to sRGB: what a still's viewer assumes when no profile is left in the file."""

import io

from PIL import Image, ImageCms

_ALPHA = "A"
_PROFILED = frozenset({"L", "RGB", "CMYK", "LAB"})  # what LittleCMS is asked to read


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB: mode L, RGB or RGBA. `profile` is the ICC profile that came with it.

    A profile that is broken, or is for another kind of pixels, is as good as none; then grey stays grey, RGB is taken
    for sRGB and CMYK is converted by the plain formula.
    """
    base, alpha = _apart(image)
    source = _source(base, profile)
    if source is not None:
        try:
            converted = ImageCms.profileToProfile(
                base, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL, outputMode="RGB"
            )
        except ImageCms.PyCMSError:
            converted = None
        base = converted or base
    if base.mode not in {"L", "RGB"}:
        base = base.convert("RGB")
    if alpha is None:
        return base
    base = base.convert("RGB")
    base.putalpha(alpha)
    return base


def _apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode in {"LA", "RGBA"}:
        return image.convert(image.mode.rstrip(_ALPHA)), image.getchannel(_ALPHA)
    return image, None


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
