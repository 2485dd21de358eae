"""Everybody who takes uploads: how each server is started and through which door files go in."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import doors
from benchmarks.rig.doors import Door
from benchmarks.rig.stand import Stand
from ops import downloads, node, ports
from ops.child import Child
from ops.downloads import PROJECT

PEERS = PROJECT / "benchmarks" / "peers"
ANCHOR = "multer-s3"
"""Whom the others are compared with."""


@dataclass(frozen=True)
class Contender:
    """A server and a door of it; several may share a server."""

    name: str
    door: Door
    describe: Callable[[Stand, Mapping[str, str]], Child]


def python_packages() -> Path:
    """The folder with the peers' own Python packages."""
    return downloads.once("bench-peers", lambda folder: downloads.install("benchmarks/peers/requirements.lock", folder))


def script(name: str) -> Callable[[Stand, Mapping[str, str]], Child]:
    """A server of `peers/`, on the pinned Node."""

    def describe(stand: Stand, env: Mapping[str, str]) -> Child:
        argv = (node.install(PEERS).node, str(PEERS / f"{name}.mjs"))
        return stand.serve(name, argv, next(ports.free()), {**env, "NODE_ENV": "production"})

    return describe


def fastapi(stand: Stand, env: Mapping[str, str]) -> Child:
    """The tutorial's route, on uvicorn."""
    port = next(ports.free())
    argv = (sys.executable, "-m", "uvicorn", "--no-access-log", "--port", str(port), "fastapi_app:app")
    path = f"{python_packages()}:{PEERS}"
    return stand.serve("fastapi", argv, port, {**env, "PYTHONPATH": path})


def darkroom(stand: Stand, env: Mapping[str, str]) -> Child:
    """Our own server, started as containers start it, its records in the cheapest store if nothing else is said.

    The peers keep none: what is compared is how bytes get into S3, and the disk under a database is no part of that.
    """
    records = {"RECORDS": "sqlite", "SQLITE_PATH": ":memory:"}
    ours = {"PIPELINE": str(PROJECT / "pipeline.toml"), "LOG_FORMAT": "json", **records, **env}
    return stand.serve("darkroom", (sys.executable, "-m", "ops.cli", "ingest"), next(ports.free()), ours)


CONTENDERS = (
    Contender(ANCHOR, doors.form, script("multer")),
    Contender("@tus/s3-store", doors.tus, script("tus")),
    Contender("FastAPI UploadFile", doors.form, fastapi),
    Contender("Darkroom form", doors.form, darkroom),
    Contender("Darkroom raw PUT", doors.raw, darkroom),
    Contender("Darkroom tus", doors.tus, darkroom),
)
