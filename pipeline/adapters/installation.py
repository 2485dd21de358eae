"""What has to be there before the first upload: bucket and tables."""

import os
from collections.abc import Mapping

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.adapters.aws import region
from pipeline.adapters.bucket import setup_bucket
from pipeline.adapters.sqlite import SqliteRecords
from pipeline.adapters.tables import create_tables
from pipeline.errors import UnavailableError
from pipeline.settings import Settings

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5})


def install(settings: Settings, *, publish_originals: bool, environ: Mapping[str, str] = os.environ) -> None:
    """Create what is missing; running it again changes nothing.

    A bucket behind an endpoint of its own is created and opened to readers; one of Amazon's is its operator's, and
    stays untouched: whom it lets read, and what that costs, is not decided in passing.

    Raises:
        UnavailableError: S3 or the record store does not answer, or refuses; the text says which and why.
    """
    if environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL"):
        _install_bucket(settings, publish_originals=publish_originals)
    if settings.records == "sqlite":
        SqliteRecords(settings.sqlite_path).ping()
        return
    try:
        client = boto3.client("dynamodb", region_name=region(), config=_CONFIG)
        create_tables(client, settings.media_table, settings.tasks_table)
    except (BotoCoreError, ClientError) as error:
        raise UnavailableError(f"The tables cannot be made: {error}") from error


def _install_bucket(settings: Settings, *, publish_originals: bool) -> None:
    own = (f"http://{host}:{settings.port}" for host in ("127.0.0.1", "localhost"))
    origins = (*own, *settings.allowed_origins)
    try:
        client = boto3.client("s3", region_name=region(), config=_CONFIG)
        setup_bucket(client, settings.s3_bucket, origins, originals=publish_originals)
    except (BotoCoreError, ClientError) as error:
        raise UnavailableError(f"The bucket {settings.s3_bucket} cannot be made: {error}") from error
