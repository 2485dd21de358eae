"""What an upload leaves in S3 between its requests: listed, copied, dropped."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.adapters.s3 import S3Objects
from pipeline.adapters.s3_errors import translated
from pipeline.ports import Part, Source


@dataclass(frozen=True)
class S3Pieces:
    """The `Pieces` port."""

    objects: S3Objects

    def parts(self, key: str, upload_id: str) -> Iterator[Part]:
        """The parts that a multipart upload has, by number."""
        with translated():
            pages = self.objects.client.get_paginator("list_parts")
            for page in pages.paginate(Bucket=self.objects.bucket, Key=key, UploadId=upload_id):
                for each in page.get("Parts", ()):
                    yield Part(each["PartNumber"], each["ETag"], each["Size"], each.get("ChecksumCRC64NVME"))

    def copy_part(self, key: str, upload_id: str, number: int, source: Source) -> Part:
        """Store as a part some bytes of another object."""
        with translated():
            answer = self.objects.client.upload_part_copy(
                Bucket=self.objects.bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": self.objects.bucket, "Key": source.key},
                CopySourceRange=f"bytes={source.first}-{source.last}",
                CopySourceIfMatch=source.etag,
            )
        result = answer["CopyPartResult"]
        return Part(number, result["ETag"], source.last - source.first + 1, result.get("ChecksumCRC64NVME"))

    def drop(self, key: str) -> None:
        """Delete one object."""
        with translated():
            self.objects.client.delete_object(Bucket=self.objects.bucket, Key=key)
