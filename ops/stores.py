"""Which record store a stack on one machine uses: SQLite, DynamoDB Local, or the DynamoDB that is named."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ops import dynamodb_local

TABLES = {"MEDIA_TABLE": "darkroom-media", "TASKS_TABLE": "darkroom-tasks"}

KEY_PAIR = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class NoStoreError(Exception):
    """The environment asks for a record store that cannot be had; the text says what to set."""


@dataclass(frozen=True)
class Store:
    """What every process has to know, and whether DynamoDB Local is to be started for it."""

    env: Mapping[str, str]
    embedded: bool = False


def choose(environ: Mapping[str, str], sqlite: Path, dynamodb_url: str) -> Store:
    """Return the store that RECORDS asks for; `sqlite` and `dynamodb_url` are where our own ones are.

    For `dynamodb` an endpoint that is named comes first, then DynamoDB Local if its licence is accepted, and the
    account that ambient credentials lead to only last: nobody's tables are made there by surprise.

    Raises:
        NoStoreError: RECORDS has another value, or nothing of the above is given.
        NotAcceptedError: DYNAMODB_LOCAL_LICENCE is set to anything but `accept`.
    """
    tables = {name: environ.get(name) or default for name, default in TABLES.items()}
    records = environ.get("RECORDS") or "sqlite"
    if records == "sqlite":
        return Store({"RECORDS": "sqlite", "SQLITE_PATH": str(sqlite)})
    if records != "dynamodb":
        raise NoStoreError(f"RECORDS is {records!r}: give sqlite or dynamodb")
    env = {"RECORDS": "dynamodb", **tables}
    if endpoint := environ.get("AWS_ENDPOINT_URL_DYNAMODB"):
        return Store({**env, "AWS_ENDPOINT_URL_DYNAMODB": endpoint, **_given(environ)})
    if licence := environ.get("DYNAMODB_LOCAL_LICENCE"):
        dynamodb_local.require(licence)
        return Store({**env, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url}, embedded=True)
    if all(name in environ for name in KEY_PAIR):
        return Store({**env, **_given(environ)})
    raise NoStoreError(
        "RECORDS=dynamodb needs one of these:\n"
        "  - AWS_ENDPOINT_URL_DYNAMODB, the address of a DynamoDB server\n"
        f"  - DYNAMODB_LOCAL_LICENCE=accept, to have DynamoDB Local fetched for you; read {dynamodb_local.LICENCE}\n"
        "  - AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, to use the tables of an AWS account"
    )


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's own AWS credentials; the local S3 then takes the same, since boto3 knows one pair only."""
    given = {name: environ[name] for name in (*KEY_PAIR, "AWS_SESSION_TOKEN") if name in environ}
    if region := environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"):
        given |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return given
