"""What the `darkroom` command does for people, and the roles that stay this program."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from ops import (
    backfill,
    becoming,
    commands,
    connection,
    contactsheet,
    demo,
    dynamodb_local,
    keyring,
    letters,
    local,
    orphans,
    roles,
    run,
    rundir,
    status,
    stores,
    supervisor,
)
from ops.api import RefusedError
from ops.processes import CommandFailedError
from pipeline.adapters.signals import stop_event
from pipeline.adapters.wiring import Services
from pipeline.backfill import Wanted as Lacked
from pipeline.config import ConfigError
from pipeline.deadletters import Wanted
from pipeline.errors import UnavailableError
from pipeline.settings import SettingsError

EXPECTED = (
    CommandFailedError,
    ConfigError,
    RefusedError,
    SettingsError,
    UnavailableError,
    backfill.UnknownRenditionError,
    becoming.MixedQueuesError,
    becoming.UnknownQueueError,
    connection.NoStackError,
    dynamodb_local.NotAcceptedError,
    keyring.UnknownKeyError,
    keyring.WrongKeyError,
    letters.NothingToSendError,
    local.PortError,
    orphans.WrongTablesError,
    roles.NoEventsError,
    rundir.InUseError,
    status.UnknownMediaError,
    stores.NoStoreError,
    supervisor.GaveUpError,
)
"""Errors whose text is meant for the person at the terminal; any other is a bug and shows its traceback."""

INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, or 1 after saying what went wrong."""
    given = _parser().parse_args(argv)
    try:
        return int(given.command(given) or 0)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run_dir() -> rundir.RunDir:
    return rundir.RunDir(Path(os.environ.get("RUN_DIR") or ".run").absolute())  # children start elsewhere


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, what: str, command: Callable[[argparse.Namespace], int | None]) -> argparse.ArgumentParser:
        subparser = subparsers.add_parser(name, help=what, description=what)
        subparser.set_defaults(command=command)
        return subparser

    add("run", "run everything on this machine (PORT, RUN_DIR, RECORDS)", lambda _: run.run(_run_dir()))

    command = add(
        "demo", "send files through and show what comes out", lambda given: demo.demo(_run_dir(), given.files)
    )
    command.add_argument("files", nargs="*", type=_file, metavar="FILE")

    command = add(
        "contact-sheet",
        "show what becomes of files on one page, without a stack",
        lambda given: contactsheet.write(_run_dir().path / "contact-sheet", given.files),
    )
    command.add_argument("files", nargs="+", type=_file, metavar="FILE")

    command = add("upload", "upload files by HTTP (DARKROOM_KEY, where one is asked for)", _upload)
    command.add_argument("files", nargs="+", type=_file, metavar="FILE")
    command.add_argument("--project", required=True)
    command.add_argument("--url", help="of the server (default: the stack in RUN_DIR)")

    command = add("submit", "drop a job on Redis for an object that is in the bucket already", _submit)
    command.add_argument("key", metavar="KEY")
    command.add_argument("--project", required=True)

    command = add("status", "show a media and its tasks, or all that is owed", _status)
    command.add_argument("media", nargs="?", metavar="MEDIA")

    command = add(
        "dead", "list the dead letters", lambda given: letters.show(_services(), _wanted(given), as_json=given.json)
    )
    _add_selection(command)
    command.add_argument("--json", action="store_true", help="one JSON object a line")

    command = add("redrive", "send dead letters again, each media once", _redrive)
    _add_selection(command)
    command.add_argument("--all", action="store_true", help="all of them")

    command = add(
        "replay", "send the webhook about a media again", lambda given: letters.replay(_services(), given.media)
    )
    command.add_argument("media", metavar="MEDIA")

    command = add("backfill", "make what is ready as pipeline.toml has it now, and show how far that is", _backfill)
    command.add_argument("--project", help="media of one project")
    command.add_argument("--since", type=_moment, help="uploaded since then: 2026-11-01, or 7d for a week ago")
    command.add_argument("--still", help="one rendition, with all its formats")
    command.add_argument("--dry-run", action="store_true", help="print what is lacking, and change nothing")
    command.add_argument("--detach", action="store_true", help="do not wait for the workers")

    command = add("orphans", "find what no record names, and print it", _orphans)
    command.add_argument("--delete", action="store_true", help="mark it, and delete what was marked long ago")
    command.add_argument("--dry-run", action="store_true", help="print only, whatever else is said")
    command.add_argument("--force", action="store_true", help="delete even if most of the bucket has no record")

    command = add("keys", "make, list and revoke API keys", _keys)
    keyring.add_arguments(command)

    add("ingest", "serve HTTP", lambda _: becoming.ingest())
    command = add("worker", "work on queues of pipeline.toml", lambda given: becoming.worker(given.queues))
    command.add_argument("queues", nargs="+", metavar="QUEUE")
    add("sweeper", "hint overdue tasks again", lambda _: becoming.sweeper())
    add("events", "make media of what S3 tells of (EVENTS_QUEUE_URL)", lambda _: roles.events())
    add("setup", "create bucket and tables where missing", lambda _: roles.setup())
    add("clean", "remove RUN_DIR and all its data", lambda _: _run_dir().remove())
    add("fetch-dynamodb-local", "fetch DynamoDB Local (DYNAMODB_LOCAL_LICENCE)", lambda _: _fetch_dynamodb_local())
    return parser


def _add_selection(command: argparse.ArgumentParser) -> None:
    command.add_argument("--media", help="those of one media")
    command.add_argument("--reason", help="those that died of this")
    command.add_argument("--stage", help="those of this kind of work")


def _wanted(given: argparse.Namespace) -> Wanted:
    return Wanted(given.media or None, given.reason or None, given.stage or None)


def _redrive(given: argparse.Namespace) -> None:
    if _wanted(given) == Wanted() and not given.all:
        raise letters.NothingToSendError("Say which: --media, --reason, --stage, or --all")
    letters.redrive(_services(), _wanted(given))


def _moment(text: str) -> datetime | None:
    return backfill.moment(text) if text else None


def _backfill(given: argparse.Namespace) -> None:
    wanted = Lacked(given.project or None, given.since, given.still or None)
    if given.dry_run:
        backfill.preview(_services(), wanted)
    else:
        backfill.run(_run_dir(), _services(), wanted, stop_event(), detached=given.detach)


def _orphans(given: argparse.Namespace) -> None:
    orphans.scan(_services(), delete=given.delete and not given.dry_run, force=given.force)


def _keys(given: argparse.Namespace) -> None:
    keyring.run(_services().ledger.records, given)


def _services() -> Services:
    return connection.find(_run_dir())


def _upload(given: argparse.Namespace) -> int:
    return commands.upload(_run_dir(), given.url, given.files, given.project)


def _submit(given: argparse.Namespace) -> None:
    commands.submit(_run_dir(), given.key, given.project)


def _status(given: argparse.Namespace) -> None:
    commands.show_status(_run_dir(), given.media)


def _fetch_dynamodb_local() -> None:
    dynamodb_local.require(os.environ.get("DYNAMODB_LOCAL_LICENCE", ""))
    dynamodb_local.fetch()


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file")
    return path
