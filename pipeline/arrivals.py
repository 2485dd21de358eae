"""An object that a client brought to S3 by itself, looked at before it counts as an upload."""

from pipeline.events import Aborted, Stored
from pipeline.limits import Limits, reject
from pipeline.originals import Originals
from pipeline.sniff import HEAD, sniff

_OWN = "crc64nvme"


def arrival(objects: Originals, limits: Limits, key: str) -> Stored | Aborted | None:
    """What became of the upload, None while nothing is there.

    What can be told without fetching it is told at once: its size, and the type by the first bytes.
    """
    found = objects.head(key)
    if found is None:
        return None
    if found.size > limits.bytes:
        return _refused("bytes_exceeded")
    # S3 answers a range of an empty object with an error.
    sniffed = sniff(objects.read(key, HEAD, found.etag)) if found.size else None
    if sniffed is None:
        return _refused("format_unsupported")
    if sniffed.mime_type not in limits.accept:
        return _refused("type_not_accepted")
    told = dict(found.checksums)
    checksum = f"{_OWN}:{told.pop(_OWN)}" if _OWN in told else None  # S3 computes this one where nobody names another
    return Stored(found.size, found.etag, checksum, sniffed.mime_type, sniffed.kind, told or None)


def _refused(reason: str) -> Aborted:
    refusal = reject(reason)
    return Aborted(refusal.reason, refusal.error)
