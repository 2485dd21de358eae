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


SECRET = "whsec_" + 32 * "a"


@pytest.mark.parametrize(
    ("environ", "mistake"),
    [
        ({"WEBHOOK_URL": "http://a.test/"}, "give a URL starting with https://"),
        ({"WEBHOOK_URL": "https://a.test/", "WEBHOOK_SECRETS": ""}, "WEBHOOK_SECRETS is not set"),
        ({"WEBHOOK_SECRETS": f"{SECRET},whsec_c2hvcnQ="}, "WEBHOOK_SECRETS, number 2: give whsec_"),
        ({"WEBHOOK_URL": "https://127.0.0.1/"}, "is no public address"),
        ({"WEBHOOK_URL": "https://[::ffff:10.0.0.1]/"}, "is no public address"),
        ({"WEBHOOK_URL": "https://me:word@a.test/"}, "no user name"),
        ({"WEBHOOK_URL": "https:///hooks"}, "a host"),
        ({"WEBHOOK_URL": "https://a.test:99999/"}, "a host"),
    ],
)
def test_mistakes_about_webhooks_are_told_and_no_secret_is(environ: dict[str, str], mistake: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings(LOCAL | {"WEBHOOK_SECRETS": SECRET} | environ)
    assert mistake in str(error.value)
    assert SECRET not in str(error.value)
    assert "c2hvcnQ" not in str(error.value)


def test_webhooks_to_this_machine_are_meant_when_it_is_said_so() -> None:
    hook = {
        "WEBHOOK_URL": "http://127.0.0.1:9/",
        "WEBHOOK_SECRETS": f"{SECRET}, {SECRET}",
        "WEBHOOK_ALLOW_PRIVATE": "1",
    }
    settings = read_settings(LOCAL | hook)
    assert settings.webhook_url == "http://127.0.0.1:9/"
    assert settings.webhook_secrets == (SECRET, SECRET)
    assert not read_settings(LOCAL).webhook_url
