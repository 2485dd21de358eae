"""What a photo says about itself: the little that is asked for, typed and capped; never what it says raw.

Tags after Exif 3.0 (CIPA DC-008) and IPTC-IIM 4.2.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from pipeline.renditions import Fact, Kept

_MOST = 128  # characters of one text
_TIME = "%Y:%m:%d %H:%M:%S"
_MINUTES = 60
_FIRED = 1  # lowest bit of the tag Flash
_BELOW_SEA = 1
_BYLINE, _CREDIT, _COPYRIGHT = (2, 80), (2, 110), (2, 116)

Tags = Mapping[int, Any]


def facts(image: ImageFile.ImageFile, wanted: Collection[Fact]) -> dict[str, Any]:
    """What is wanted of an image's Exif, and is there: numbers and short texts under camelCase names.

    `taken` is ISO 8601 with its offset where the camera knew one; `exposure` has seconds, f-number, ISO speed and
    millimetres; `gps` degrees and metres. Ask before decoding.
    """
    if not wanted:
        return {}
    with suppress(Exception):  # broken Exif is no reason to refuse a picture
        exif = image.getexif()
        photo, position = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
        tags = {**exif, **photo}
        found = {name: _FACTS[name](position if name == "gps" else tags) for name in sorted(wanted)}
        return {name: value for name, value in found.items() if value}
    return {}


def owner(image: ImageFile.ImageFile, kept: Collection[Kept]) -> bytes:
    """The original's copyright notice and its maker's name, as far as they are to be kept, as Exif; else nothing."""
    if not {"copyright", "credit"} & set(kept):
        return b""
    with suppress(Exception):
        exif, iptc = image.getexif(), IptcImagePlugin.getiptcinfo(image) or {}
        texts = {
            ExifTags.Base.Copyright: (exif.get(ExifTags.Base.Copyright), iptc.get(_COPYRIGHT))
            if "copyright" in kept
            else (),
            ExifTags.Base.Artist: (exif.get(ExifTags.Base.Artist), iptc.get(_CREDIT), iptc.get(_BYLINE))
            if "credit" in kept
            else (),
        }
        clean = Image.Exif()
        for tag, given in texts.items():
            if text := next(filter(None, map(_text, given)), None):
                clean[tag] = text.encode()  # as text it would be squeezed into ASCII
        return clean.tobytes() if len(clean) else b""
    return b""


def _taken(tags: Tags) -> str | None:
    for when, zone in (
        (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
        (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    ):
        with suppress(ValueError):
            moment = datetime.strptime(_text(tags.get(when)) or "", _TIME)  # noqa: DTZ007 - a camera's clock has no zone
            with suppress(ValueError):
                return datetime.fromisoformat(f"{moment.isoformat()}{_text(tags.get(zone)) or ''}").isoformat()
            return moment.isoformat()
    return None


def _camera(tags: Tags) -> dict[str, str]:
    return _texts({"make": tags.get(ExifTags.Base.Make), "model": tags.get(ExifTags.Base.Model)})


def _lens(tags: Tags) -> dict[str, str]:
    return _texts({"make": tags.get(ExifTags.Base.LensMake), "model": tags.get(ExifTags.Base.LensModel)})


def _exposure(tags: Tags) -> dict[str, float | bool]:
    numbers = {
        "seconds": _number(tags.get(ExifTags.Base.ExposureTime)),
        "aperture": _number(tags.get(ExifTags.Base.FNumber)),
        "iso": _number(tags.get(ExifTags.Base.ISOSpeedRatings)),
        "focalLength": _number(tags.get(ExifTags.Base.FocalLength)),
        "focalLength35": _number(tags.get(ExifTags.Base.FocalLengthIn35mmFilm)),
    }
    found: dict[str, float | bool] = {name: value for name, value in numbers.items() if value}
    flash = tags.get(ExifTags.Base.Flash)
    return found | ({"flash": bool(flash & _FIRED)} if isinstance(flash, int) else {})


def _gps(tags: Tags) -> dict[str, float]:
    latitude = _degrees(tags.get(ExifTags.GPS.GPSLatitude), tags.get(ExifTags.GPS.GPSLatitudeRef) == "S", 90)
    longitude = _degrees(tags.get(ExifTags.GPS.GPSLongitude), tags.get(ExifTags.GPS.GPSLongitudeRef) == "W", 180)
    if latitude is None or longitude is None:
        return {}
    found = {"latitude": latitude, "longitude": longitude}
    altitude = _number(tags.get(ExifTags.GPS.GPSAltitude))
    if altitude is not None:
        below = tags.get(ExifTags.GPS.GPSAltitudeRef) in (_BELOW_SEA, bytes([_BELOW_SEA]))
        found["altitude"] = -altitude if below else altitude
    return found


_FACTS: Mapping[Fact, Callable[[Tags], Any]] = MappingProxyType(
    {"taken": _taken, "camera": _camera, "lens": _lens, "exposure": _exposure, "gps": _gps}
)


def _degrees(value: object, negative: bool, most: int) -> float | None:  # noqa: FBT001 - south and west
    parts = [_number(part) for part in value] if isinstance(value, tuple) else []
    if len(parts) != 3 or None in parts:  # noqa: PLR2004 - degrees, minutes, seconds
        return None
    degrees = sum((part or 0.0) / _MINUTES**power for power, part in enumerate(parts))
    return round(-degrees if negative else degrees, 6) if degrees <= most else None


def _number(value: object) -> float | None:
    """A number of at most 1e9 that is not negative, in six digits; the first of several."""
    with suppress(TypeError, ValueError, ZeroDivisionError, OverflowError, IndexError):
        number = float(value[0] if isinstance(value, tuple) else value)  # type: ignore[arg-type]
        if math.isfinite(number) and 0 <= number <= 1e9:  # noqa: PLR2004 - no photo has more of anything
            return float(f"{number:.6g}")
    return None


def _texts(given: Mapping[str, object]) -> dict[str, str]:
    return {name: text for name, value in given.items() if (text := _text(value))}


def _text(value: object) -> str | None:
    """One line of printable text, capped. Exif that is no ASCII is UTF-8 as a rule, which Pillow reads as Latin-1."""
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, str):
        value = value.encode("latin-1", "replace")
    if not isinstance(value, bytes):
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return " ".join("".join(_printable(text)).split())[:_MOST].strip() or None


def _printable(text: str) -> Iterator[str]:
    yield from (letter if letter.isprintable() else " " for letter in text.partition("\0")[0])
