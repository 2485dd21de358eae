"""What a file is, read off its first bytes. The client's word and the file's extension are not asked.

It names the container, not what is inside: whether a file can be decoded is for inspection to find out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

HEAD = 4096
"""How many bytes of a file `sniff` wants to see; it makes do with less when the file is shorter."""


@dataclass(frozen=True)
class Type:
    """A media type, and the file name extensions that go with it, the usual one first."""

    mime_type: str
    kind: Literal["image", "video", "unknown"]
    extensions: tuple[str, ...]


UNKNOWN = Type("application/octet-stream", "unknown", (".bin",))
"""What a file is called of which no byte was seen yet."""

JPEG = Type("image/jpeg", "image", (".jpg", ".jpeg", ".jpe", ".jfif"))
PNG = Type("image/png", "image", (".png", ".apng"))
GIF = Type("image/gif", "image", (".gif",))
WEBP = Type("image/webp", "image", (".webp",))
AVIF = Type("image/avif", "image", (".avif", ".avifs"))
HEIC = Type("image/heic", "image", (".heic", ".heics", ".hif"))
HEIF = Type("image/heif", "image", (".heif", ".heifs", ".hif"))
TIFF = Type("image/tiff", "image", (".tiff", ".tif", ".dng"))
BMP = Type("image/bmp", "image", (".bmp", ".dib"))
JXL = Type("image/jxl", "image", (".jxl",))
JP2 = Type("image/jp2", "image", (".jp2", ".j2k", ".jpx"))
PSD = Type("image/vnd.adobe.photoshop", "image", (".psd", ".psb"))
ICON = Type("image/x-icon", "image", (".ico", ".cur"))
MP4 = Type("video/mp4", "video", (".mp4", ".m4v", ".mp4v", ".f4v"))
QUICKTIME = Type("video/quicktime", "video", (".mov", ".qt"))
THREE_GP = Type("video/3gpp", "video", (".3gp", ".3gpp", ".3g2"))
WEBM = Type("video/webm", "video", (".webm",))
MATROSKA = Type("video/x-matroska", "video", (".mkv", ".mk3d"))
AVI = Type("video/x-msvideo", "video", (".avi", ".divx"))
MPEG_TS = Type("video/mp2t", "video", (".ts", ".mts", ".m2ts", ".m2t"))
MPEG_PS = Type("video/mpeg", "video", (".mpg", ".mpeg", ".vob", ".m2v", ".mpe"))
ASF = Type("video/x-ms-wmv", "video", (".wmv", ".asf"))
FLV = Type("video/x-flv", "video", (".flv",))
OGG = Type("video/ogg", "video", (".ogv", ".ogg", ".ogx"))

_TYPES = (
    *(JPEG, PNG, GIF, WEBP, AVIF, HEIC, HEIF, TIFF, BMP, JXL, JP2, PSD, ICON, MP4, QUICKTIME, THREE_GP, WEBM, MATROSKA),
    *(AVI, MPEG_TS, MPEG_PS, ASF, FLV, OGG),
)

_STARTS: tuple[tuple[bytes, Type], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),  # BigTIFF
    (b"MM\0+", TIFF),
    (b"\xff\x0a", JXL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", JXL),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JP2),
    (b"8BPS", PSD),
    (b"\0\0\x01\0", ICON),
    (b"\0\0\x01\xba", MPEG_PS),
    (b"\0\0\x01\xb3", MPEG_PS),  # a bare video stream
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", ASF),
    (b"FLV\x01", FLV),
)

# Brands of ISO/IEC 14496-12 files, as registered at mp4ra.org: what the file is written for.
_BRANDS: dict[bytes, Type] = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), HEIC),
    **dict.fromkeys((b"mif1", b"msf1", b"mif2"), HEIF),
    b"qt  ": QUICKTIME,
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3gp7", b"3gr6", b"3gs6", b"3ge6", b"3g2a", b"3g2b"), THREE_GP),
}
_NEITHER = frozenset({b"M4A ", b"M4B ", b"M4P ", b"crx ", b"F4A ", b"F4B "})
"""Brands of ISO files that hold sound alone, or a camera's raw sensor data."""

# Atoms that a QuickTime file from before `ftyp` may begin with (QuickTime File Format Specification, 2001).
_OLD_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"pnot", b"skip", b"free"})

_TS_SYNC = 0x47
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})


def sniff(head: bytes | bytearray | memoryview) -> Type | None:
    """The type of a file that begins with `head`, or None for anything that is no image or video known here."""
    head = bytes(head[:HEAD])
    begun = (found for start, found in _STARTS if head.startswith(start))
    return next(begun, None) or next((found for look in _LOOKS if (found := look(head))), None)


def declared(mime_type: str, name: str) -> Type | None:
    """What a client says that a file is, by its type or else its name; to be believed no longer than it has to be."""
    plain = mime_type.partition(";")[0].strip().lower()
    by_type = (each for each in _TYPES if each.mime_type == plain)
    by_name = (each for each in _TYPES if f".{name.lower().rpartition('.')[2]}" in each.extensions)
    return next(by_type, None) or next(by_name, None)


def _iso(head: bytes) -> Type | None:
    if head[4:8] in _OLD_ATOMS:
        return QUICKTIME
    if head[4:8] != b"ftyp":
        return None
    end = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(end, len(head)) - 3, 4))]
    if brands[0] in _NEITHER:
        return None
    major = _BRANDS.get(brands[0])
    if major not in {None, HEIF}:
        return major
    # A general major brand: the compatible ones say more.
    images = [found for brand in brands if (found := _BRANDS.get(brand)) in {AVIF, HEIC}]
    return next(iter(images), None) if major is HEIF and images else major or MP4


def _riff(head: bytes) -> Type | None:
    if head[:4] not in {b"RIFF", b"RF64"}:
        return None
    return {b"WEBP": WEBP, b"AVI ": AVI}.get(head[8:12])


def _ebml(head: bytes) -> Type | None:
    """Matroska (RFC 9559): the DocType element, id 0x4282, stands in the EBML header at the very start."""
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    after = head[:64].partition(b"\x42\x82")[2]
    doc_type = after[1 : 1 + (after[0] & 0x7F)].rstrip(b"\0") if after else b""
    return {b"webm": WEBM, b"matroska": MATROSKA}.get(doc_type)


def _mpeg_ts(head: bytes) -> Type | None:
    """Packets of 188 bytes that begin with 0x47 (ISO/IEC 13818-1); Blu-ray's have 4 bytes before each."""
    for first, packet in ((0, 188), (4, 192)):
        places = range(first, min(len(head), first + 5 * packet), packet)
        if len(places) > 1 and all(head[at] == _TS_SYNC for at in places):
            return MPEG_TS
    return None


def _bmp(head: bytes) -> Type | None:
    """Two letters are too little to go by: the size of the header that follows must be one there is."""
    return BMP if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS else None


def _ogg(head: bytes) -> Type | None:
    return OGG if head.startswith(b"OggS") and b"\x80theora" in head else None


_LOOKS: tuple[Callable[[bytes], Type | None], ...] = (_iso, _riff, _ebml, _mpeg_ts, _bmp, _ogg)
