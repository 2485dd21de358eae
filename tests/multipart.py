"""multipart/form-data bodies written by hand, so that tests can break them where they like."""

from collections.abc import Iterable

BOUNDARY = b"----boundary7MA4YWxk"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY.decode()}"

PNG = b"\x89PNG\r\n\x1a\n"
"""Enough of a picture for the front door."""


def field(name: str, value: str | bytes) -> bytes:
    """One part that holds text."""
    content = value.encode() if isinstance(value, str) else value
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), content)


def file(content: bytes, name: str = "a.png", field_name: str = "file") -> bytes:
    """One part that holds a file."""
    head = f'Content-Disposition: form-data; name="{field_name}"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + content


def form(parts: Iterable[bytes], *, closed: bool = True) -> bytes:
    """The body that these parts make."""
    body = b"".join(b"--" + BOUNDARY + b"\r\n" + part + b"\r\n" for part in parts)
    return body + (b"--" + BOUNDARY + b"--\r\n" if closed else b"")
