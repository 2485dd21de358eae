"""What `ports.Webhooks` promises, on real HTTP and TLS servers; the standard's own library verifies what they get."""

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError

from pipeline.adapters import webhooks as adapter
from pipeline.adapters.webhooks import Receiver, connect
from pipeline.errors import PermanentError, UndeliveredError
from pipeline.messages import Message
from pipeline.settings import read_settings
from tests.receiver import Hooks

OLD, NEW = (f"whsec_{base64.b64encode(letter * 24).decode()}" for letter in (b"a", b"b"))
MESSAGE = Message("media_1_ready_0", '{"type":"media.ready","data":{"name":"Žluť 🐎"}}'.encode())


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as hooks:
        yield hooks


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def receiver(hooks: Hooks, *secrets: str, host: str = "127.0.0.1") -> Receiver:
    return Receiver(hooks.url(host), secrets or (OLD,), private=True, resolve=lambda *_: ["127.0.0.1"])


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_message_arrives_as_it_is_and_its_signature_is_good(hooks: Hooks) -> None:
    receiver(hooks, host="hooks.test").send(MESSAGE)
    (delivery,) = hooks.deliveries
    assert delivery.path == "/hooks?to=me"
    assert delivery.headers["host"] == f"hooks.test:{hooks.port}"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["webhook-id"] == MESSAGE.id
    assert Webhook(OLD).verify(delivery.body, delivery.headers) == json.loads(MESSAGE.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(delivery.body, delivery.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(delivery.body + b" ", delivery.headers)


def test_while_secrets_are_rotated_each_of_them_verifies(hooks: Hooks) -> None:
    receiver(hooks, OLD, NEW).send(MESSAGE)
    (delivery,) = hooks.deliveries
    for secret in (OLD, NEW):
        Webhook(secret).verify(delivery.body, delivery.headers)


def test_the_id_stays_and_the_time_is_each_attempts_own(hooks: Hooks) -> None:
    for _ in range(2):
        receiver(hooks).send(MESSAGE)
    assert {delivery.headers["webhook-id"] for delivery in hooks.deliveries} == {MESSAGE.id}
    assert all(abs(int(each.headers["webhook-timestamp"]) - time.time()) < 30 for each in hooks.deliveries)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_any_answer_but_2xx_is_a_failure_and_redirects_are_not_followed(hooks: Hooks, status: int) -> None:
    hooks.statuses, hooks.location = [status], hooks.url(path="/elsewhere")
    with pytest.raises(UndeliveredError, match=f"127.0.0.1 answered {status}"):
        receiver(hooks).send(MESSAGE)
    assert [delivery.path for delivery in hooks.deliveries] == ["/hooks?to=me"]


def test_gone_means_that_no_more_are_wanted(hooks: Hooks) -> None:
    hooks.statuses = [410]
    with pytest.raises(PermanentError) as gone:
        receiver(hooks).send(MESSAGE)
    assert gone.value.reason == "webhook_gone"


def test_nobody_there_is_a_failure() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(UndeliveredError):
        Receiver(f"http://127.0.0.1:{port}/", (OLD,), private=True).send(MESSAGE)


def test_another_address_is_tried_when_one_does_not_answer(hooks: Hooks) -> None:
    there = replace(receiver(hooks, host="hooks.test"), resolve=lambda *_: ["127.0.0.99", "::1", "127.0.0.1"])
    there.send(MESSAGE)
    assert len(hooks.deliveries) == 1


def test_an_answer_that_does_not_come_is_not_waited_for(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "TIMEOUT", 0.5)
    hooks.hold = threading.Event()
    begun = time.monotonic()
    with pytest.raises(UndeliveredError, match="TimeoutError"):
        receiver(hooks).send(MESSAGE)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
)
def test_an_answer_that_is_none_is_a_failure(answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(UndeliveredError):
        Receiver(f"http://127.0.0.1:{port}/", (OLD,), private=True).send(MESSAGE)


def test_preliminary_answers_without_end_are_a_failure_soon() -> None:
    with (
        answering(b"HTTP/1.1 102 Processing\r\n\r\n" * 10_000) as port,
        pytest.raises(UndeliveredError, match="nothing but preliminary answers"),
    ):
        Receiver(f"http://127.0.0.1:{port}/", (OLD,), private=True).send(MESSAGE)


def test_a_drip_of_bytes_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "TIMEOUT", 1.0)
    begun = time.monotonic()
    with answering(b"HTTP/1.1 200 OK\r\n" * 1000, drip=0.05) as port, pytest.raises(UndeliveredError):
        Receiver(f"http://127.0.0.1:{port}/", (OLD,), private=True).send(MESSAGE)
    assert time.monotonic() - begun < 10


def test_the_body_of_an_answer_is_not_read() -> None:
    endless = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 1000
    with answering(endless) as port:
        Receiver(f"http://127.0.0.1:{port}/", (OLD,), private=True).send(MESSAGE)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost", "[::ffff:7f00:1]"]
)
def test_another_way_to_write_this_machine_is_this_machine(hooks: Hooks, host: str) -> None:
    with pytest.raises(UndeliveredError, match="not a public one"):
        Receiver(hooks.url(host), (OLD,)).send(MESSAGE)
    assert hooks.deliveries == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::ffff:169.254.169.254"], ["100.64.0.1"], []]
)
def test_a_name_that_leads_anywhere_but_in_public_is_not_followed(hooks: Hooks, addresses: list[str]) -> None:
    lured = Receiver(hooks.url("hooks.test"), (OLD,), resolve=lambda *_: addresses)
    with pytest.raises(UndeliveredError, match="not a public one"):
        lured.send(MESSAGE)
    assert hooks.deliveries == []


