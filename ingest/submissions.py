"""What an upload form must say, and in which order: the key of an object needs the project, and S3 has no rename."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from ingest.forms import Event, Field, FileBegin, FileData, FormParser
from ingest.problems import ProblemError
from pipeline.keys import PROJECT_ID

LOOK_AHEAD = 16 * 1024 * 1024
"""Bytes of a file that are read and dropped to learn whether its missing projectId merely comes too late."""


@dataclass(frozen=True)
class Submission:
    """An upload whose file begins now. `original_name` is what the client called it, empty if it did not.

    `headers` are those of the file's part in a form, their names in lower case.
    """

    project_id: str
    original_name: str
    field_name: str
    headers: tuple[tuple[str, str], ...] = ()


def project_of(given: Iterable[str]) -> str | None:
    """The one project that all of these name, None if there are none; raises `ProblemError`."""
    names = set(given)
    if len(names) > 1:
        raise ProblemError("project_id_conflict")
    if any(not PROJECT_ID.fullmatch(name) for name in names):
        raise ProblemError("project_id_invalid")
    return names.pop() if names else None


class Form:
    """An upload form being read: `open` up to its file, then `file` to its end. `project_id` may come from outside."""

    def __init__(self, body: AsyncIterator[bytes], parser: FormParser, project_id: str | None) -> None:
        """Nothing is read yet."""
        self._parser = parser
        self._events = self._parse(body)
        self._project_id = project_id
        self._chosen = False

    async def open(self) -> Submission:
        """Read the fields before the file; raises `ProblemError`."""
        name = ""
        async for event in self._events:
            match event:
                case Field("projectId", value):
                    self._project_id = project_of([value, *([self._project_id] if self._project_id else [])])
                case Field("fileName", value):
                    name = value
                case FileBegin(field, file_name, headers):
                    if field != "file":
                        raise ProblemError("unexpected_file")
                    if self._project_id is None:
                        raise await self._misplaced()
                    # A browser sends the field without a name when nobody chose a file.
                    self._chosen = file_name != ""
                    return Submission(self._project_id, name or file_name or "", field, headers)
                case _:
                    """A field that is none of ours."""
        raise ProblemError("no_file")

    async def file(self) -> AsyncIterator[memoryview]:
        """The file's bytes. It ends only if the whole form is well; raises `ProblemError` otherwise."""
        size = 0
        async for event in self._events:
            match event:
                case FileData(view):
                    size += len(view)
                    yield view
                case FileBegin(field):
                    raise ProblemError("two_files" if field == "file" else "unexpected_file")
                case Field("projectId", value) if value != self._project_id:
                    raise ProblemError("project_id_conflict")
                case _:
                    """A field after the file comes too late to matter."""
        if not size:
            raise ProblemError("file_empty" if self._chosen else "no_file")

    async def _parse(self, body: AsyncIterator[bytes]) -> AsyncIterator[Event]:
        async for chunk in body:
            for event in self._parser.feed(chunk):
                yield event
        if not self._parser.whole:
            raise ProblemError("form_truncated")

    async def _misplaced(self) -> ProblemError:
        skipped = 0
        async for event in self._events:
            match event:
                case Field("projectId", _):
                    return ProblemError("project_id_after_file")
                case FileData(view) if skipped < LOOK_AHEAD:
                    skipped += len(view)
                case FileData():
                    break
                case _:
                    """Neither tells."""
        return ProblemError("project_id_missing")
