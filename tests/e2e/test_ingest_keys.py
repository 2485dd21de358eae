"""Keys and tokens over HTTP, as the clients of a running server meet them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ops.cli import main
from pipeline import apikeys
from pipeline.adapters.sqlite import SqliteRecords
from tests.frontdoor import post
from tests.multipart import PNG, field, file, form
from tests.serving import Ingest, ingest
from tests.web import web

TOKEN_SECRET = "a secret that nobody else has for sure"
NETWORK = "0.0.0.0"  # noqa: S104 - what is tested is that it is guarded


@dataclass(frozen=True)
class Guarded:
    """A server that asks for keys, and the rows that say which are good."""

    server: Ingest
    records: SqliteRecords

    def key(self, *projects: str, right: str = "") -> dict[str, str]:
        """The header of a new key."""
        rights = (right,) if right else ("read", "write")
        return {"Authorization": f"Bearer {apikeys.create(self.records, 'a test', projects, rights)}"}

    def send(self, project: str, headers: dict[str, str], content: bytes = PNG) -> httpx.Response:
        return post(self.server, form([field("projectId", project), file(content)]), **headers)

    def list(self, project: str, headers: dict[str, str]) -> httpx.Response:
        return web.get(f"{self.server.url}/api/projects/{project}/media", headers=headers)


@pytest.fixture(scope="module")
def guarded(ingest_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    records = SqliteRecords(folder / "records.sqlite")
    apikeys.create(records, "the first", ["*"], ["read"])
    env = {"HOST": NETWORK, "TOKEN_SECRETS": f"{TOKEN_SECRET},{TOKEN_SECRET} of last year"}
    with ingest(folder, ingest_env | env) as server:
        yield Guarded(server, records)
    records.close()


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_network_is_served_only_once_there_is_a_key(tmp_path: Path, ingest_env: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="darkroom keys create"), ingest(tmp_path, ingest_env | {"HOST": NETWORK}):
        """It never comes so far."""


def test_a_key_uploads_reads_and_deletes_in_its_project(guarded: Guarded) -> None:
    key = guarded.key("keys-own")
    sent = guarded.send("keys-own", key)
    assert sent.status_code == 201
    address = f"{guarded.server.url}/api/media/{sent.json()['mediaId']}"
    assert web.get(address, headers=key).json()["projectId"] == "keys-own"
    assert len(guarded.list("keys-own", key).json()["items"]) == 1
    assert code(web.get(address)) == (401, "credentials_missing")
    assert web.get(address).headers["www-authenticate"] == "Bearer"
    stranger, reader = guarded.key("keys-other"), guarded.key("keys-own", right="read")
    assert code(web.get(address, headers=stranger)) == (404, "media_not_found")
    assert code(web.delete(address, headers=stranger)) == (404, "media_not_found")
    assert code(web.delete(address, headers=reader)) == (403, "right_missing")
    assert code(web.post(f"{address}/retry", headers=stranger)) == (404, "media_not_found")
    assert web.delete(address, headers=key).status_code == 204


def test_other_projects_are_out_of_reach(guarded: Guarded) -> None:
    key = guarded.key("keys-mine")
    assert code(guarded.send("keys-yours", key)) == (403, "project_forbidden")
    assert code(web.get(f"{guarded.server.url}/api/projects/keys-yours/media", headers=key)) == (
        403,
        "project_forbidden",
    )
    wanted = {"projectId": "keys-yours", "key": "somewhere.png"}
    assert code(web.post(f"{guarded.server.url}/api/media", json=wanted, headers=key)) == (403, "project_forbidden")
    assert code(guarded.send("keys-mine", guarded.key("keys-mine", right="read"))) == (403, "right_missing")


def test_a_revoked_key_ends_within_seconds(guarded: Guarded) -> None:
    key = guarded.key("keys-gone")
    assert guarded.send("keys-gone", key).status_code == 201
    apikeys.revoke(guarded.records, key["Authorization"].split("_")[1])
    fresh = guarded.key("keys-gone")  # not known yet: it makes the server look at once
    assert guarded.send("keys-gone", fresh).status_code == 201
    assert code(guarded.send("keys-gone", key)) == (401, "credentials_invalid")


def test_a_token_uploads_within_its_bounds(guarded: Guarded) -> None:
    url, key = f"{guarded.server.url}/api/tokens", guarded.key("keys-browser")
    wanted = {"projectId": "keys-browser", "maxBytes": len(PNG) + 10, "types": ["image/*"]}
    answer = web.post(url, json=wanted, headers=key)
    assert answer.status_code == 201
    token = {"Authorization": f"Bearer {answer.json()['token']}"}
    sent = guarded.send("keys-browser", token)
    assert sent.status_code == 201
    assert web.get(sent.json()["statusUrl"].replace(NETWORK, "127.0.0.1"), headers=token).status_code == 200
    assert code(guarded.send("keys-browser", token, PNG + bytes(20))) == (413, "bytes_exceeded")
    assert code(guarded.send("keys-elsewhere", token)) == (403, "project_forbidden")
    assert code(web.get(f"{guarded.server.url}/api/projects/keys-browser/media", headers=token)) == (
        403,
        "right_missing",
    )
    assert code(web.delete(sent.json()["statusUrl"], headers=token)) == (403, "right_missing")
    tus = {**token, "Tus-Resumable": "1.0.0", "Upload-Length": str(len(PNG)), "X-Project-Id": "keys-browser"}
    bytes_of_it = {"Content-Type": "application/offset+octet-stream"}
    complete, begun = (
        web.post(f"{guarded.server.url}/files/", content=content, headers={**tus, **more}).headers["location"]
        for content, more in ((PNG, bytes_of_it), (b"", {}))
    )
    assert code(web.delete(guarded.server.url + complete, headers=tus)) == (403, "right_missing")
    assert web.delete(guarded.server.url + begun, headers=tus).status_code == 204
    assert web.delete(guarded.server.url + complete, headers={**tus, **key}).status_code == 204
    assert code(web.post(url, json=wanted, headers=token)) == (403, "right_missing")
    videos = web.post(url, json=wanted | {"types": ["video/*"]}, headers=key).json()["token"]
    assert code(guarded.send("keys-browser", {"Authorization": f"Bearer {videos}"})) == (415, "type_not_accepted")
    assert code(web.post(url, json=wanted | {"projectId": "keys-elsewhere"}, headers=key)) == (
        403,
        "project_forbidden",
    )


def test_what_a_token_began_straight_to_s3_stays_within_its_bounds(guarded: Guarded) -> None:
    """Whoever says that it is there: bytes of another type than the form is for are not seen by S3."""
    url, key = guarded.server.url, guarded.key("keys-direct")
    bounds = {"projectId": "keys-direct", "types": ["image/jpeg"]}
    token = {"Authorization": f"Bearer {web.post(f'{url}/api/tokens', json=bounds, headers=key).json()['token']}"}
    wanted = {"method": "PUT", "key": "a.jpg", "contentType": "image/jpeg", "projectId": "keys-direct"}
    form = web.post(f"{url}/s3/sign", json=wanted, headers=token).raise_for_status().json()
    httpx.post(form["url"], data=form["fields"], files={"file": ("x", PNG)}, timeout=60).raise_for_status()
    answer = web.post(f"{url}/s3/complete", json={"key": form["key"]}, headers=key)
    assert code(answer) == (415, "type_not_accepted")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[]", "malformed_json"),
        (b"{}", "project_id_missing"),
        (b'{"projectId": "a b"}', "project_id_invalid"),
        (b'{"projectId": "p", "maxBytes": 0}', "malformed_json"),
        (b'{"projectId": "p", "maxBytes": true}', "malformed_json"),
        (b'{"projectId": "p", "expiresIn": 86401}', "malformed_json"),
        (b'{"projectId": "p", "types": []}', "malformed_json"),
        (b'{"projectId": "p", "types": "image/*"}', "malformed_json"),
    ],
)
def test_a_token_is_not_given_for_nonsense(guarded: Guarded, body: bytes, expected: str) -> None:
    answer = web.post(f"{guarded.server.url}/api/tokens", content=body, headers=guarded.key("*"))
    assert code(answer) == (400, expected)


def test_nothing_of_a_credential_is_logged_or_kept(guarded: Guarded) -> None:
    key = guarded.key("keys-log")
    secret = key["Authorization"].split("_", 2)[2]
    token = web.post(f"{guarded.server.url}/api/tokens", json={"projectId": "keys-log"}, headers=key).json()["token"]
    guarded.send("keys-log", key)
    guarded.send("keys-log", {"Authorization": f"Bearer {token}"})
    guarded.send("keys-log", {"Authorization": f"Bearer {token}x"})
    web.get(f"{guarded.server.url}/api/media/media_{0:032x}/events?access_token={token}")
    wanted = {"method": "POST", "key": "a.png", "contentType": "image/png"}
    once = {**key, "Idempotency-Key": "kept", "X-Project-Id": "keys-log"}
    answers = [web.post(f"{guarded.server.url}/s3/sign", json=wanted, headers=once) for _ in range(2)]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert [each.json()["headers"] for each in answers] == [key] * 2
    kept = b"".join(path.read_bytes() for path in guarded.server.log.parent.glob("records.sqlite*"))
    assert secret.encode() not in kept
    log = guarded.server.log.read_text()
    assert f'"caller": "key:{key["Authorization"].split("_")[1]}"' in log
    assert secret not in log
    assert token.split(".")[2] not in log
    assert TOKEN_SECRET not in log


def test_the_command_makes_lists_and_revokes(
    tmp_path: Path, ingest_env: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**ingest_env, "RECORDS": "sqlite", "SQLITE_PATH": str(tmp_path / "r.sqlite")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUN_DIR", str(tmp_path))
    assert main(["keys", "create", "--name", "shop", "--project", "p1", "--rate", "20/s", "--bytes", "2 GB"]) == 0
    key = capsys.readouterr().out.strip()
    records = SqliteRecords(tmp_path / "r.sqlite")
    [made] = apikeys.listed(records)
    records.close()
    assert apikeys.recognised({made.id: made}, key) == made
    assert (made.rate, made.bytes) == ("20/s", 2 * 10**9)
    assert main(["keys", "revoke", made.id]) == 0
    assert main(["keys", "revoke", made.id]) == 1
    assert main(["keys", "list", "--json"]) == 0
    listed = capsys.readouterr().out
    assert '"name": "shop"' in listed
    assert '"revoked": "20' in listed
    assert main(["keys", "create", "--name", "x", "--project", "p1", "--rate", "often"]) == 1
    assert "No key was made" in capsys.readouterr().err


def test_a_key_that_asks_too_often_is_told_when_to_come_again(guarded: Guarded) -> None:
    key = apikeys.create(guarded.records, "a test", ["keys-often"], ["read"], rate="2/h")
    headers = {"Authorization": f"Bearer {key}"}
    answers = [guarded.list("keys-often", headers) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert code(answers[2]) == (429, "rate_exceeded")
    assert 0 < int(answers[2].headers["retry-after"]) <= 3600
