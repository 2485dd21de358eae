"""What the stages of one worker process work with."""

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import Pipeline
from pipeline.ledger import Ledger
from pipeline.ports import ObjectStore, Pieces, Queue, Webhooks
from workers.cache import DiskCache
from workers.holding import Shift
from workers.pool import Pool


@dataclass(frozen=True)
class Tools:
    """`scratch` is a folder for this process, `ffmpeg` the program's absolute path, `cache` what the machine keeps."""

    ledger: Ledger
    objects: ObjectStore
    pieces: Pieces
    queue: Queue
    pipeline: Pipeline
    scratch: Path
    ffmpeg: str
    shift: Shift
    webhooks: Webhooks | None = None
    cache: DiskCache | None = None
    pool: Pool = field(default_factory=Pool)
