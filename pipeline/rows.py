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
_PRIVATE = frozenset(
    {"plan", "done", "round", "grantUntil", "adopted", "partial", "readyBytes", "backfill", "announced"}
)


def media_row(media: Media) -> Row:
    """The item of the media table; absent and empty attributes are left out."""
    row = {stored: getattr(media, name) for name, stored in _MEDIA}
    row["status"] = media.status.value
    row["done"] = sorted(media.done)
    row["renditions"] = {name: _output_row(output) for name, output in media.renditions.items()}
    return {name: value for name, value in row.items() if value is not None and value != [] and value is not False}


def media_of(row: Mapping[str, Any]) -> Media:
    """A record from its item."""
    values = {name: row[stored] for name, stored in _MEDIA if stored in row}
    values["position"] = row.get("position")
    values["status"] = Status(row["status"])
    values["done"] = frozenset(row.get("done", ()))
    values["renditions"] = {name: _output_of(output) for name, output in row.get("renditions", {}).items()}
    return Media(**values)


def task_of(row: Mapping[str, Any]) -> Task:
    """A task from its item."""
    values = {name: row[stored] for name, stored in _TASK if stored in row}
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
    return {stored: value for name, stored in _OUTPUT if (value := getattr(output, name)) is not None}


def _output_of(row: Mapping[str, Any]) -> Output:
    return Output(**{name: row[stored] for name, stored in _OUTPUT if stored in row})


# Python name and stored name, of every attribute.
_MEDIA = tuple((each.name, camel(each.name)) for each in fields(Media))
_TASK = tuple((each.name, _task_name(each.name)) for each in fields(Task))
_OUTPUT = tuple((each.name, camel(each.name)) for each in fields(Output))
