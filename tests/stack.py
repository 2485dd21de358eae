"""`darkroom run` as a person runs it, in a folder of its own, and short names for what its users do."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx

from ops import leftovers, ports, servers
from ops.rundir import RunDir
from pipeline.adapters.wiring import Services, connect
from pipeline.config import load
from pipeline.settings import read_settings
from tests.backends import unavailable
from tests.serving import wait_for
from tests.started import started
from tests.web import web

ROOT = Path(__file__).parents[1]
STARTING = 60.0
STOPPING = 15.0
SETTLED = {"ready", "rejected", "failed", "deleted"}

STORES = ("sqlite", "dynamodb")
"""Record stores that a stack is run over."""


@dataclass(frozen=True)
class Running:
    """A stack that is up."""

    process: subprocess.Popen[bytes]
    url: str
    run_dir: RunDir
    log: Path

    @property
    def env(self) -> dict[str, str]:
        """The settings that a process needs to work on it."""
        stack = self.run_dir.running()
        assert stack is not None
        return stack.env

    def services(self) -> Services:
        """The product's own services, on this stack. boto3 reads the real environment, so that is set as well."""
        os.environ.update({name: value for name, value in self.env.items() if name.startswith("AWS_")})
        boto3.setup_default_session()  # the one before remembers the credentials of the stack before
        return connect(read_settings(self.env))

    def post(self, path: Path, project: str) -> httpx.Response:
        with path.open("rb") as file:
            return web.post(
                f"{self.url}/api/upload", params={"projectId": project}, files={"file": (path.name, file)}, timeout=60
            )

    def upload(self, path: Path, project: str = "p") -> str:
        """Upload a file and return the media's id."""
        return str(self.post(path, project).raise_for_status().json()["mediaId"])

    def record(self, media_id: str) -> dict[str, Any]:
        return dict(web.get(f"{self.url}/api/media/{media_id}", timeout=30).raise_for_status().json())

    def settled(self, media_id: str, bound: float = 120.0) -> dict[str, Any]:
        """The record once nothing more is owed to its uploader."""

        def done() -> bool:
            try:
                return self.record(media_id)["status"] in SETTLED
            except httpx.TransportError:  # ingest is being restarted
                return False
            except httpx.HTTPStatusError as error:  # or the record store
                if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    raise
                return False

        wait_for(done, bound)
        return self.record(media_id)

    def pids(self, words: Sequence[str]) -> list[int]:
        """Direct children of the supervisor whose command has all the words."""
        listing = subprocess.run(
            ["/bin/ps", "-A", "-ww", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
        )
        rows = (line.split(maxsplit=2) for line in listing.stdout.splitlines())
        mine = ((int(pid), command.split()) for pid, parent, command in rows if int(parent) == self.process.pid)
        return [pid for pid, command in mine if set(words) <= {Path(word).name for word in command}]


@contextmanager
def running(run_dir: Path, **settings: str) -> Iterator[Running]:
    """Run a stack; leaving the context ends it and fails the test when a process is left behind."""
    run_dir.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{next(ports.free())}"
    env = {**servers.plain_environment(), "PORT": url.rpartition(":")[2], "RUN_DIR": str(run_dir), **settings}
    log = run_dir / "run.log"
    command = [sys.executable, "-m", "ops.cli", "run"]
    with (
        log.open("ab") as output,
        started(command, grace=STOPPING, cwd=ROOT, env=env, stdout=output, stderr=output) as process,
    ):
        wait_for(lambda: process.poll() is not None or f"ready: {url}" in log.read_text(), STARTING)
        assert process.poll() is None, log.read_text()
        yield Running(process, url, RunDir(run_dir), log)
    assert leftovers.find(run_dir) == []


def stored(store: str) -> dict[str, str]:
    """The settings that make a stack use one of `STORES`; skips, or fails in CI, when it is not to be had."""
    if store == "sqlite":
        return {"RECORDS": "sqlite"}
    if os.environ.get("DYNAMODB_LOCAL_LICENCE") != "accept":
        unavailable("DynamoDB Local's licence is not accepted (DYNAMODB_LOCAL_LICENCE=accept)")
    return {"RECORDS": "dynamodb", "DYNAMODB_LOCAL_LICENCE": "accept"}


def quick(folder: Path) -> Path:
    """The shipped pipeline.toml with a short lease, so that what a dead worker held is taken up within seconds."""
    path = folder / "pipeline.toml"
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "pipeline.toml").read_text()
    path.write_text(text.replace('length = "30s"', 'length = "3s"').replace('renewal = "10s"', 'renewal = "1s"'))
    assert load(path).lease.length == 3000
    return path
