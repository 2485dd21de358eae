"""The region: containers name it in one variable, boto3 reads another."""

import pytest

from pipeline.adapters import dynamodb, s3


def test_the_region_that_containers_name_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert s3.connect("media").client.meta.region_name == "eu-north-1"
    assert dynamodb.connect("media", "tasks").client.meta.region_name == "eu-north-1"
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert s3.connect("media").writes.place.region == "eu-west-1"
