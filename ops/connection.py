"""Commands that work on a stack: the one that runs in RUN_DIR, else the one that the environment describes."""

import os

from ops.rundir import RunDir, Stack
from pipeline.adapters import logs
from pipeline.adapters.wiring import Services, connect
from pipeline.settings import read_settings


class NoStackError(Exception):
    """There is nothing to work on; the text says what to do."""


def find(run_dir: RunDir) -> Services:
    """Return the services of the stack, which boto3 then reaches as well by this process's environment.

    Raises:
        NoStackError: nothing runs in the folder, and the environment describes no deployment.
        SettingsError, ConfigError: it describes one wrongly.
    """
    stack = run_dir.running()
    if stack is None and "S3_BUCKET" not in os.environ:
        raise NoStackError(f"No stack runs in {run_dir.path}. Start one: make run")
    return of(stack) if stack else connect(read_settings())


def url(run_dir: RunDir) -> str:
    """Return where the stack in the folder answers.

    Raises:
        NoStackError: none runs there.
    """
    if stack := run_dir.running():
        return stack.url
    raise NoStackError(f"No stack runs in {run_dir.path}. Start one: make run")


def of(stack: Stack) -> Services:
    """Return the services of a stack."""
    os.environ.update(stack.env)
    logs.configure(json=False, role="command")
    return connect(read_settings())
