"""What a webhook says: one message for each settlement of a media, in the form of Standard Webhooks."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.media import Media
from pipeline.rows import public
from pipeline.tasks import Task

MOST_BYTES = 20_000
"""Standard Webhooks, "Payload size": receivers may refuse more."""
_ESSENTIAL = ("id", "projectId", "status", "reason", "error", "fileType", "mimeType", "s3Key", "size", "version")


@dataclass(frozen=True)
class Message:
    """`id` is the same however often the message is sent: by it a receiver knows what it has had already."""

    id: str
    body: bytes


def message(media: Media, task: Task) -> Message:
    """The message that an outbox row (`record#{status}#{round}`) asks for.

    `type` names the settlement, `data` is the record as it stands now: `version` tells which of two is the newer. A
    record too long for a message is cut to what names it.
    """
    _, status, round_ = task.key.split("#")
    settled = media.settled_at if media.status == status and media.settled_at else task.owed_at
    at = datetime.fromtimestamp(settled / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = public(media)
    body = _json({"type": f"media.{status}", "timestamp": at, "data": data})
    if len(body) >= MOST_BYTES:
        named = {name: data[name] for name in _ESSENTIAL if name in data}
        body = _json({"type": f"media.{status}", "timestamp": at, "data": named})
    return Message(f"{media.id}_{status}_{round_}", body)


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
