"""Objects that are in the bucket already become media: one object version, one media, however often it is asked for."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from pipeline import keys
from pipeline.config import Pipeline
from pipeline.errors import NotFoundError, PermanentError
from pipeline.ledger import Ledger
from pipeline.limits import reject
from pipeline.media import Media
from pipeline.names import kept, safe
from pipeline.originals import Originals, originals
from pipeline.ports import Found, ObjectStore
from pipeline.sniff import HEAD, Type, sniff

LONGEST_KEY = 1024
"""UTF-8 bytes, S3's own limit."""
_JOB_ID = re.compile(r"[!-~]{1,128}")
_OURS = ("projects/", "renditions/")


class Adopted(NamedTuple):
    """The media an object became; `new` when this call made it."""

    media_id: str
    new: bool


def adopt(
    ledger: Ledger,
    objects: ObjectStore,
    pipeline: Pipeline,
    project_id: str,
    key: str,
    job_id: str | None = None,
    bucket: str | None = None,
) -> Adopted:
    """Make a media of the object in our bucket, or another; its bytes stay there and are never deleted by us.

    Raises `PermanentError` (`project_id_invalid`, `key_invalid`, `job_id_invalid`, `object_missing`, or a reason of
    `limits.REASONS`) and `UnavailableError`.
    """
    _check(project_id, key, job_id)
    if bucket is None and key.startswith(_OURS):
        raise PermanentError("key_invalid", "Keys under projects/ and renditions/ are Darkroom's own.")
    there = originals(objects, bucket)
    found = there.head(key)
    if found is None:
        raise NotFoundError("object_missing", "There is no object with this key.")
    generation = found.generation or found.etag
    claims = ledger.claims(there.bucket, key, generation, project_id, job_id)
    owner = ledger.owner(claims)
    if owner is not None:
        return Adopted(owner, new=False)
    media = _media(ledger, project_id, (bucket, key), found, _judged(there, pipeline, key, found))
    owner = ledger.adopt(media, claims)
    return Adopted(owner, new=owner == media.id)


def _check(project_id: object, key: object, job_id: object) -> None:
    """Look at what came off a wire, where anything may stand."""
    if not isinstance(project_id, str) or not keys.PROJECT_ID.fullmatch(project_id):
        raise PermanentError("project_id_invalid", "projectId is 1 to 64 letters, digits, '-' or '_'.")
    if not isinstance(key, str) or not key or len(key.encode()) > LONGEST_KEY or key.endswith("/"):
        raise PermanentError("key_invalid", "key names one object of the bucket.")
    if job_id is not None and not (isinstance(job_id, str) and _JOB_ID.fullmatch(job_id)):
        raise PermanentError("job_id_invalid", "jobId is 1 to 128 visible ASCII characters.")


def _judged(objects: Originals, pipeline: Pipeline, key: str, found: Found) -> Type:
    """What can be told before anything is fetched: the size, and the type by the first bytes."""
    if found.size > pipeline.limits.bytes:
        refusal = reject("bytes_exceeded")
        raise PermanentError(refusal.reason, refusal.error)
    # S3 answers a range of an empty object with an error.
    sniffed = sniff(objects.read(key, HEAD, found.etag)) if found.size else None
    if sniffed is None or sniffed.mime_type not in pipeline.limits.accept:
        refusal = reject("type_not_accepted")
        raise PermanentError(refusal.reason, refusal.error)
    return sniffed


def _media(ledger: Ledger, project_id: str, place: tuple[str | None, str], found: Found, sniffed: Type) -> Media:
    bucket, key = place
    name = key.rpartition("/")[2]
    return Media(
        id=keys.new_media_id(),
        project_id=project_id,
        original_name=kept(name),
        file_name=safe(name, sniffed),
        file_type=sniffed.kind,
        mime_type=sniffed.mime_type,
        s3_key=key,
        # Whether the public may read what is in somebody else's bucket, and where, is not ours to know.
        s3_url=f"s3://{bucket}/{key}" if bucket else ledger.site.url(key),
        upload_date=datetime.fromtimestamp(ledger.records.now() / 1000, UTC).isoformat(timespec="milliseconds"),
        position=ledger.next_position(project_id),
        size=found.size,
        adopted=True,
        bucket=bucket,
    )
