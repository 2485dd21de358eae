"""Signed permissions to bring bytes to S3, for whoever reaches it at an address of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws import Account
from pipeline.adapters.labels import CHECKSUM, headers_of
from pipeline.adapters.s3_errors import translated
from pipeline.ports import Form, Label

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CREATED = {"success_action_status": "201"}


@dataclass(frozen=True)
class S3Signer:
    """The `Signer` port: the bucket as clients reach it, at the endpoint, or where we do ourselves when it is None."""

    account: Account
    endpoint: str | None
    bucket: str

    @cached_property
    def client(self) -> "S3Client":
        """The SDK's."""
        return self.account.sdk.signer(self.endpoint)

    def form(self, key: str, label: Label, most: int, seconds: int, checksums: Mapping[str, str]) -> Form:
        """A POST policy (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html)."""
        compared = {f"{CHECKSUM}{algorithm}": value for algorithm, value in checksums.items()}
        fields = {**headers_of(label), **_CREATED, **compared}
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", 1, most])
        with translated():
            signed = self.client.generate_presigned_post(
                self.bucket, key, Fields=dict(fields), Conditions=conditions, ExpiresIn=seconds
            )
        return Form(signed["url"], signed["fields"])

    def part(self, key: str, upload_id: str, number: int, seconds: int) -> str:
        """A presigned UploadPart."""
        wanted = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        with translated():
            return self.client.generate_presigned_url("upload_part", Params=wanted, ExpiresIn=seconds)
