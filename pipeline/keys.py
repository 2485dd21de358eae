"""Every S3 key and every id. A key is the idempotency: deterministic and written once."""

import re
import secrets
import time

PROJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
MEDIA_ID = re.compile(r"media_[0-9a-f]{32}")
_HOME = re.compile(rf"(?:projects/{PROJECT_ID.pattern}/media|renditions/{PROJECT_ID.pattern})/({MEDIA_ID.pattern})/")


def new_media_id() -> str:
    """`media_` + a UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then random, so that ids sort by time."""
    millis = time.time_ns() // 1_000_000
    chance = secrets.randbits(74)
    value = millis << 80 | 0x7 << 76 | chance >> 62 << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    return f"media_{value:032x}"


def original(project_id: str, media_id: str, file_name: str) -> str:
    """Where an uploaded file goes."""
    return f"{originals(project_id, media_id)}{file_name}"


def originals(project_id: str, media_id: str) -> str:
    """The prefix that holds one media's original and nothing else."""
    return f"projects/{project_id}/media/{media_id}/"


def tails(project_id: str, media_id: str) -> str:
    """The prefix of the bytes of a resumable upload that are too few for a part."""
    return f"{originals(project_id, media_id)}.tail/"


def tail(project_id: str, media_id: str, epoch: int) -> str:
    """Where the holder of that epoch leaves such bytes."""
    return f"{tails(project_id, media_id)}{epoch}"


def renditions(project_id: str, media_id: str) -> str:
    """The prefix that holds all renditions of one media and nothing else."""
    return f"renditions/{project_id}/{media_id}/"


def of_project(project_id: str) -> tuple[str, str]:
    """The prefixes that hold everything of a project and nothing else."""
    return f"projects/{project_id}/", f"renditions/{project_id}/"


def rendition(project_id: str, media_id: str, suffix: str) -> str:
    """Where one file of a rendition goes; `suffix` carries the recipe."""
    return f"{renditions(project_id, media_id)}{suffix}"


def home(key: str) -> str | None:
    """The prefix of one media that the key lies under; None when it is none of ours."""
    match = _HOME.match(key)
    return match[0] if match else None


def inhabitant(prefix: str) -> str | None:
    """The id of the media whose prefix that is."""
    match = _HOME.fullmatch(prefix)
    return match[1] if match else None
