"""`darkroom demo`: files go in by HTTP, one sees them being worked on, and what came out is shown."""

import os
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console

from ops import api, bars, connection, gallery, ports, processes, samples
from ops.following import follow
from ops.outputs import print_table
from ops.rundir import RunDir, Stack
from ops.supervisor import GaveUpError, StopRequestedError
from ops.warden import Warden
from pipeline.adapters.signals import stop_event
from pipeline.media import Status

PROJECT = "demo"

USUAL_PORT = 8000

ENDING = 12.0
"""Seconds that a stack of our own may take to end."""


def demo(run_dir: RunDir, files: Sequence[Path]) -> int:
    """Send the files, or a photo and a video made on the spot, through the stack; starts one if none is up.

    Returns 1 when one of them does not end ready.

    Raises:
        RefusedError: the server did not take a file.
        GaveUpError: the stack did not come up or went away.
        CommandFailedError: no video could be made.
    """
    stop = stop_event()
    console = Console()
    folder = run_dir.path / "demo"
    try:
        with _stack(run_dir, stop) as stack:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            services = connection.of(stack)
            with closing(bars.choose(console)) as shown:
                names = dict(send(stack.url, files or samples.make(folder), PROJECT, shown, stop))
                settled = follow(services, names, shown, stop).values()
            console.print()
            for media in settled:
                print_table(console, media)
            page = gallery.write(folder, settled)
            console.print(f"All of it on one page: {page.resolve().as_uri()}", soft_wrap=True, highlight=False)
    except StopRequestedError:
        return 1
    if run_dir.running() is None:
        console.print(
            "The stack has ended with the demonstration; `make run` brings it back with all of this in it.",
            soft_wrap=True,
        )
    return 0 if all(media.status is Status.READY for media in settled) else 1


def send(
    url: str, files: Sequence[Path], project: str, shown: bars.Bars, stop: threading.Event
) -> Iterator[tuple[str, str]]:
    """Upload files one after the other; yields the media's id and the file's name.

    Raises:
        RefusedError: the server did not take one.
        StopRequestedError: `stop` was set before.
    """
    for path in files:
        size = path.stat().st_size

        def sent(count: int, path: Path = path, size: int = size) -> None:
            if stop.is_set():
                raise StopRequestedError
            shown.show(path.name, bars.UPLOADING, count / size)

        yield api.upload(url, path, project, sent, os.environ.get("DARKROOM_KEY", ""))["mediaId"], path.name


@contextmanager
def _stack(run_dir: RunDir, stop: threading.Event) -> Iterator[Stack]:
    """Return the stack that runs in the folder, or one of our own that ends with us."""
    if stack := run_dir.running():
        yield stack
        return
    env = {**os.environ, "PORT": os.environ.get("PORT") or _port()}
    process = processes.start([sys.executable, "-m", "ops.cli", "run"], env=env, cwd=Path.cwd(), log=None)
    warden = Warden(ENDING)
    warden.guard(process.pid)
    try:
        yield _ready(run_dir, process, stop)
    finally:
        processes.end([process], ENDING)
        warden.release(process.pid)
        warden.dismiss()


def _port() -> str:
    return str(USUAL_PORT if ports.is_free(USUAL_PORT) else next(ports.free()))


def _ready(run_dir: RunDir, process: processes.Process, stop: threading.Event) -> Stack:
    while process.poll() is None:
        if stop.wait(0.1):
            raise StopRequestedError
        if stack := run_dir.running():
            return stack
    raise GaveUpError("The stack did not come up.")
