"""snake_case here, the camelCase attributes that consumers read in the stores: translated in this one place."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from pipeline.media import Media, Output, Status
from pipeline.tasks import Task, TaskStatus

Row = dict[str, Any]

# Where camelCase of the Python name would not be the stored name.
_STORED = {"media_id": "mediaId", "key": "task"}
# What the public view of a record leaves out: the pipeline's own book-keeping.
_PRIVATE = frozenset({"plan", "done", "round", "grantUntil", "adopted", "partial", "readyBytes", "backfill"})


def media_row(media: Media) -> Row:
    """The item of the media table; absent and empty attributes are left out."""
    row = {camel(f.name): getattr(media, f.name) for f in fields(Media)}
    row["status"] = media.status.value
    row["done"] = sorted(media.done)
    row["renditions"] = {name: _output_row(output) for name, output in media.renditions.items()}
    return {name: value for name, value in row.items() if value is not None and value != [] and value is not False}


def media_of(row: Mapping[str, Any]) -> Media:
    """A record from its item."""
    values = {f.name: row[camel(f.name)] for f in fields(Media) if camel(f.name) in row}
    values["position"] = row.get("position")
    values["status"] = Status(row["status"])
    values["done"] = frozenset(row.get("done", ()))
    values["renditions"] = {name: _output_of(output) for name, output in row.get("renditions", {}).items()}
    return Media(**values)


def task_of(row: Mapping[str, Any]) -> Task:
    """A task from its item."""
    values = {f.name: row[name] for f in fields(Task) if (name := _task_name(f.name)) in row}
    return Task(**{**values, "status": TaskStatus(row["status"])})


def public(media: Media) -> Row:
    """The record as JSON for clients: the stored attributes less the pipeline's own."""
    return {name: value for name, value in media_row(media).items() if name not in _PRIVATE}


@cache
def camel(name: str) -> str:
    """`leaseUntil` of `lease_until`; `s3Key` of `s3_key`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _task_name(name: str) -> str:
    return _STORED.get(name) or camel(name)


def _output_row(output: Output) -> Row:
    return {camel(f.name): value for f in fields(Output) if (value := getattr(output, f.name)) is not None}


def _output_of(row: Mapping[str, Any]) -> Output:
    return Output(**{f.name: row[camel(f.name)] for f in fields(Output) if camel(f.name) in row})
