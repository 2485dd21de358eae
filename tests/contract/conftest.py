from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast
from uuid import uuid4

import boto3
import pytest

from pipeline.adapters import dynamodb
from pipeline.adapters import s3 as adapter
from pipeline.adapters.dynamodb import DynamoRecords
from pipeline.adapters.s3 import S3Objects
from pipeline.adapters.sqlite import MEMORY, SqliteRecords
from pipeline.adapters.tables import create_tables
from pipeline.ports import Records
from tests.backends import Backend
from tests.contract.story import Clocked, Story
from tests.world import ClockedRecords, World

STORES = ("sqlite file", "sqlite memory", "dynamodb on ministack", "dynamodb local")
MEDIA, TASKS = "contract-media", "contract-tasks"

T = TypeVar("T")
Opener = Callable[[Mapping[str, str]], DynamoRecords]


@pytest.fixture(params=STORES)
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    """Every adapter of the port, one after the other; tests tell their rows from others' by fresh ids."""
    match request.param:
        case "sqlite file":
            store = SqliteRecords(tmp_path / "records.db")
        case "sqlite memory":
            store = SqliteRecords(MEMORY)
        case "dynamodb on ministack":
            yield request.getfixturevalue("ministack_records")
            return
        case _:
            yield request.getfixturevalue("local_records")
            return
    yield store
    store.close()


@pytest.fixture(scope="session")
def ministack_records(dynamodb_ministack: Backend) -> DynamoRecords:
    return opened(dynamodb_ministack.env)


@pytest.fixture(scope="session")
def local_records(dynamodb_local: Backend) -> DynamoRecords:
    return opened(dynamodb_local.env)


@pytest.fixture(scope="session")
def s3(s3: Backend) -> Backend:
    """A bucket of these suites' own: they leave things that others count."""
    backend = Backend(s3.url, {**s3.env, "S3_BUCKET": "contract"})
    connected(backend.env).client.create_bucket(Bucket="contract")
    return backend


@pytest.fixture(scope="session")
def objects(s3: Backend) -> S3Objects:
    return connected(s3.env)


@pytest.fixture
def story(records: Records) -> Story:
    return Story(cast("ClockedRecords", Clocked(records)))


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.records.close()


@pytest.fixture
def prefix() -> str:
    """A prefix of one test's own."""
    return f"projects/p-{uuid4().hex}/"


def opened(env: Mapping[str, str], media: str = MEDIA, tasks: str = TASKS) -> DynamoRecords:
    """Records where the environment says, as a process would open them; the tables are made if need be."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        create_tables(boto3.client("dynamodb"), media, tasks)
        return dynamodb.connect(media, tasks)


def connected(env: Mapping[str, str], put_timeout: float = 60.0) -> S3Objects:
    """The object store where the environment says, as a process would connect to it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        return adapter.connect(env["S3_BUCKET"], put_timeout)


def at_once(threads: int, work: Callable[[int], T]) -> list[T]:
    """What the threads returned that did the work at the same time, each told its number."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(threads)))
