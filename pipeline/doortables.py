"""The tables of `pipeline.toml` that are about how files come in."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from pipeline import units
from pipeline.keys import PROJECT_ID
from pipeline.notices import PLACEHOLDER
from pipeline.tables import Bytes, Seconds, Table, unit


class IngestTable(Table):
    """What uploads may take of one ingest process."""

    memory: Bytes = 128 * 1024 * 1024
    idle: Seconds = 60.0
    total: Seconds = 14_400.0
    prompt: Seconds = 0.8

    @field_validator("memory")
    @classmethod
    def _some_parts(cls, memory: int) -> int:
        if memory < 16 * 1024 * 1024:
            raise ValueError("16 MiB is the least: a part of an upload takes 5")
        return memory


class Grants(Table):
    """How long an upload may stay incomplete: since its last byte where it can be resumed, in all where S3 takes it."""

    resumable: Seconds = 86_400.0
    direct: Seconds = 43_200.0
    form: Seconds = 3_600.0


class Callers(Table):
    """What one API key or upload token may ask for, unless a key has bounds of its own."""

    rate: Annotated[tuple[int, int], Field(strict=False), unit(units.frequency)] = (1000, 1)
    bytes_at_once: Bytes = 20 * 10**9


class EventsRule(Table):
    """Whose the objects are that others put into a bucket under a prefix; into our own, unless it says another."""

    prefix: Annotated[str, Field(max_length=512)] = ""
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    project: Annotated[str, Field(pattern=rf"^{PROJECT_ID.pattern}$")] | None = None

    @model_validator(mode="after")
    def _names_a_project(self) -> Self:
        if (self.project is None) == (self.prefix.count(PLACEHOLDER) == 0) or self.prefix.count(PLACEHOLDER) > 1:
            raise ValueError(f"say whose they are: by project, or by one {PLACEHOLDER} in the prefix")
        if self.bucket is None and not self.prefix:
            raise ValueError("say under which prefix of our bucket they are")
        if self.bucket is None and self.prefix.startswith(("projects/", "renditions/")):
            raise ValueError("what is under projects/ and renditions/ is Darkroom's own")
        return self
