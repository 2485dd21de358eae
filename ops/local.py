"""The whole of Darkroom on one machine: servers first, then bucket and tables, then everyone who works."""

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from ops import dynamodb_local, leftovers, ports, servers, stores
from ops.child import Child
from ops.display import Display
from ops.downloads import INSTALL_TIMEOUT, PROJECT
from ops.probes import has_client, http_status
from ops.rundir import RunDir, Stack
from ops.supervisor import Supervisor
from pipeline import config

HOST = "127.0.0.1"

HIGHEST_PORT = 65_536

LOCAL = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",  # the only one of the two that boto3 reads
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "PYTHONUNBUFFERED": "1",
}
"""What keeps boto3 on this machine, and logs up to date."""


SERVER_PORTS = (*servers.WEED_PORTS, "valkey", "dynamodb")


class PortError(Exception):
    """PORT is no port, or somebody else listens on it; the text says what to do."""


@dataclass(frozen=True)
class Running:
    """A stack that is up, and who keeps it so."""

    stack: Stack
    supervisor: Supervisor


@contextmanager
def started(run_dir: RunDir, environ: Mapping[str, str], display: Display, stop: threading.Event) -> Iterator[Running]:
    """Start everything below a run folder; leaving the context ends it all.

    Raises:
        InUseError, PortError, NoStoreError, ConfigError: nothing was started.
        StopRequestedError, GaveUpError: while things were; all of them are ended.
    """
    with run_dir.held():
        leftovers.end(run_dir.path)
        run_dir.forget()
        port = _free_port(environ.get("PORT") or "8000")
        toml = Path(environ.get("PIPELINE") or PROJECT / "pipeline.toml").resolve()
        rules = config.load(toml)
        picked = run_dir.ports(SERVER_PORTS, {port})
        store = stores.choose(environ, run_dir.path.resolve() / "records.sqlite", f"http://{HOST}:{picked['dynamodb']}")
        valkey = servers.valkey(run_dir.path / "valkey", picked["valkey"])
        keys = {**dict(zip(stores.KEY_PAIR, run_dir.credentials(), strict=True)), **store.env}
        weed = servers.weed(run_dir.path / "s3", picked, *(keys[name] for name in stores.KEY_PAIR))
        settings = {
            **LOCAL,
            **keys,
            "AWS_ENDPOINT_URL_S3": weed.address,
            **{name: environ[name] for name in ("AWS_ENDPOINT_URL_SQS",) if name in environ},
            "REDIS_URL": valkey.address,
            "S3_BUCKET": environ.get("S3_BUCKET") or "media",
            "HOST": HOST,
            "PORT": str(port),
            "PIPELINE": str(toml),
            "SCRATCH_DIR": str(run_dir.scratch()),
        }
        env = {**without_aws(environ), **settings}
        with Supervisor(run_dir.path, display, stop) as supervisor:
            first = [valkey, weed]
            if store.embedded:
                supervisor.run(_role(env, "fetch-dynamodb-local"), within=INSTALL_TIMEOUT)
                first.append(dynamodb_local.describe(run_dir.path / "dynamodb", picked["dynamodb"]))
            supervisor.start(*first)
            supervisor.run(_role(env, "setup"))
            consumers = [_consumer(env, "worker", *queues) for queues in rules.processes]
            supervisor.start(_ingest(env, port), *consumers, _consumer(env, "sweeper"), *_events(env))
            display.settle()
            stack = Stack(f"http://{HOST}:{port}", os.getpid(), settings)
            with run_dir.announced(stack):
                yield Running(stack, supervisor)


def _free_port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < HIGHEST_PORT:
        raise PortError(f"PORT is {text!r}: give a number from 1 to {HIGHEST_PORT - 1}")
    if not ports.is_free(int(text)):
        raise PortError(
            f"Port {text} is taken by another program. Stop it, or choose another port: PORT={int(text) + 1}"
        )
    return int(text)


def without_aws(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the account its owner works on elsewhere: nothing here may reach it unasked."""
    return {name: value for name, value in environ.items() if not name.startswith("AWS_")}


def _role(env: Mapping[str, str], *command: str) -> Child:
    return Child("-".join(command), (sys.executable, "-m", "ops.cli", *command), env, PROJECT)


def _consumer(env: Mapping[str, str], *command: str) -> Child:
    """Describe a role that waits on Redis; it is ready when Redis knows it by its name."""
    role = _role(env, *command)
    url = urlsplit(env["REDIS_URL"])
    return replace(
        role,
        env={**env, "REDIS_URL": f"{env['REDIS_URL']}?client_name={role.name}"},
        ready=lambda: has_client(url.port or 0, role.name),
    )


def _events(env: Mapping[str, str]) -> list[Child]:
    """Describe who takes what S3 tells of new objects, if there is a queue to take it from."""
    return [_role(env, "events")] if env.get("EVENTS_QUEUE_URL") else []


def _ingest(env: Mapping[str, str], port: int) -> Child:
    return replace(
        _role(env, "ingest"),
        address=f"http://{HOST}:{port}",
        ready=lambda: http_status(port, "/readyz") == servers.HTTP_OK,
    )
