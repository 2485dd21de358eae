"""The object of an upload whose parts are all in S3: whoever comes first makes it, its client's request or a worker."""

from contextlib import suppress

from pipeline.errors import AlreadyStoredError, NotFoundError
from pipeline.ports import ObjectStore, Part, Pieces
from pipeline.reception import Reception


def _counted(reception: Reception, parts: list[Part]) -> list[Part]:
    """Those that are of the upload: a request whose checksum was wrong may have left others behind them."""
    if reception.direct or reception.length is None:
        return parts
    return [part for part in parts if part.number <= -(-reception.length // reception.part_size)]


def assemble(objects: ObjectStore, pieces: Pieces, key: str, reception: Reception) -> None:
    """Make the object, unless that was done; raises `UnavailableError`. Nothing is there when the parts are gone."""
    with suppress(NotFoundError, AlreadyStoredError):
        parts = _counted(reception, list(pieces.parts(key, reception.upload_id or "")))
        if reception.length in {None, sum(part.size for part in parts)}:
            objects.complete(key, reception.upload_id or "", parts, reception.crc or None)
