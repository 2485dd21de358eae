"""Opening an image: only formats that are on the list, only as large as is allowed, and whole."""

import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import pillow_heif
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from workers.confined import streaming
from workers.confined.memory import SHARE, needed
from workers.confined.refusal import RefusedError

# Importing a plugin registers it. Pillow would otherwise import all forty for the first format that it does not know,
# among them the one that starts Ghostscript, and do so anew in each child. PPM is one that it asks for by itself.
_PLUGINS = (
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    GifImagePlugin,
    WebPImagePlugin,
    TiffImagePlugin,
    BmpImagePlugin,
    AvifImagePlugin,
    PpmImagePlugin,
)

# Pillow's names and ours.
_FORMATS: Mapping[str, str] = MappingProxyType(
    {"JPEG": "jpeg", "PNG": "png", "GIF": "gif", "WEBP": "webp", "TIFF": "tiff", "BMP": "bmp"}
)
_ISO_FORMATS: Mapping[str, str] = MappingProxyType({"AVIF": "avif", "HEIF": "heif"})
# ISO/IEC 14496-12: a box of type `ftyp` opens the file and names its brand. Films have it too.
_MAGIC, _TYPE, _BRAND = 12, slice(4, 8), slice(8, 12)
_IMAGE_BRANDS = frozenset({b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})

JPEG = frozenset({"JPEG", "MPO"})
"""What Pillow calls a JPEG; MPO: with more pictures behind the first."""
FILL = 128
"""What libjpeg puts, or one next to it, where nothing is left to decode."""

_UPRIGHT = 1
SIDEWAYS = frozenset({5, 6, 7, 8})
"""The EXIF orientations that swap width and height."""

# Pillow turns a TIFF and libheif an HEIC while decoding, and both report the turned size.
_TURNED_BY_DECODER = frozenset({"TIFF", "HEIF"})


def open_image(path: Path, pixels: int) -> ImageFile.ImageFile | None:
    """The image at its first frame, nothing decoded yet; None if it is of no format on the list.

    Raises RefusedError if one frame has more than so many pixels, or if it is an image that cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_MAGIC)
    formats = tuple(_FORMATS)
    if head[_TYPE] == b"ftyp":
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
        formats = tuple(_ISO_FORMATS)
    Image.MAX_IMAGE_PIXELS = pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        return Image.open(path, formats=formats)
    except UnidentifiedImageError as error:
        if head[_BRAND] in _IMAGE_BRANDS:  # else it would pass for a film of one frame
            raise RefusedError("image_undecodable") from error
        return None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise RefusedError("pixels_exceeded") from error
    except MemoryError:
        raise
    except Exception as error:  # a decoder that stumbles over hostile bytes raises whatever it likes
        raise RefusedError("image_undecodable") from error


def decode(image: Image.Image, *, truncated: bool = False, to_look: bool = False) -> None:
    """Decode the current frame in place; `to_look`: nothing will be made of it.

    Raises RefusedError if it is damaged or, unless `truncated`, incomplete; NeedsMoreError before it is decoded.
    """
    SHARE.afford(needed(image, to_look=to_look))
    ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise RefusedError("image_undecodable") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False  # opening a file asks for it too
    if image.format in JPEG and not truncated and _ends_in_filling(image) and streaming.cut_short(_file_of(image)):
        raise RefusedError("image_undecodable")


def format_of(image: Image.Image) -> str:
    """Our name of the format: a JPEG with more pictures behind the first (MPO) is a JPEG."""
    return {**_FORMATS, **_ISO_FORMATS, "MPO": "jpeg"}[str(image.format)]


def orientation(image: Image.Image) -> int:
    """What remains to be done to the decoded pixels, as EXIF says it: 1 to 8, 1 = nothing. Ask before decoding."""
    value = None
    if image.format not in _TURNED_BY_DECODER:
        with suppress(Exception):  # broken EXIF is no reason to refuse a picture
            value = image.getexif().get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and value in range(1, 9) else _UPRIGHT


def _ends_in_filling(image: Image.Image) -> bool:
    last = image.getpixel((image.width - 1, image.height - 1))
    return all(abs(value - FILL) <= 1 for value in (last if isinstance(last, tuple) else (last or 0,)))


def _file_of(image: Image.Image) -> Path:
    return Path(getattr(image, "filename", ""))
