"""The region, which containers and Lambda name in `AWS_REGION` and boto3 looks for in `AWS_DEFAULT_REGION` alone."""

import os


def region() -> str | None:
    """What `AWS_REGION` says; None leaves it to boto3's own places: `AWS_DEFAULT_REGION`, the profile."""
    return os.environ.get("AWS_REGION") or None
