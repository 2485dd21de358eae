"""multipart/form-data (RFC 7578), pushed in as it comes and handed on as events; nothing is kept but small fields."""

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ingest.problems import ProblemError

MOST_PARTS = 64
LONGEST_FIELD = 16 * 1024
"""Bytes of a field's value, and of one header line of a part: a file name of 10 kB is still taken."""

LONGEST_BOUNDARY = 70  # RFC 2046, section 5.1.1
LONGEST_EPILOGUE = 8 * 1024


@dataclass(frozen=True)
class Field:
    """A field that holds text."""

    name: str
    value: str


@dataclass(frozen=True)
class FileBegin:
    """From here on the bytes are a file's; `file_name` is the client's word, None if it gave none.

    `headers` are the other headers of the part, their names in lower case.
    """

    name: str
    file_name: str | None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FileData:
    """The next bytes of the file, valid as long as they are held; they are a view of the chunk that came."""

    view: memoryview


Event = Field | FileBegin | FileData


def boundary_of(content_type: str | None) -> bytes:
    """The form's boundary; raises `ProblemError` when the body is no form or names none."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise ProblemError("not_multipart")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= LONGEST_BOUNDARY:
        raise ProblemError("boundary_missing")
    return boundary


class FormParser:
    """Feed it the body chunk by chunk; `whole` says whether the closing boundary was seen."""

    def __init__(self, boundary: bytes) -> None:
        """Start before the first part."""
        self.whole = False
        self._events: list[Event] = []
        self._parts = 0
        self._epilogue = 0
        self._header = (bytearray(), bytearray())
        self._disposition: str | None = None
        self._headers: list[tuple[str, str]] = []
        self._field: tuple[str, bytearray] | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
            max_header_size=LONGEST_FIELD,
        )

    def feed(self, chunk: bytes) -> list[Event]:
        """What the chunk brought; raises `ProblemError` when it breaks the form's rules or bounds."""
        if self.whole:
            self._epilogue += len(chunk)
            if self._epilogue > LONGEST_EPILOGUE:
                raise ProblemError("malformed_form")
            return []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise ProblemError("malformed_form") from error
        events, self._events = self._events, []
        return events

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise ProblemError("too_many_fields")
        self._disposition = None
        self._headers = []
        self._field = None

    def _header_end(self) -> None:
        name, value = (bytes(part).decode(errors="replace") for part in self._header)
        self._header = (bytearray(), bytearray())
        if name.lower() == "content-disposition":
            self._disposition = value
        else:
            self._headers.append((name.lower(), value))

    def _headers_finished(self) -> None:
        # The parser reads header values as latin-1, browsers and curl write UTF-8: there and back again.
        wire = (self._disposition or "").encode().decode("latin-1")
        kind, options = parse_options_header(wire)
        words = {key: value.decode(errors="replace") for key, value in options.items()}
        if kind != b"form-data" or b"name" not in words:
            raise ProblemError("malformed_form")
        if b"filename" in words or words[b"name"] == "file":
            self._events.append(FileBegin(words[b"name"], words.get(b"filename"), tuple(self._headers)))
        else:
            self._field = (words[b"name"], bytearray())

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._events.append(FileData(memoryview(data)[start:end]))
            return
        value = self._field[1]
        value += memoryview(data)[start:end]
        if len(value) > LONGEST_FIELD:
            raise ProblemError("field_too_large")

    def _part_end(self) -> None:
        if self._field is not None:
            name, value = self._field
            self._events.append(Field(name, value.decode(errors="replace")))

    def _end(self) -> None:
        self.whole = True
