"""Servers for one measurement, each a process of its own, ended with the block."""

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from ops import dynamodb_local, ports, servers
from ops.child import Child
from ops.downloads import PROJECT
from ops.local import LOCAL
from ops.probes import http_status
from ops.supervisor import Supervisor
from tests.backends import Quiet, ministack

BUCKET = "media"


class Display(Quiet):
    """Says only what must not happen: that a server died."""

    def died(self, name: str, how: str, tail: str) -> None:
        """Say so; a figure that it had a part in is worth nothing."""
        print(f"{name} {how}\n{tail}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Stand:
    """A folder of servers; `env` is what all of them share."""

    folder: Path
    supervisor: Supervisor
    env: dict[str, str]

    def pid(self, child: Child) -> int:
        """Its process."""
        return self.supervisor.pids()[child.name]

    def start(self, *children: Child) -> None:
        """Start them side by side and wait until all are ready."""
        self.supervisor.start(*children)

    def serve(
        self, name: str, argv: tuple[str, ...], port: int, env: Mapping[str, str], path: str = "/healthz"
    ) -> Child:
        """Describe an HTTP server that answers 200 at `path`."""
        url = f"http://127.0.0.1:{port}"
        return Child(
            name=name,
            argv=argv,
            env={**servers.plain_environment(), **self.env, "PORT": str(port), **env},
            cwd=PROJECT,
            address=url,
            ready=lambda: http_status(port, path) == servers.HTTP_OK,
        )

    def sink(self) -> dict[str, str]:
        """Start the S3 that keeps nothing; its environment."""
        port = next(ports.free())
        argv = (sys.executable, "-m", "benchmarks.rig.sink", str(port))
        child = self.serve("sink", argv, port, {}, "/")
        self.start(child)
        return {"AWS_ENDPOINT_URL_S3": child.address}

    def weed(self) -> dict[str, str]:
        """Start SeaweedFS without a bound on its memory, and make the bucket; its environment."""
        keys = (self.env["AWS_ACCESS_KEY_ID"], self.env["AWS_SECRET_ACCESS_KEY"])
        child = servers.weed(self.folder / "s3", ports.pick(servers.WEED_PORTS, {}), *keys)
        self.start(replace(child, argv=(*child.argv, f"-bucket={BUCKET}")))
        return {"AWS_ENDPOINT_URL_S3": child.address}

    def valkey(self) -> dict[str, str]:
        """Start Valkey; its environment."""
        child = servers.valkey(self.folder / "valkey", next(ports.free()))
        self.start(child)
        return {"REDIS_URL": child.address}

    def dynamodb(self, licence: str) -> dict[str, str]:
        """Start DynamoDB Local where its licence is accepted, else Ministack; the environment of its clients."""
        describe: Callable[[Path, int], Child] = dynamodb_local.describe if licence == "accept" else ministack
        child = describe(self.folder / "records", next(ports.free()))
        self.start(child)
        return {"AWS_ENDPOINT_URL_DYNAMODB": child.address}


@contextmanager
def standing(folder: Path) -> Iterator[Stand]:
    """Servers in a fresh folder, with credentials of their own."""
    folder.mkdir(parents=True)
    pair = {"AWS_ACCESS_KEY_ID": "benchkey", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16)}
    with Supervisor(folder, Display(), Event()) as supervisor:
        yield Stand(folder, supervisor, {**LOCAL, **pair, "S3_BUCKET": BUCKET})
