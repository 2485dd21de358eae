"""Who we are and where things are: what the environment says by itself, and the SDK otherwise; they agree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.adapters import aws, dynamodb, s3
from pipeline.adapters.sigv4 import Credentials

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
HERE = {**KEYS, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
LIGHT = """
import sys
from pipeline.adapters.wiring import connect
from pipeline.settings import read_settings
import workers.app
services = connect(read_settings())
services.objects.http.place, services.ledger.records.http.credentials()
print(sorted({"boto3", "botocore", "PIL", "av", "starlette"} & set(sys.modules)))
"""


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_the_region_that_containers_name_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert s3.connect("media").client.meta.region_name == "eu-north-1"
    assert dynamodb.connect("media", "tasks").http.place.region == "eu-north-1"
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert s3.connect("media").http.place.region == "eu-west-1"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"AWS_ENDPOINT_URL_S3": "https://s3.example:8443/below/"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://records.example:8000"},
        {"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "http://[::1]:8333"},
        {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        {"AWS_REGION": "", "AWS_DEFAULT_REGION": "ap-south-1"},
        {"AWS_SESSION_TOKEN": "token"},
    ],
    ids=["one endpoint", "S3", "DynamoDB", "IPv6", "ignored", "region", "token"],
)
def test_what_the_environment_says_is_what_the_sdk_reads_there(
    said: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (HERE | said).items():
        monkeypatch.setenv(name, value)
    account = aws.account()
    sdk = aws.Account(account.region, None, account.endpoints).sdk
    assert account.credentials() == sdk.credentials()
    for name in ("media", "with.dots"):
        assert account.bucket(name) == sdk.bucket(name, None)
        assert account.bucket(name, "us-west-2") == sdk.bucket(name, "us-west-2")
    assert account.records() == sdk.records()


def test_credentials_that_end_are_the_sdks_to_renew() -> None:
    assert aws.account(KEYS).pair == Credentials("AKID", "secret")
    assert aws.account({**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2026-11-23T12:00:00Z"}).pair is None


def test_a_worker_that_is_told_all_loads_no_sdk(tmp_path: Path) -> None:
    tables = {"RECORDS": "dynamodb", "MEDIA_TABLE": "media", "TASKS_TABLE": "tasks"}
    env = {**HERE, **tables, "S3_BUCKET": "media", "REDIS_URL": "redis://127.0.0.1:9", "SCRATCH_DIR": str(tmp_path)}
    argv = [sys.executable, "-c", LIGHT]
    found = subprocess.run(argv, env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