def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_used(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: what the name says a moment later does not matter."""
    answers = [["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]]
    monkeypatch.setattr(adapter, "public", lambda address: address == "127.0.0.1")
    rebound = Receiver(hooks.url("hooks.test"), (OLD,), resolve=lambda *_: answers.pop(0))
    rebound.send(MESSAGE)
    assert len(hooks.deliveries) == 1
    assert len(answers) == 2
    with pytest.raises(UndeliveredError, match=r"10\.0\.0\.1"):
        rebound.send(MESSAGE)


def test_tls_is_checked_against_the_name_though_the_address_is_dialled(authority: trustme.CA) -> None:
    with Hooks(tls=serving(authority, "hooks.test")) as hooks:
        good = replace(receiver(hooks, host="hooks.test"), tls=trusting(authority))
        good.send(MESSAGE)
        assert len(hooks.deliveries) == 1
        with pytest.raises(UndeliveredError, match="SSLCertVerificationError"):
            replace(good, url=hooks.url("other.test")).send(MESSAGE)
        with pytest.raises(UndeliveredError, match="SSLCertVerificationError"):
            receiver(hooks, host="hooks.test").send(MESSAGE)
        assert len(hooks.deliveries) == 1


def test_no_proxy_is_asked(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    receiver(hooks).send(MESSAGE)
    assert len(hooks.deliveries) == 1


def test_the_settings_name_the_receiver_and_its_secrets_stay_out_of_sight(hooks: Hooks) -> None:
    env = {"S3_BUCKET": "b", "REDIS_URL": "redis://r", "RECORDS": "sqlite", "SQLITE_PATH": "x"}
    assert connect(read_settings(env)) is None
    hook = {"WEBHOOK_URL": hooks.url(), "WEBHOOK_SECRETS": f"{OLD}, {NEW}", "WEBHOOK_ALLOW_PRIVATE": "1"}
    settings = read_settings(env | hook)
    found = connect(settings)
    assert found is not None
    found.send(MESSAGE)
    assert len(hooks.deliveries[0].headers["webhook-signature"].split()) == 2
    assert OLD not in repr(found) + repr(settings)


class answering:  # noqa: N801 - reads as what it does
    """A server that says these bytes to whoever connects, slowly if told to."""

    def __init__(self, answer: bytes, drip: float = 0.0) -> None:
        self.pieces = [answer] if not drip else [answer[at : at + 1] for at in range(len(answer))]
        self.drip = drip
        self.over = threading.Event()
        self.server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return int(self.server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.server.close()
        self.thread.join(10)

    def serve(self) -> None:
        try:
            connection, _ = self.server.accept()
            with connection:
                connection.recv(65536)
                for piece in self.pieces:
                    connection.sendall(piece)
                    if self.over.wait(self.drip):
                        return
        except OSError:
            return
