"""What credentials open, and that no route forgets to ask for them."""

import asyncio
import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from starlette.routing import Route

from ingest.access import access_of
from ingest.app import create
from ingest.auth import Authentication
from ingest.callers import ANYBODY, NOBODY, Caller, Door, Right
from ingest.keyring import Keyring
from ingest.problems import ProblemError
from ingest.tokens import AUDIENCE, Tokens
from pipeline import apikeys
from pipeline.adapters.wiring import connect
from pipeline.settings import read_settings
from tests.world import PIPELINE, World

SECRETS = ("first secret, long enough to be one", "second secret, long enough as well")
TOKENS = Tokens(SECRETS, PIPELINE.limits)
OPEN = {"/healthz", "/readyz", "/openapi.json", "/docs"}


@dataclasses.dataclass
class Gate:
    """The middleware over an in-memory store."""

    world: World = dataclasses.field(default_factory=World)
    anonymous: bool = False
    closed: bool = False

    def let(self, authorization: str | None = None, path: str = "/api/upload", query: str = "") -> Caller | str:
        """Who comes through, or the code that says why not."""
        seen: dict[str, Any] = {"facts": {}}

        async def run() -> None:
            async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
                """Nothing is behind the gate."""

            with ThreadPoolExecutor(1) as threads:
                keyring = Keyring(self.world.records, threads)
                headers = [] if authorization is None else [(b"authorization", authorization.encode())]
                scope = {
                    "type": "http",
                    "path": path,
                    "query_string": query.encode(),
                    "headers": headers,
                    "state": seen,
                }
                await Authentication(app, keyring, TOKENS, self.anonymous, self.closed)(scope, None, None)  # type: ignore[arg-type]

        try:
            asyncio.run(run())
        except ProblemError as problem:
            return problem.code
        caller: Caller = seen["caller"]
        return caller

    def key(self, *projects: str, rights: tuple[str, ...] = ("read", "write")) -> str:
        return apikeys.create(self.world.records, "a test", projects or ("p1",), rights)


def token(key_id: str | None = None, secret: str = SECRETS[0], **claims: object) -> str:
    said = {"aud": AUDIENCE, "jti": "t1", "project": "p1", "exp": 2**33, **claims}
    return jwt.encode(said if key_id is None else said | {"key": key_id}, secret, "HS256")


def test_without_any_key_loopback_is_open_and_the_network_is_not() -> None:
    assert Gate().let() is ANYBODY
    assert Gate(closed=True).let() is NOBODY
    assert Gate(closed=True, anonymous=True).let() is ANYBODY


def test_a_key_closes_the_door_for_good() -> None:
    gate = Gate()
    key = gate.key()
    assert gate.let() is NOBODY
    assert apikeys.revoke(gate.world.records, key.split("_")[1])
    assert not apikeys.revoke(gate.world.records, key.split("_")[1])
    assert gate.let() is NOBODY
    assert gate.let(f"Bearer {key}") == "credentials_invalid"


def test_several_keys_are_good_at_once() -> None:
    gate = Gate()
    keys = [gate.key(), gate.key()]
    assert len({caller.id for key in keys if isinstance(caller := gate.let(f"bearer {key}"), Caller)}) == 2


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic {key}", "Bearer {key}x", "Bearer x{key}", "Bearer {other}", "{key}"],
)
def test_what_is_no_key_opens_nothing_even_where_none_is_needed(authorization: str) -> None:
    gate = Gate(anonymous=True)
    key = gate.key()
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert gate.let(authorization.format(key=key, other=other)) == "credentials_invalid"


def test_only_a_hash_of_the_key_is_stored() -> None:
    gate = Gate()
    key = gate.key()
    [row] = gate.world.records.tasks(apikeys.SHELF)
    secret = key.split("_", 2)[2]
    assert len(secret) == 43  # 256 bits in base64
    assert secret not in str(row)
    assert re.fullmatch("[0-9a-f]{64}", row["digest"])


