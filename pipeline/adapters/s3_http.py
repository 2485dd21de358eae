"""Requests to one bucket, signed and sent by ourselves.

The SDK takes 1.3 to 1.6 ms of CPU for each call, which is most of what a photo costs; this takes a tenth of it.
"""

import hashlib
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from pipeline.adapters import sigv4
from pipeline.adapters.aws import Place
from pipeline.adapters.s3_errors import refusal
from pipeline.adapters.sigv4 import Credentials
from pipeline.adapters.wire import Answer, Buffer, Patience, Sink, Wire, proxy_for
from pipeline.errors import AlreadyStoredError, UnavailableError

PAUSES = (0.25, 1.0)
"""Seconds between attempts at one request; each is shortened by up to half."""

_OK = range(200, 300)
_ELSEWHERE = frozenset({301, 302, 307})


class MovedError(UnavailableError):
    """S3 named another region, or another time of day: the next attempt goes by it."""


@dataclass(frozen=True)
class Request:
    """One call: `key` of the object, `query` of the operation."""

    method: str
    key: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Buffer = b""


@dataclass(frozen=True)
class _Way:
    """How requests go at the moment."""

    place: Place
    wire: Wire
    private: bool


class S3Http:
    """`locate` says where the bucket is, by default or in a region; `credentials` who we are at the moment.

    `certificates` says whom to trust there; threads may share it.
    """

    def __init__(
        self,
        locate: Callable[[str | None], Place],
        credentials: Callable[[], Credentials],
        certificates: Callable[[str], ssl.SSLContext | None],
        patience: Patience,
    ) -> None:
        """Nothing is contacted yet."""
        self._locate, self._credentials, self._certificates, self.patience = locate, credentials, certificates, patience
        self._way = self._way_to(locate(None))
        self._skew = 0.0
        self._moving = threading.Lock()

    @property
    def place(self) -> Place:
        """Where requests go at the moment."""
        return self._way.place

    def send(self, request: Request, sink: Sink | None = None) -> Answer:
        """One HTTP attempt; raises what `s3_errors.refusal` makes of a refusal, `UnavailableError` without an answer.

        A write that finds its key taken is told so by `AlreadyStoredError`. What is read goes into the `sink`.
        """
        way = self._way
        path, query = sigv4.path_of(way.place.base + request.key), sigv4.query_of(request.query)
        headers = sigv4.signed(
            request.method,
            path,
            query,
            {"host": way.place.host, **request.headers},
            sigv4.UNSIGNED if way.private else hashlib.sha256(request.body).hexdigest(),
            credentials=self._credentials(),
            region=way.place.region,
            at=time.time() + self._skew,
        )
        answer = way.wire.ask(request.method, f"{path}?{query}" if query else path, headers, request.body, sink)
        root = _document(answer)
        failed = root is not None and root.tag.rpartition("}")[2] == "Error"  # S3 says so under a 200, too
        if answer.status in _OK and not failed:
            return answer
        said = {} if root is None else {child.tag.rpartition("}")[2]: child.text or "" for child in root}
        self._learn(way, answer, said)
        status = 500 if answer.status in _OK else answer.status
        text = f"{request.method} {status} {said.get('Code', '')} {said.get('Message', '')}"
        taken = AlreadyStoredError(request.key) if "if-none-match" in request.headers else None
        raise refusal(status, said.get("Code", ""), text, taken)

    def _learn(self, way: _Way, answer: Answer, said: Mapping[str, str]) -> None:
        """Raise `MovedError` when it says how the next attempt can do better."""
        code, region = said.get("Code"), answer.headers.get("x-amz-bucket-region") or said.get("Region")
        bad = answer.status == HTTPStatus.BAD_REQUEST  # of a HEAD, whose answer has no code
        if code == "RequestTimeTooSkewed" and "date" in answer.headers:
            there = parsedate_to_datetime(answer.headers["date"]).timestamp()
            self._skew = there - time.time()
            raise MovedError(f"s3: this machine's clock is {-self._skew:.0f} s ahead")
        if (
            region
            and region != way.place.region
            and (answer.status in _ELSEWHERE or code == "AuthorizationHeaderMalformed" or (bad and not code))
        ):
            with self._moving:
                if self._way is way:
                    self._way = self._way_to(self._locate(region))
            raise MovedError(f"s3: the bucket is in {region}")

    def _way_to(self, place: Place) -> _Way:
        wire = Wire(place.origin, self.patience, self._certificates(place.origin), proxy_for(place.origin))
        return _Way(place, wire, private=_private(place.origin))


def text_of(answer: Answer, name: str) -> str:
    """The text of an element of the answer's document; raises `UnavailableError` when there is none."""
    root = _document(answer)
    found = None if root is None else next((each for each in root if each.tag.rpartition("}")[2] == name), None)
    if found is None or not found.text:
        raise UnavailableError(f"s3: an answer without {name}")
    return found.text


def etag_of(answer: Answer) -> str:
    """The ETag, with its quotes: of what a PUT stored it is in a header, of what was completed in the document."""
    return answer.headers.get("etag") or text_of(answer, "ETag")


def _document(answer: Answer) -> ET.Element | None:
    if not answer.body.strip():
        return None
    try:
        return ET.fromstring(answer.body)  # noqa: S314 - of a server that we trust with all we have
    except ET.ParseError:
        return None


def _private(origin: str) -> bool:
    """Whether nobody on the way could change a payload that is not signed."""
    parts = urlsplit(origin)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
