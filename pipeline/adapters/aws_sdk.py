"""The SDK: what finds credentials and endpoints, and makes the calls that are too rare to be made by ourselves."""

import ssl
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HTTPHeaders
from botocore.config import Config
from botocore.httpsession import get_cert_path

from pipeline.adapters.aws import Account, Place
from pipeline.adapters.s3_errors import translated
from pipeline.adapters.sigv4 import Credentials
from pipeline.adapters.wire import Patience
from pipeline.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_OK, _BROKEN = 200, 500
_TALKATIVE = ("ListObjectsV2", "ListMultipartUploads", "ListParts", "DeleteObjects", "UploadPartCopy")
"""Operations that S3 never answers without a body."""


class Sdk:
    """One session, for any number of threads; it renews credentials that end."""

    def __init__(self, account: Account) -> None:
        """Nothing is contacted yet."""
        pair, self._endpoints = account.pair, account.endpoints
        self._core = botocore.session.get_session()
        self._session = boto3.session.Session(
            pair.access_key if pair else None,
            pair.secret_key if pair else None,
            pair.token if pair else None,
            account.region,
            self._core,
        )
        self._making = threading.Lock()  # a session makes one client at a time

    def credentials(self) -> Credentials:
        """As `Account.credentials`."""
        with translated():
            found = self._session.get_credentials()
            if found is None:
                raise UnavailableError("aws: there are no credentials")
            frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    def bucket(self, name: str, region: str | None) -> Place:
        """As `Account.bucket`."""
        seen: list[str] = []

        def catch(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            seen.append(str(request.url))
            return AWSResponse(seen[0], 200, HTTPHeaders(), _Nothing())

        client = self._s3(Config(signature_version=UNSIGNED), region)
        client.meta.events.register("before-send.s3.HeadObject", catch)  # type: ignore[arg-type]
        client.head_object(Bucket=name, Key="k")
        parts = urlsplit(seen[0])
        found = client.meta.region_name
        home = "us-east-1" if found in {None, "aws-global"} else found
        return Place(f"{parts.scheme}://{parts.netloc}", unquote(parts.path).removesuffix("k"), home)

    def records(self) -> Place:
        """As `Account.records`."""
        with self._making, translated():
            meta = self._session.client("dynamodb", endpoint_url=self._endpoints.get("dynamodb")).meta
        parts = urlsplit(meta.endpoint_url)
        return Place(f"{parts.scheme}://{parts.netloc}", f"{parts.path.rstrip('/')}/", meta.region_name)

    def certificates(self) -> ssl.SSLContext:
        """The authorities that the SDK trusts: `AWS_CA_BUNDLE`, the profile's, or those it brings along."""
        bundle = self._core.get_config_variable("ca_bundle")
        return ssl.create_default_context(cafile=bundle or get_cert_path(verify=True))

    def objects(self, patience: Patience) -> "S3Client":
        """What lists and deletes; an answer that broke off is no answer."""
        retries: Any = {"mode": "standard", "total_max_attempts": 3}
        client = self._s3(
            Config(
                connect_timeout=patience.connecting,
                read_timeout=patience.answering,
                retries=retries,
                max_pool_connections=64,
                tcp_keepalive=True,
            )
        )
        for operation in _TALKATIVE:
            client.meta.events.register(f"before-parse.s3.{operation}", _doubt)
        return client

    def signer(self, endpoint: str | None) -> "S3Client":
        """What presigns, for those who reach S3 at that endpoint."""
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint else "auto"},
            request_checksum_calculation="when_required",
        )
        with self._making:
            return self._session.client("s3", endpoint_url=endpoint or self._endpoints.get("s3"), config=config)

    def _s3(self, config: Config, region: str | None = None) -> "S3Client":
        endpoint = self._endpoints.get("s3")
        styled = config.merge(Config(s3={"addressing_style": "path" if endpoint else "auto"}))
        with self._making:
            return self._session.client("s3", region_name=region, endpoint_url=endpoint, config=styled)


def _doubt(response_dict: dict[str, Any], **_: object) -> None:
    """Have an answer that ended with its head, or in it, asked for again: botocore would read it as an empty listing.

    As botocore does it itself with errors that come under a 200.
    """
    if response_dict["status_code"] == _OK and not response_dict["body"]:
        response_dict["status_code"] = _BROKEN


class _Nothing:
    """The body of an answer that nobody gave."""

    def stream(self, **_: Any) -> Iterator[bytes]:  # noqa: ANN401 - urllib3's signature
        yield from ()
