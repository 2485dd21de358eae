"""Messages of an SQS queue: each is hidden from others while it is worked on, and comes again unless it is deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.adapters.aws import region
from pipeline.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDDEN = 60
"""Seconds for which a message is hidden once it was received, and again whenever that is extended."""
_WAITING = 10
"""Seconds that a request waits for a message; SQS allows 20, a shutdown waits for it."""
_AT_ONCE = 10


@dataclass(frozen=True)
class Letter:
    """A message; `handle` is good until it is received again."""

    handle: str
    body: str
    received: int


@dataclass(frozen=True)
class Mailbox:
    """One queue. All methods block, and raise `UnavailableError` when SQS is away. Threads may share it."""

    client: "SQSClient"
    url: str

    def receive(self) -> list[Letter]:
        """Up to ten messages, or none after some seconds."""
        with _translated():
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_AT_ONCE,
                WaitTimeSeconds=_WAITING,
                VisibilityTimeout=HIDDEN,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        counted = ((each, each.get("Attributes", {})) for each in answer.get("Messages", ()))
        return [
            Letter(each["ReceiptHandle"], each["Body"], int(count.get("ApproximateReceiveCount", 1)))
            for each, count in counted
        ]

    def hide(self, letter: Letter, seconds: int = HIDDEN) -> None:
        """Hide it for so long from now on; 0 gives it back."""
        with _translated():
            self.client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=letter.handle, VisibilityTimeout=seconds
            )

    def delete(self, letter: Letter) -> None:
        """It is done."""
        with _translated():
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=letter.handle)


def connect(url: str) -> Mailbox:
    """The queue with that URL, with the region and the credentials that boto3's own environment says."""
    retries: Any = {"mode": "standard", "total_max_attempts": 3}
    config = Config(connect_timeout=3, read_timeout=_WAITING + 10, retries=retries)
    return Mailbox(boto3.client("sqs", region_name=region(), config=config), url)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise UnavailableError(f"sqs: {error}") from error
