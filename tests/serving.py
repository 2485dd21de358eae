"""The ingest server as its users run it, over the session's real backends, with whatever the environment should say."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ops import ports, servers
from tests.started import started
from tests.web import web

ROOT = Path(__file__).parents[1]
STARTING = 60.0
"""Seconds in which the server has to answer."""


@dataclass(frozen=True)
class Ingest:
    """A running server."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def peak(self) -> int:
        """The most memory that the process ever had resident, bytes (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def stop(self, number: int = signal.SIGTERM) -> float:
        """End it and return how many seconds that took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - begun


@contextmanager
def ingest(folder: Path, env: dict[str, str], *, prompt: str = "60s") -> Iterator[Ingest]:
    """Run the server in a folder, its records there in SQLite unless `env` says otherwise.

    A busy machine is no slow S3: after `prompt`, not 800 ms, a client is answered before its upload has settled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    patient = folder / "patient.toml"
    patient.write_text(re.sub(r'(?m)^prompt = ".*?"', f'prompt = "{prompt}"', (ROOT / "pipeline.toml").read_text()))
    port = next(ports.free())
    whole = {
        **servers.plain_environment(),
        "RECORDS": "sqlite",
        "SQLITE_PATH": str(folder / "records.sqlite"),
        "PIPELINE": str(patient),
        "PORT": str(port),
        "LOG_FORMAT": "json",
        **env,
    }
    log = folder / "ingest.log"
    command = [sys.executable, "-m", "ingest.app"]
    with (
        log.open("ab") as output,
        started(command, cwd=ROOT, env=whole, stdout=output, stderr=output) as process,
    ):
        server = Ingest(process, f"http://127.0.0.1:{port}", log)
        wait_for(lambda: process.poll() is not None or _answers(server.url), STARTING)
        assert process.poll() is None, log.read_text()
        yield server


def wait_for(condition: Callable[[], object], bound: float = 15.0) -> None:
    """Return as soon as the condition holds; fail after `bound` seconds."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def _answers(url: str) -> bool:
    try:
        return web.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def open_files(pid: int) -> set[str]:
    """The regular files that a process has open (Linux)."""
    links = (path for path in Path(f"/proc/{pid}/fd").iterdir())
    targets = (str(link.readlink()) for link in links if link.is_symlink())
    return {target for target in targets if Path(target).is_file()}
