"""The `darkroom` command: every operating make target calls it, every container runs it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ops import dynamodb_local, roles
from ops.local import PortError
from ops.processes import CommandFailedError
from ops.run import run
from ops.rundir import InUseError, RunDir
from ops.stores import NoStoreError
from ops.supervisor import GaveUpError
from pipeline.config import ConfigError
from pipeline.errors import UnavailableError
from pipeline.settings import SettingsError

EXPECTED = (
    CommandFailedError,
    ConfigError,
    GaveUpError,
    InUseError,
    NoStoreError,
    PortError,
    SettingsError,
    UnavailableError,
    dynamodb_local.NotAcceptedError,
    roles.UnknownQueueError,
)
"""Errors whose text is meant for the person at the terminal; any other is a bug and shows its traceback."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 after saying what went wrong."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments) or 0)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1


def _run_dir() -> RunDir:
    return RunDir(Path(os.environ.get("RUN_DIR") or ".run"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("run", help="run everything on this machine (PORT, RUN_DIR, RECORDS)")
    command.set_defaults(command=lambda _: run(_run_dir()))

    command = commands.add_parser("ingest", help="serve HTTP")
    command.set_defaults(command=lambda _: roles.ingest())

    command = commands.add_parser("worker", help="work on queues of pipeline.toml")
    command.add_argument("queues", nargs="+", metavar="QUEUE")
    command.set_defaults(command=lambda given: roles.worker(given.queues))

    command = commands.add_parser("sweeper", help="hint overdue tasks again")
    command.set_defaults(command=lambda _: roles.sweeper())

    command = commands.add_parser("setup", help="create bucket and tables where missing")
    command.set_defaults(command=lambda _: roles.setup())

    command = commands.add_parser("clean", help="remove RUN_DIR and all its data")
    command.set_defaults(command=lambda _: _run_dir().remove())

    command = commands.add_parser("fetch-dynamodb-local", help="fetch DynamoDB Local (DYNAMODB_LOCAL_LICENCE)")
    command.set_defaults(command=lambda _: _fetch_dynamodb_local())
    return parser


def _fetch_dynamodb_local() -> None:
    dynamodb_local.require(os.environ.get("DYNAMODB_LOCAL_LICENCE", ""))
    dynamodb_local.fetch()


if __name__ == "__main__":
    sys.exit(main())
