"""Calls to DynamoDB, signed and sent by ourselves: the SDK takes 1.5 ms of CPU for each, and a photo some fifteen.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

import hashlib
import json
import random
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.adapters import sigv4
from pipeline.adapters.aws import Account, Place
from pipeline.adapters.clock import StoreClock, monotonic
from pipeline.adapters.sigv4 import Credentials
from pipeline.adapters.wire import Answer, Patience, StaleError, Wire, proxy_for
from pipeline.errors import UnavailableError

# Three attempts at 5 s and their pauses: half a lease, so that a holder notices in time.
PATIENCE = Patience(connecting=1, sending=1, answering=3)
_PAUSES = (0.1, 0.4)  # seconds; each is shortened by up to half

_TARGET = "DynamoDB_20120810"
_OK = 200
_SERVER_ERRORS = 500
_PASSING = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "InternalServerError",
        "InvalidSignatureException",  # perhaps by a clock that was off: the answer has set it
    }
)


class AnswerError(Exception):
    """DynamoDB refused: `code` is the exception's name, `document` all that it said."""

    def __init__(self, operation: str, status: int, document: Mapping[str, Any]) -> None:
        self.code = str(document.get("__type", status)).rpartition("#")[2]
        self.document = document
        self.passing = status >= _SERVER_ERRORS or self.code in _PASSING
        """Whether it may be gone at the next attempt."""
        super().__init__(f"{operation} {self.code}: {document.get('message') or document.get('Message') or ''}")


@dataclass(frozen=True)
class DynamoHttp:
    """One endpoint, for any number of threads. Every reply sets the clock."""

    place: Place
    wire: Wire
    credentials: Callable[[], Credentials]
    clock: StoreClock = field(default_factory=StoreClock)

    def call(self, operation: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The document that answers, after up to three attempts; a repeated transaction carries the token of the first.

        Raises `AnswerError`, and `UnavailableError` when no answer came.
        """
        token = {"ClientRequestToken": str(uuid.uuid4())} if operation == "TransactWriteItems" else {}
        body = json.dumps({**wanted, **token}).encode()
        for pause in (*_PAUSES, None):
            try:
                return self._attempt(operation, body)
            except AnswerError as error:
                if pause is None or not error.passing:
                    raise
            except StaleError:
                if pause is None:
                    raise
                continue
            except UnavailableError:
                if pause is None:
                    raise
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, operation: str, body: bytes) -> dict[str, Any]:
        headers = sigv4.signed(
            "POST",
            self.place.base,
            "",
            {
                "host": self.place.host,
                "content-type": "application/x-amz-json-1.0",
                "x-amz-target": f"{_TARGET}.{operation}",
            },
            hashlib.sha256(body).hexdigest(),
            credentials=self.credentials(),
            region=self.place.region,
            at=self._seconds(),
            service="dynamodb",
        )
        sent = monotonic()
        answer = self.wire.ask("POST", self.place.base, headers, body)
        self.clock.observe(sent, answer.headers)
        document = _document(answer)
        if answer.status != _OK:
            raise AnswerError(operation, answer.status, document)
        return document

    def _seconds(self) -> float:
        """The store's time, once it is known: it takes no signature of another."""
        there = self.clock.now()
        return time.time() if there is None else there / 1000


def connect(account: Account) -> DynamoHttp:
    """DynamoDB as the account has it; nothing is contacted yet."""
    place = account.records()
    wire = Wire(place.origin, PATIENCE, account.certificates(place.origin), proxy_for(place.origin))
    return DynamoHttp(place, wire, account.credentials)


def _document(answer: Answer) -> dict[str, Any]:
    """What the body says; one that came damaged is no answer. The checksum is DynamoDB's own."""
    checksum = answer.headers.get("x-amz-crc32")
    if checksum is not None and checksum.isdecimal() and int(checksum) != zlib.crc32(answer.body):
        raise UnavailableError("dynamodb: an answer came with other bytes than it was sent with")
    try:
        document = json.loads(answer.body or b"{}")
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    if answer.status == _OK:
        raise UnavailableError("dynamodb: an answer is no JSON")
    return {}
