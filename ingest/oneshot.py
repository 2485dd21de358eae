"""A small file, whole in memory, on its way in: intended, stored and committed by one thread, in this order.

Nothing is known of it to anybody before its last byte came, so that a client that goes away before leaves nothing to
be taken back; and a photo costs one change of threads, not one for each step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.leases import Hold
from ingest.settling import public, settled, take_back, taken
from ingest.streaming import verified
from pipeline.adapters import checksums
from pipeline.adapters.checksums import crc64
from pipeline.errors import AlreadyStoredError, DarkroomError
from pipeline.events import Stored
from pipeline.ledger import Ledger
from pipeline.media import Media
from pipeline.ports import Label, ObjectStore

SMALL = 1024 * 1024
"""Bytes up to which a file is read before anything is written."""


@dataclass(frozen=True)
class OneShot:
    """`digests` are those of the client that the body was found to have."""

    ledger: Ledger
    objects: ObjectStore
    hold: Hold
    label: Label
    body: bytes
    digests: Mapping[str, str]

    def run(self) -> Media:
        """The record once it says that the file is stored. Blocks; raises `ProblemError`."""
        task, media = self.hold.begin()
        try:
            self.hold.ensure()
            etag = self._store(media.s3_key)
        except Exception as error:
            take_back(task, error, self.ledger)
            if isinstance(error, DarkroomError):
                raise public(error) from error
            raise
        stored = Stored(len(self.body), etag, f"{checksums.NAME}:{crc64(self.body)}", digests=self.digests or None)
        return taken(settled(task, stored, self.ledger, media))

    def _store(self, key: str) -> str:
        try:
            return self.objects.put(key, self.body, self.label)
        except AlreadyStoredError:  # the key is ours alone: an answer was lost
            return verified(self.objects, key, len(self.body))
