"""File names: data that a stranger chose, made safe to be the last part of a key and of a download."""

import re
import unicodedata
from urllib.parse import quote

from pipeline.sniff import Type

LONGEST = 200
"""UTF-8 bytes of a safe name: file systems hold 255, and a browser may add ` (1)` on download."""

LONGEST_ORIGINAL = 1024
"""Characters of a client's name that are kept as data; a record must stay small whatever is sent."""

_UNNAMED = "file"
# Controls, formatting (bidi overrides, zero-width), surrogates, private use, unassigned; line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# What shells, URLs or file systems give a meaning to; S3's guide to object keys lists most of them as to be avoided.
_SPECIAL = re.compile(r"""[<>:"|?*/\\%#{}^~\[\]`&$@=;+,!']""")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")
# attr-char of RFC 8187, section 3.2.1.
_UNQUOTED = "!#$&+-.^_`|~"


def kept(name: str) -> str:
    """The client's name as the record keeps it: cut at a length, with `?` for what UTF-8 cannot say."""
    return name[:LONGEST_ORIGINAL].encode(errors="replace").decode()


def safe(name: str, found: Type) -> str:
    """A name of one path segment whose extension fits the file's true type.

    A fitting extension stays (in lower case), another that looks like one is replaced, and any other end is extended.
    """
    last = re.split(r"[/\\]", name)[-1]
    text = unicodedata.normalize("NFC", last)
    text = "".join(" " if unicodedata.category(char) == "Zs" else char for char in text if _seen(char))
    base, extension = _split(" ".join(_SPECIAL.sub("_", text).split()).rstrip(". "), found)
    return _cut(base, LONGEST - len(extension)) + extension


def disposition(name: str) -> str:
    """A `Content-Disposition` header that makes a browser save the file under that name (RFC 6266, section 4)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    quoted = re.sub(r'[^ -~]|["\\%]', "_", plain).strip()
    if quoted.startswith(".") or not quoted:  # nothing of the name was ASCII but its extension
        quoted = _UNNAMED + quoted
    return f"attachment; filename=\"{quoted}\"; filename*=UTF-8''{quote(name, safe=_UNQUOTED)}"


def _seen(char: str) -> bool:
    # Tab and newline are controls but also spaces: dropping them would join two words.
    return unicodedata.category(char) not in _UNSEEN or char.isspace()


def _split(text: str, found: Type) -> tuple[str, str]:
    base, dot, tail = text.rpartition(".")
    extension = dot + tail.lower()
    if extension in found.extensions:
        return base, extension
    if base and _EXTENSION.fullmatch(extension):
        return base, found.extensions[0]
    return text, found.extensions[0]


def _cut(base: str, most: int) -> str:
    cut = base.lstrip(". ").encode()[:most].decode(errors="ignore").rstrip(". ")
    return cut or _UNNAMED
