"""Objects that others put into a bucket become media, as S3 tells of them by an SQS queue (`darkroom events`).

At least once and in any order, so that nothing here counts on either: the same object makes one media by its row. A
message is deleted when all that it tells of is done or refused for good. What cannot be read is left to the queue,
which sets it aside after as many receives as its redrive policy says.
"""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from pipeline import notices
from pipeline.adapters.sqs import HIDDEN, Letter, Mailbox
from pipeline.adoption import adopt
from pipeline.config import Pipeline
from pipeline.errors import ChangedError, PermanentError, UnavailableError
from pipeline.ledger import Ledger
from pipeline.notices import Arrival
from pipeline.ports import ObjectStore

log = structlog.get_logger()

_AT_ONCE = 10
_AGAIN = 2.0
"""Seconds to wait when something is away."""


@dataclass(frozen=True)
class Notices:
    """`stopping` ends `run`."""

    ledger: Ledger
    objects: ObjectStore
    pipeline: Pipeline
    mailbox: Mailbox
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Take messages until told to stop."""
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            while not self.stopping.is_set():
                try:
                    # Asked before, since every receive counts towards being set aside: nothing is while we cannot work.
                    self.ledger.records.ping()
                    self.objects.ping()
                    letters = self.mailbox.receive()
                except UnavailableError as error:
                    log.warning("events_not_received", error=str(error))
                    self.stopping.wait(_AGAIN)
                    continue
                list(threads.map(self.take, letters))

    def take(self, letter: Letter) -> None:
        """Do what one message asks for, and delete it; if that cannot be done now, give it back for later."""
        with self._hidden(letter):
            try:
                for arrival in notices.read(letter.body):
                    self._adopt(arrival)
                self.mailbox.delete(letter)
            except ValueError as error:
                log.warning("event_unreadable", error=str(error), received=letter.received)
            except UnavailableError as error:
                log.warning("event_put_off", error=str(error), received=letter.received)
                with suppress(UnavailableError):
                    self.mailbox.hide(letter, random.randint(5, 15))  # noqa: S311 - so that not all come at once

    def _adopt(self, arrival: Arrival) -> None:
        own = self.objects.bucket
        project_id = notices.project_of(self.pipeline.events, arrival, own)
        if project_id is None:
            log.debug("event_ignored", bucket=arrival.bucket, key=arrival.key)
            return
        try:
            bucket = None if arrival.bucket == own else arrival.bucket
            media_id, new = adopt(self.ledger, self.objects, self.pipeline, project_id, arrival.key, bucket=bucket)
        except ChangedError as error:
            # It was replaced between our two looks at it: this very message makes us look again.
            raise UnavailableError(f"s3: {error}") from error
        except PermanentError as error:
            if error.reason == "project_deleting":
                raise UnavailableError(str(error)) from error
            log.info("object_refused", project_id=project_id, key=arrival.key, reason=error.reason)
        else:
            log.info("object_adopted" if new else "object_known", project_id=project_id, media_id=media_id)

    @contextmanager
    def _hidden(self, letter: Letter) -> Iterator[None]:
        """Keep the message from others for as long as this takes."""
        done = threading.Event()

        def extend() -> None:
            while not done.wait(HIDDEN / 3):
                with suppress(UnavailableError):
                    self.mailbox.hide(letter)

        extending = threading.Thread(target=extend, name="extend", daemon=True)
        extending.start()
        try:
            yield
        finally:
            done.set()
            extending.join()
