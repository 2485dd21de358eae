"""An object that a client brought to S3 by itself, looked at before it counts as an upload."""

from collections.abc import Mapping

from pipeline.events import Aborted, Stored
from pipeline.limits import Limits, reject
from pipeline.originals import Originals
from pipeline.sniff import HEAD, sniff

_OWN = "crc64nvme"


def arrival(objects: Originals, limits: Limits, key: str, announced: Mapping[str, str]) -> Stored | Aborted | None:
    """What became of the upload, None while nothing is there.

    What can be told without fetching it is told at once: its size, the type by the first bytes, and whether it is what
    its client `announced`, by the digests that S3 keeps of it. The others are left to whoever fetches it.
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
    told = found.checksums
    if any(told.get(name, value) != value for name, value in announced.items()):
        return _refused("digest_mismatch")
    checksum = f"{_OWN}:{told[_OWN]}" if _OWN in told else None  # S3 computes this one where nobody names another
    return Stored(
        found.size,
        found.etag,
        checksum,
        sniffed.mime_type,
        sniffed.kind,
        digests={name: value for name, value in told.items() if name != _OWN or name in announced} or None,
        announced={name: value for name, value in announced.items() if name not in told} or None,
    )


def _refused(reason: str) -> Aborted:
    refusal = reject(reason)
    return Aborted(refusal.reason, refusal.error)
