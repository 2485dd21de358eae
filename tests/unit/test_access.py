"""Which hosts and origins are answered."""

import pytest
from starlette.datastructures import Headers

from ingest.access import ForbiddenBindError, access_of
from ingest.problems import ProblemError

ACCESS = access_of("127.0.0.1", ("media.example.com",), ("https://app.example.com",), guarded=False)


def verdict(host: str, origin: str | None = None) -> str:
    headers = Headers({"host": host} | ({"origin": origin} if origin is not None else {}))
    try:
        ACCESS.check(headers)
    except ProblemError as problem:
        return problem.code
    return ACCESS.guest(headers) or "own"


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("127.0.0.1:8000", None, "own"),
        ("localhost:8000", None, "own"),
        ("LOCALHOST", None, "own"),
        ("[::1]:8000", None, "own"),
        ("media.example.com", None, "own"),
        ("", None, "host_not_allowed"),
        ("evil.example", None, "host_not_allowed"),
        ("127.0.0.1.evil.example", None, "host_not_allowed"),
        ("evil.example@127.0.0.1", None, "host_not_allowed"),
        ("[", None, "host_not_allowed"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", "own"),
        ("media.example.com", "https://media.example.com", "own"),
        ("media.example.com:443", "https://media.example.com", "own"),
        ("127.0.0.1:8000", "http://127.0.0.1:3000", "origin_not_allowed"),
        ("127.0.0.1:8000", "http://localhost:8000", "origin_not_allowed"),
        ("127.0.0.1:8000", "null", "origin_not_allowed"),
        ("127.0.0.1:8000", "", "origin_not_allowed"),
        ("127.0.0.1:8000", "://127.0.0.1:8000", "origin_not_allowed"),
        ("127.0.0.1:8000", "http://[", "origin_not_allowed"),
        ("127.0.0.1:8000", "http://127.0.0.1:port", "origin_not_allowed"),
        ("127.0.0.1:8000", "https://app.example.com", "https://app.example.com"),
        ("127.0.0.1:8000", "http://app.example.com", "origin_not_allowed"),
        ("127.0.0.1:8000", "https://app.example.com.evil.example", "origin_not_allowed"),
        ("evil.example", "http://evil.example", "host_not_allowed"),
    ],
)
def test_only_own_names_and_allowed_pages_are_answered(host: str, origin: str | None, expected: str) -> None:
    assert verdict(host, origin) == expected


def test_any_host_and_origin_can_be_allowed() -> None:
    access = access_of("127.0.0.1", ("*",), ("*",), guarded=False)
    headers = Headers({"host": "10.0.0.1", "origin": "https://anything.example"})
    access.check(headers)
    assert access.guest(headers) == "https://anything.example"


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.0.2.1", "media.example.com"])  # noqa: S104 - refused
def test_a_network_is_not_served_anonymously_by_accident(bind: str) -> None:
    with pytest.raises(ForbiddenBindError, match="ALLOW_ANONYMOUS"):
        access_of(bind, (), (), guarded=False)
    assert bind in access_of(bind, (), (), guarded=True).hosts


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_permission(bind: str) -> None:
    assert access_of(bind, (), (), guarded=False).origins == frozenset()
