"""Small commands on a stack that is up."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from ops import bars, connection, status
from ops.demo import send
from ops.rundir import RunDir
from ops.supervisor import StopRequestedError
from pipeline import client
from pipeline.adapters.signals import stop_event


def upload(run_dir: RunDir, url: str | None, files: Sequence[Path], project: str) -> int:
    """Upload files to the URL, or to the stack in the folder, and print each one's media id.

    Raises:
        NoStackError: there is neither.
        RefusedError: the server did not take a file.
    """
    address = url or connection.url(run_dir)
    console = Console()
    with closing(bars.choose(console)) as shown:
        try:
            for media_id, name in send(address, files, project, shown, stop_event()):
                shown.show(name, media_id, 1.0)
        except StopRequestedError:
            return 1
    return 0


def submit(run_dir: RunDir, key: str, project: str) -> None:
    """Drop a job for an object that is in the bucket already, and print the job's id.

    Raises:
        UnavailableError: Redis is away.
    """
    queue = connection.find(run_dir).queue
    queue.ping()
    print(client.submit(queue.client, project, key))


def show_status(run_dir: RunDir, media_id: str | None) -> None:
    """Show a media with its tasks, or all that is owed.

    Raises:
        UnknownMediaError: there is no such media.
    """
    services = connection.find(run_dir)
    if media_id:
        status.show_media(services, media_id)
    else:
        status.show_owed(services)
