"""Where a bucket is and who we are there, as boto3's own configuration says: endpoints, certificates, credentials."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HTTPHeaders
from botocore.config import Config
from botocore.httpsession import get_cert_path

from pipeline.adapters.s3_errors import translated
from pipeline.adapters.sigv4 import Credentials
from pipeline.errors import UnavailableError


@dataclass(frozen=True)
class Place:
    """`origin` is `http(s)://host[:port]`, `base` what stands before a key in a path: `/`, or `/bucket/`."""

    origin: str
    base: str
    region: str

    @property
    def host(self) -> str:
        """The Host header."""
        return urlsplit(self.origin).netloc


@dataclass(frozen=True)
class Account:
    """One session of the SDK; it finds credentials where it always does, and renews them."""

    session: boto3.session.Session
    core: botocore.session.Session

    def credentials(self) -> Credentials:
        """Those of now; raises `UnavailableError` when there are none."""
        with translated():
            found = self.session.get_credentials()
            if found is None:
                raise UnavailableError("s3: there are no credentials")
            frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    def place(self, bucket: str, config: Config, region: str | None = None) -> Place:
        """Where the SDK would send requests for the bucket, in its own or another region; nothing is sent."""
        seen: list[str] = []

        def catch(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            seen.append(str(request.url))
            return AWSResponse(seen[0], 200, HTTPHeaders(), _Nothing())

        unsigned = config.merge(Config(signature_version=UNSIGNED))
        client = self.session.client("s3", region_name=region, config=unsigned)
        client.meta.events.register("before-send.s3.HeadObject", catch)  # type: ignore[arg-type]
        client.head_object(Bucket=bucket, Key="k")
        parts = urlsplit(seen[0])
        found = client.meta.region_name
        home = "us-east-1" if found in {None, "aws-global"} else found
        return Place(f"{parts.scheme}://{parts.netloc}", unquote(parts.path).removesuffix("k"), home)

    def certificates(self) -> ssl.SSLContext:
        """The authorities that the SDK trusts: `AWS_CA_BUNDLE`, the profile's, or those it brings along."""
        bundle = self.core.get_config_variable("ca_bundle")
        return ssl.create_default_context(cafile=bundle or get_cert_path(verify=True))


def account(region: str | None) -> Account:
    """A session of one's own, in that region or the one that the environment and the profile say."""
    core = botocore.session.get_session()
    return Account(boto3.session.Session(botocore_session=core, region_name=region), core)


class _Nothing:
    """The body of an answer that nobody gave."""

    def stream(self, **_: Any) -> Iterator[bytes]:  # noqa: ANN401 - urllib3's signature
        yield from ()
