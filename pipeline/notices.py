"""What S3 tells of new objects, read from its messages; and whose they are, by the rules of pipeline.toml."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from pipeline import keys

PLACEHOLDER = "{projectId}"


@dataclass(frozen=True)
class Rule:
    """Objects whose keys begin with `prefix` are for `project`; without one the prefix names it: `in/{projectId}/`.

    It is of one `bucket`, None for our own.
    """

    prefix: str
    project: str | None = None
    bucket: str | None = None

    def project_of(self, key: str) -> str | None:
        """Whose the object is; None when the rule does not speak of it."""
        if self.project is not None:
            return self.project if key.startswith(self.prefix) and key != self.prefix else None
        before, _, after = self.prefix.partition(PLACEHOLDER)
        match = re.match(f"{re.escape(before)}({keys.PROJECT_ID.pattern}){re.escape(after)}.", key, re.DOTALL)
        return match[1] if match else None


@dataclass(frozen=True)
class Arrival:
    """A new object. `sequencer` orders the events of one key, as text; `etag` is quoted as S3's answers have it."""

    bucket: str
    key: str
    etag: str
    sequencer: str


def project_of(rules: Iterable[Rule], arrival: Arrival, own: str) -> str | None:
    """Whose an object is by the rule with the longest prefix that speaks of it; `own` is our bucket."""
    there = (rule for rule in rules if (rule.bucket or own) == arrival.bucket)
    found = ((len(rule.prefix), project) for rule in there if (project := rule.project_of(arrival.key)) is not None)
    return max(found, default=(0, None))[1]


def read(body: str) -> list[Arrival]:
    """The new objects that a message tells of, of each key the newest; none when it is S3's test or tells of else.

    Understands what S3 sends to SQS, and to SNS that sends it on (AWS: "Event message structure", version 2.x). Raises
    ValueError for anything else.
    """
    said = _object(json.loads(body))
    if said.get("Type") == "Notification":
        said = _object(json.loads(said.get("Message", "")))
    if said.get("Event") == "s3:TestEvent":
        return []
    records = said.get("Records")
    if not isinstance(records, list):
        raise ValueError("the message has no Records")  # noqa: TRY004 - whoever calls asks for well-formed text
    found = [_arrival(record) for record in map(_object, records) if _created(record)]
    newest: dict[tuple[str, str], Arrival] = {}
    for arrival in sorted(found, key=lambda each: _order(each.sequencer)):
        newest[arrival.bucket, arrival.key] = arrival
    return list(newest.values())


def _created(record: Mapping[str, Any]) -> bool:
    return str(record.get("eventName", "")).removeprefix("s3:").startswith("ObjectCreated:")


def _arrival(record: Mapping[str, Any]) -> Arrival:
    try:
        s3 = record["s3"]
        stored = s3["object"]
        etag = str(stored.get("eTag", "")).strip('"')
        # Keys are encoded as form fields are: a space is a plus sign.
        return Arrival(s3["bucket"]["name"], unquote_plus(stored["key"]), f'"{etag}"', str(stored.get("sequencer", "")))
    except (KeyError, TypeError) as error:
        raise ValueError(f"a record lacks {error}") from None


def _order(sequencer: str) -> str:
    """Hexadecimal text of any length, the shorter one filled up with zeros on the right (AWS, the same page)."""
    return sequencer.ljust(64, "0").upper()


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("the message is no JSON object")  # noqa: TRY004 - as above
    return value
