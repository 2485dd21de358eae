"""Real servers for the suites that need them, each started once per test session and only when asked for."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import NoReturn

import boto3
import pytest

from ops import dynamodb_local, ports, servers
from ops.child import Child
from ops.probes import http_status
from ops.processes import CommandFailedError
from ops.supervisor import GaveUpError, Supervisor
from tests.fetching import fetched

BUCKET = "media"


@dataclass(frozen=True)
class Backend:
    """A running server: its address and the environment that makes boto3 or Settings speak to it."""

    url: str
    env: dict[str, str]


class Quiet:
    """A display for nobody; the logs stand in the session's folder."""

    def starting(self, name: str) -> None: ...
    def ready(self, name: str, address: str) -> None: ...
    def died(self, name: str, how: str, tail: str) -> None: ...
    def settle(self) -> None: ...


def unavailable(reason: str) -> NoReturn:
    """Skip on a laptop, fail in CI: there a missing backend would hide a whole suite."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


Starter = Callable[[Callable[[Path, int], Child]], Child]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Start a server, given how to describe it in a folder on a port; all are ended with the session."""
    folder = tmp_path_factory.mktemp("backends")
    free = ports.free()
    with Supervisor(folder, Quiet(), Event()) as supervisor:

        def start_one(describe: Callable[[Path, int], Child]) -> Child:
            port = next(free)
            try:
                child = describe(folder / str(port), port)
                supervisor.start(child)
            except (FileNotFoundError, CommandFailedError, GaveUpError, dynamodb_local.NotAcceptedError) as error:
                unavailable(str(error))
            return child

        yield start_one


@pytest.fixture(scope="session")
def redis_url(start: Starter) -> str:
    return start(servers.valkey).address


@pytest.fixture(scope="session")
def s3(start: Starter) -> Backend:
    """SeaweedFS with an empty bucket, named in the environment as S3_BUCKET."""
    key, secret = "testkey", "testsecret123"
    child = start(lambda folder, _: servers.weed(folder, ports.pick(servers.WEED_PORTS, {}), key, secret))
    env = {**_aws(key, secret), "AWS_ENDPOINT_URL_S3": child.address, "S3_BUCKET": BUCKET}
    boto3.client(
        "s3",
        endpoint_url=child.address,
        region_name=env["AWS_REGION"],
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    ).create_bucket(Bucket=BUCKET)
    return Backend(child.address, env)


@pytest.fixture(scope="session", name="dynamodb_local")
def dynamodb_local_server(start: Starter) -> Backend:
    """Amazon's own DynamoDB Local; its licence is accepted by DYNAMODB_LOCAL_LICENCE=accept."""

    def describe(folder: Path, port: int) -> Child:
        dynamodb_local.require(os.environ.get("DYNAMODB_LOCAL_LICENCE", ""))
        return dynamodb_local.describe(folder, port)

    return _dynamodb(start(describe))


@pytest.fixture(scope="session")
def dynamodb_ministack(start: Starter) -> Backend:
    """Ministack, in packages of its own since it pins another botocore than ours."""
    return _dynamodb(start(ministack))


def ministack(folder: Path, port: int) -> Child:
    """Describe Ministack, an imitation of DynamoDB."""
    home = fetched("ministack")
    folder.mkdir()
    return Child(
        name="ministack",
        argv=(sys.executable, "-m", "ministack"),
        env={
            **servers.plain_environment(),
            "PYTHONPATH": str(home),
            "GATEWAY_PORT": str(port),
            "SERVICES": "dynamodb",
            "STATE_DIR": str(folder),
            "TMPDIR": str(folder),
        },
        cwd=folder,
        address=f"http://127.0.0.1:{port}",
        ready=lambda: http_status(port, "/_ministack/health") == servers.HTTP_OK,
    )


def _dynamodb(child: Child) -> Backend:
    return Backend(child.address, {**_aws("testkey", "testsecret123"), "AWS_ENDPOINT_URL_DYNAMODB": child.address})


def _aws(key: str, secret: str) -> dict[str, str]:
    # The region twice: older SDKs read the second name, and neither may come from the machine.
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
