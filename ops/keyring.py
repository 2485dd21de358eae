"""`darkroom keys`: API keys made, listed and revoked."""

import argparse
import json
from datetime import UTC, datetime

from rich.console import Console

from ops import listings
from pipeline import apikeys
from pipeline.apikeys import EVERY, RIGHTS, ApiKey
from pipeline.ports import Records
from pipeline.units import frequency, size

_HEADINGS = ("id", "name", "projects", "rights", "rate", "bytes", "created", "revoked")


class UnknownKeyError(Exception):
    """There is no such key, or it was revoked before; the text says so."""


class WrongKeyError(Exception):
    """No key can be made of what was said; the text says why."""


def create(records: Records, given: argparse.Namespace) -> None:
    """Make a key and print it, alone on standard output.

    Raises:
        WrongKeyError: what was said makes none.
    """
    try:
        if given.rate:
            frequency(given.rate)
        most = size(given.bytes) if given.bytes else None
        key = apikeys.create(records, given.name, given.project, given.right or RIGHTS, rate=given.rate, bytes=most)
    except ValueError as error:
        raise WrongKeyError(f"No key was made: {error}") from None
    print(key)
    Console(stderr=True).print("Keep it now: only its hash is stored.", highlight=False)


def show(records: Records, *, as_json: bool) -> None:
    """Print every key without its secret."""
    found = map(_row, apikeys.listed(records))
    if as_json:
        for row in found:
            print(json.dumps(row))
        return
    rows = ([str(cell or "") for cell in row.values()] for row in found)
    listings.show(Console(), _HEADINGS, rows, "There are no keys.")


def revoke(records: Records, key_id: str) -> None:
    """End a key.

    Raises:
        UnknownKeyError: there is none to end.
    """
    if not apikeys.revoke(records, key_id):
        raise UnknownKeyError(f"There is no key {key_id} that is still good")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare what `darkroom keys` takes."""
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    made = actions.add_parser("create", help="make a key and print it, this once")
    made.add_argument("--name", required=True, help="whose it is, for the list")
    made.add_argument("--project", action="append", required=True, help=f"it is for; several times; {EVERY} for all")
    made.add_argument("--right", action="append", choices=RIGHTS, help="it gives; both when left out")
    made.add_argument("--rate", help="requests it may send, as in 20/s, instead of [callers] rate")
    made.add_argument("--bytes", help="it may be uploading at once, as in 2 GB, instead of [callers] bytes_at_once")
    shown = actions.add_parser("list", help="show the keys there are, without what opens anything")
    shown.add_argument("--json", action="store_true", help="one JSON object a line")
    actions.add_parser("revoke", help="end a key, within seconds").add_argument("id", metavar="ID")


def run(records: Records, given: argparse.Namespace) -> None:
    """Do what the command line says."""
    match given.action:
        case "create":
            create(records, given)
        case "list":
            show(records, as_json=given.json)
        case _:
            revoke(records, given.id)


def _row(key: ApiKey) -> dict[str, object]:
    what = (key.id, key.name, " ".join(sorted(key.projects)), " ".join(sorted(key.rights)), key.rate, key.bytes)
    return dict(zip(_HEADINGS, (*what, _day(key.created_at), _day(key.revoked_at)), strict=True))


def _day(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
