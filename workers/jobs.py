"""What a stage is given and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.plan import Plan
from pipeline.probes import Probe
from pipeline.progress import Report
from workers.processes import Children


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One object a part will have stored when it is whole.

    `suffix` is its key below `renditions/{projectId}/{mediaId}/`; `rendition` the name it has in the record, if any.
    """

    suffix: str
    mime_type: str
    rendition: str | None = None


@dataclass(frozen=True, kw_only=True)
class File:
    """One file a stage has made, ready to be stored. `width` and `height` are pixels, `duration` seconds."""

    suffix: str
    path: Path
    mime_type: str
    rendition: str | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """The outcome of a part: its files in the order they must be stored, the one that makes it whole last."""

    files: tuple[File, ...]
    placeholder: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One part of one media's plan, and all that a stage may use to make it.

    Calling `source` or `fetch` raises the pipeline's errors; `report` takes how far it is and never raises.
    """

    part: str
    probe: Probe
    plan: Plan
    scratch: Path
    """A folder of this job alone: fresh, empty, deleted afterwards."""
    children: Children
    ffmpeg: str
    source: Callable[[], Path]
    """Fetches the original once and gives its local name, which is never the user's."""
    derived: Callable[[str, int, Callable[[Path], None]], Path]
    """A file made of the original, by name, that all parts of the media share: the function writes it where it is told.

    The number is the bytes that it may have.
    """
    fetch: Callable[[str], Path]
    """Fetches a file that an earlier part of this media stored, by its suffix."""
    report: Callable[[Report], None]
    placeholder: bool = True
    """Whether the record lacks one."""
    ahead: Made | None = None
    """What the worker has made already, when it looked at the file: of the same file, perhaps by another plan."""
