"""Our signature is botocore's."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from botocore import auth
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as Theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.adapters.sigv4 import UNSIGNED, Credentials, path_of, query_of, signed

AT = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VISIBLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
HEADERS = st.dictionaries(
    st.from_regex(r"x-amz-[a-z0-9-]{1,12}|content-(type|md5|disposition)", fullmatch=True), VISIBLE, max_size=5
)
SECRETS = st.from_regex(r"[A-Za-z0-9/+=]{1,40}", fullmatch=True)


@pytest.fixture(autouse=True, scope="module")
def _clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            auth, "get_current_datetime", lambda remove_tzinfo=True: AT.replace(tzinfo=None if remove_tzinfo else UTC)
        )
        yield


@settings(deadline=None)
@given(
    method=st.sampled_from(["PUT", "POST", "DELETE", "GET", "HEAD"]),
    host=st.sampled_from(["media.s3.eu-west-1.amazonaws.com", "127.0.0.1:8333", "[::1]:8333", "s3.example"]),
    key=TEXT,
    query=st.dictionaries(TEXT.filter(bool), TEXT, max_size=4),
    headers=HEADERS,
    body=st.none() | st.binary(max_size=50),
    secret=SECRETS,
    token=st.none() | SECRETS,
    region=st.sampled_from(["us-east-1", "eu-west-1", "cn-north-1"]),
)
def test_our_signature_is_botocores(  # noqa: PLR0913, PLR0917 - what a signature is of
    method: str,
    host: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes | None,
    secret: str,
    token: str | None,
    region: str,
) -> None:
    headers = headers | {"host": host}
    payload = UNSIGNED if body is None else hashlib.sha256(body).hexdigest()
    target = f"{path_of('/' + key)}?{query_of(query)}"
    request = AWSRequest(method, f"http://{host}{target}", dict(headers), data=body or b"")
    request.context["client_config"] = Config(s3={"payload_signing_enabled": body is not None})
    S3SigV4Auth(Theirs("AKID", secret, token), "s3", region).add_auth(request)
    ours = signed(
        method,
        path_of("/" + key),
        query_of(query),
        headers,
        payload,
        credentials=Credentials("AKID", secret, token),
        region=region,
        at=AT.timestamp(),
    )
    theirs = {name.lower(): value for name, value in request.headers.items()}
    assert {name: ours[name] for name in theirs} == theirs


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(Credentials("AKID", "hidden", "hidden too"))


@settings(deadline=None)
@given(headers=HEADERS, body=st.binary(max_size=50), secret=SECRETS, token=st.none() | SECRETS)
def test_that_of_other_services_too(headers: dict[str, str], body: bytes, secret: str, token: str | None) -> None:
    headers = headers | {"host": "dynamodb.eu-west-1.amazonaws.com", "x-amz-target": "DynamoDB_20120810.GetItem"}
    payload = hashlib.sha256(body).hexdigest()
    request = AWSRequest("POST", f"https://{headers['host']}/", headers | {"x-amz-content-sha256": payload}, data=body)
    request.context["client_config"] = Config()
    auth.SigV4Auth(Theirs("AKID", secret, token), "dynamodb", "eu-west-1").add_auth(request)
    ours = signed(
        "POST",
        "/",
        "",
        headers,
        payload,
        credentials=Credentials("AKID", secret, token),
        region="eu-west-1",
        at=AT.timestamp(),
        service="dynamodb",
    )
    assert ours["authorization"] == request.headers["Authorization"]
