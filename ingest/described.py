"""A media as it is before its first byte is stored."""

from datetime import UTC, datetime

from pipeline import keys, names
from pipeline.events import Recognised
from pipeline.lifecycle import Site
from pipeline.media import Media
from pipeline.ports import Label
from pipeline.sniff import Type


def described(site: Site, project_id: str, original_name: str, found: Type) -> Media:
    """A new record; its position is drawn with the intent."""
    media_id = keys.new_media_id()
    name = names.safe(original_name, found)
    key = keys.original(project_id, media_id, name)
    return Media(
        id=media_id,
        project_id=project_id,
        original_name=names.kept(original_name or name),
        file_name=name,
        file_type=found.kind,
        mime_type=found.mime_type,
        s3_key=key,
        s3_url=site.url(key),
        upload_date=datetime.now(UTC).isoformat(timespec="milliseconds"),
        position=None,
    )


def recognised(media: Media, found: Type) -> Recognised:
    """What the first bytes say of a media that was described without them."""
    name = names.safe(media.original_name, found)
    return Recognised(found.mime_type, found.kind, name, keys.original(media.project_id, media.id, name))


def label_of(media: Media, field_name: str) -> Label:
    """What its object carries in S3; `field_name` is where in the request the file was."""
    facts = {"projectId": media.project_id, "mediaId": media.id, "fieldName": field_name}
    return Label(media.mime_type, facts, disposition=names.disposition(media.file_name))
