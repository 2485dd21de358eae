"""The environment: read once, every mistake in one message."""

from pathlib import Path

import pytest

from pipeline.settings import SettingsError, read_settings

LOCAL = {"S3_BUCKET": "media", "REDIS_URL": "redis://127.0.0.1:1", "RECORDS": "sqlite", "SQLITE_PATH": "records.sqlite"}


def test_defaults_are_for_one_machine() -> None:
    settings = read_settings(LOCAL)
    assert (settings.host, settings.port, settings.production) == ("127.0.0.1", 8000, False)
    assert settings.sqlite_path == Path("records.sqlite")
    assert not settings.allow_anonymous


def test_all_mistakes_are_listed() -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({"RECORDS": "mongodb", "PORT": "http", "PUBLIC_BASE_URL": "cdn.example.com"})
    text = str(error.value)
    for mistake in ("S3_BUCKET is not set", "REDIS_URL is not set", "RECORDS is 'mongodb'", "PORT is 'http'"):
        assert mistake in text
    assert "PUBLIC_BASE_URL is 'cdn.example.com': give a URL starting with http://" in text


def test_dynamodb_wants_its_tables_named() -> None:
    with pytest.raises(SettingsError, match=r"MEDIA_TABLE is not set\n.*TASKS_TABLE is not set"):
        read_settings({"S3_BUCKET": "b", "REDIS_URL": "redis://h"})


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "https://media.s3.us-east-1.amazonaws.com/a/b%20%C3%A9.jpg"),
        ({"AWS_REGION": "eu-north-1"}, "https://media.s3.eu-north-1.amazonaws.com/a/b%20%C3%A9.jpg"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9/"}, "http://127.0.0.1:9/media/a/b%20%C3%A9.jpg"),
        ({"PUBLIC_BASE_URL": "https://cdn.example.com/m/"}, "https://cdn.example.com/m/a/b%20%C3%A9.jpg"),
    ],
)
def test_public_urls_are_percent_encoded_below_the_base(environ: dict[str, str], url: str) -> None:
    assert read_settings(LOCAL | environ).url("a/b é.jpg") == url
