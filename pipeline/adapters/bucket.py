"""A local bucket made ready for use. Real ones are the operator's: docs/deployment.md says what they need."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def setup_bucket(client: "S3Client", bucket: str, origins: Sequence[str], *, originals: bool) -> None:
    """Create the bucket where missing; let anybody read renditions, and the originals if so configured.

    Pages of these origins may PUT and POST to presigned URLs and read the ETag of the answer. Running it again changes
    nothing.
    """
    with suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        client.create_bucket(Bucket=bucket)
    prefixes = ("renditions", "projects") if originals else ("renditions",)
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_public_read(bucket, prefixes)))
    client.put_bucket_cors(
        Bucket=bucket,
        CORSConfiguration={
            "CORSRules": [
                {
                    "AllowedOrigins": list(origins),
                    "AllowedMethods": ["GET", "HEAD", "PUT", "POST"],
                    "AllowedHeaders": ["*"],
                    "ExposeHeaders": ["ETag"],
                    "MaxAgeSeconds": 3600,
                }
            ]
        },
    )


def _public_read(bucket: str, prefixes: Sequence[str]) -> dict[str, object]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PublicRead",
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{bucket}/{prefix}/*" for prefix in prefixes],
            }
        ],
    }
