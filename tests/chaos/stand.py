"""The stack under test: real servers, a proxy before each, and the roles of a deployment."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import pytest

from ops import dynamodb_local, ports, servers, stores
from ops.child import Child
from ops.local import LOCAL
from ops.probes import http_status
from pipeline import config
from pipeline.adapters import s3
from pipeline.adapters.installation import install
from pipeline.adapters.wiring import Services, connect
from pipeline.settings import read_settings
from tests.backends import ministack
from tests.chaos.fleet import Fleet, afloat
from tests.chaos.wires import Wire, wired
from tests.faults import SLOW_DOWN, THROTTLED
from tests.serving import ROOT


@dataclass(frozen=True)
class Stand:
    """A stack that is up. `services` lead past the wires, `url` to ingest."""

    fleet: Fleet
    wires: Mapping[str, Wire]
    services: Services
    url: str


@contextmanager
def standing(
    folder: Path, pipeline: Path, crew: Mapping[str, int], records: str = "sqlite", seed: str = ""
) -> Iterator[Stand]:
    """Servers, wires and roles by a pipeline.toml, over `sqlite` or `dynamodb`; leaving the context ends them all.

    `crew` says how many workers each queue has.
    """
    picked = ports.pick((*servers.WEED_PORTS, "valkey", "dynamodb", "ingest"), {})
    key, secret = "soakkey", "soaksecret123"
    valkey = servers.valkey(folder / "valkey", picked["valkey"])
    weed = servers.weed(folder / "s3", picked, key, secret)
    store_servers, store = _records(folder, records, picked["dynamodb"])
    env = {
        **servers.plain_environment(),
        **LOCAL,
        **dict(zip(stores.KEY_PAIR, (key, secret), strict=True)),
        **store,
        "AWS_ENDPOINT_URL_S3": weed.address,
        "PUBLIC_BASE_URL": f"{weed.address}/media",
        "REDIS_URL": valkey.address,
        "S3_BUCKET": "media",
        "PORT": str(picked["ingest"]),
        "PIPELINE": str(pipeline),
        "SCRATCH_DIR": str(folder / "scratch"),
        "LOG_FORMAT": "json",
    }
    with ExitStack() as stack:
        fleet = stack.enter_context(afloat(folder, [valkey, weed, *store_servers]))
        services = _services(env)
        wires, wired_env = {}, dict(env)
        for name, variable, refusal in (
            ("redis", "REDIS_URL", None),
            ("s3", "AWS_ENDPOINT_URL_S3", SLOW_DOWN),
            ("records", "AWS_ENDPOINT_URL_DYNAMODB", THROTTLED),
        ):
            if variable in env:
                wires[name], wired_env[variable] = stack.enter_context(wired(env[variable], f"{seed}/{name}", refusal))
        fleet.start(*_roles(wired_env, picked["ingest"], crew))
        yield Stand(fleet, wires, services, f"http://127.0.0.1:{picked['ingest']}")


def _records(folder: Path, records: str, port: int) -> tuple[list[Child], dict[str, str]]:
    """The record store's server, if it is one, and what tells a process where it is."""
    if records == "sqlite":
        return [], {"RECORDS": "sqlite", "SQLITE_PATH": str(folder / "records.sqlite")}
    if os.environ.get("DYNAMODB_LOCAL_LICENCE"):
        dynamodb_local.require(os.environ["DYNAMODB_LOCAL_LICENCE"])
        dynamodb_local.fetch()
        server = dynamodb_local.describe(folder / "dynamodb", port)
    else:
        server = ministack(folder / "dynamodb", port)
    return [server], {"RECORDS": "dynamodb", **stores.TABLES, "AWS_ENDPOINT_URL_DYNAMODB": server.address}


def _services(env: Mapping[str, str]) -> Services:
    """The product's own services, more patient with S3 than a worker; bucket and tables are made."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        boto3.setup_default_session()  # the one before remembers the credentials of the servers before
        settings = read_settings(env)
        install(settings, publish_originals=config.load(settings.pipeline).publish_originals)
        return replace(connect(settings), objects=s3.connect(settings.s3_bucket))


def _roles(env: Mapping[str, str], port: int, crew: Mapping[str, int]) -> Iterator[Child]:
    """One ingest, one sweeper, and the workers."""

    def role(name: str, *command: str) -> Child:
        return Child(name, (sys.executable, "-m", "ops.cli", *command), env, ROOT)

    def worker(name: str, queue: str) -> Child:
        scratch = Path(env["SCRATCH_DIR"]) / name
        return replace(
            role(name, "worker", queue),
            env={**env, "SCRATCH_DIR": str(scratch)},
            ready=lambda: any(_lives(path) for path in scratch.glob("worker-*")),
        )

    yield replace(role("ingest-1", "ingest"), ready=lambda: http_status(port, "/healthz") == servers.HTTP_OK)
    yield role("sweeper-1", "sweeper")
    for queue, count in crew.items():
        yield from (worker(f"{queue}-{number + 1}", queue) for number in range(count))


def _lives(scratch: Path) -> bool:
    """Whether the worker is there that made this folder when it began."""
    try:
        os.kill(int(scratch.name.removeprefix("worker-")), 0)
    except ProcessLookupError:
        return False
    return True