@pytest.mark.parametrize(
    ("projects", "rights"), [((), ("read",)), (("a b",), ("read",)), (("p",), ()), (("p",), ("all",))]
)
def test_a_key_for_nothing_is_not_made(projects: tuple[str, ...], rights: tuple[str, ...]) -> None:
    world = World()
    with pytest.raises(ValueError, match="key"):
        apikeys.create(world.records, "a test", projects, rights)
    assert apikeys.listed(world.records) == []


def test_a_key_is_for_its_projects_and_its_rights() -> None:
    gate = Gate()
    reader, any_project = gate.let(f"Bearer {gate.key('p1', rights=('read',))}"), gate.let(f"Bearer {gate.key('*')}")
    assert isinstance(reader, Caller)
    assert isinstance(any_project, Caller)
    reader.may(Right.READ)
    reader.enter("p1")
    any_project.enter("anything")
    with pytest.raises(ProblemError, match="right_missing"):
        reader.may(Right.UPLOAD)
    with pytest.raises(ProblemError, match="project_forbidden"):
        reader.enter("p2")


def test_a_token_is_what_it_says_and_no_more() -> None:
    gate = Gate()
    minter = gate.key().split("_")[1]
    caller = gate.let(f"Bearer {token(minter, bytes=1000, types=['image/*'])}")
    assert isinstance(caller, Caller)
    narrowed = caller.narrow(PIPELINE.limits)
    assert narrowed.bytes == 1000
    assert "image/png" in narrowed.accept
    assert "video/mp4" not in narrowed.accept
    assert caller.rights == {Right.UPLOAD, Right.FOLLOW}
    assert caller.projects == frozenset({"p1"})
    wide = dataclasses.replace(caller, bytes=2**50, types=())
    assert wide.narrow(PIPELINE.limits) == PIPELINE.limits


def test_a_token_ends_with_its_time_its_secret_and_its_key() -> None:
    gate = Gate()
    key = gate.key()
    minter = key.split("_")[1]
    assert isinstance(gate.let(f"Bearer {token(minter, SECRETS[1])}"), Caller)
    assert gate.let(f"Bearer {token(minter, exp=1)}") == "token_expired"
    assert gate.let(f"Bearer {token(minter, 'a third secret, which nobody uses here')}") == "credentials_invalid"
    assert gate.let(f"Bearer {token(minter, aud='another')}") == "credentials_invalid"
    assert gate.let(f"Bearer {token(minter, project='p2')}") == "credentials_invalid"
    assert gate.let(f"Bearer {token('000000000000')}") == "credentials_invalid"
    assert gate.let(f"Bearer {token()}") == "credentials_invalid"  # minted while the door was open
    unsigned = jwt.encode({"aud": AUDIENCE, "jti": "t", "project": "p1", "exp": 2**33, "key": minter}, "", "none")
    assert gate.let(f"Bearer {unsigned}") == "credentials_invalid"
    apikeys.revoke(gate.world.records, minter)
    assert gate.let(f"Bearer {token(minter)}") == "credentials_invalid"


def test_a_url_carries_tokens_alone_and_only_to_event_streams() -> None:
    gate = Gate()
    key = gate.key()
    given = f"access_token={token(key.split('_')[1])}"
    assert isinstance(followed := gate.let(None, "/api/media/x/events", given), Caller)
    assert followed.id == "token:t1"
    assert gate.let(None, "/api/upload", given) is NOBODY
    assert gate.let(None, "/api/media/x/events", f"access_token={key}") == "credentials_invalid"


def test_every_route_but_the_open_ones_asks_who_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = {"S3_BUCKET": "b", "REDIS_URL": "redis://127.0.0.1:1", "RECORDS": "sqlite", "SQLITE_PATH": ":memory:"}
    app = create(connect(read_settings(settings)), access_of("127.0.0.1", (), (), guarded=True))
    routes = [route for route in app.routes if isinstance(route, Route)]
    guarded = {route.path for route in routes if isinstance(route.endpoint, Door)}
    assert {route.path for route in routes} - guarded == OPEN
