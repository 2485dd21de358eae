"""What a log line holds, and what it must not."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from pipeline.adapters import logs

PRESIGNED = (
    "http://s3/media/a.jpg?X-Amz-Credential=AKIA%2Fx&X-Amz-Date=1&X-Amz-Signature=c0ffee&X-Amz-Security-Token=t0k"
)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is the process's: give it back as it was."""
    root, handlers, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_an_event_with_identifiers(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True, role="worker")
    structlog.get_logger().info("task_finished", mediaId="media_1", attempts=2, name="Žluť")
    [line] = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "task_finished",
        "level": "info",
        "role": "worker",
        "mediaId": "media_1",
        "attempts": 2,
        "name": "Žluť",
    }


def test_other_libraries_go_the_same_way_at_sensible_levels(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True, role="worker")
    logging.getLogger("pipeline.adapters.broker").warning("hints_not_sent", extra={"count": 3})
    for name in ("botocore.credentials", "dramatiq.worker", "uvicorn.access", "urllib3"):
        logging.getLogger(name).info("chatter")
    logging.getLogger("uvicorn.error").info("Started %s", "it")
    first, second = lines(capsys)
    assert (first["event"], first["level"], first["count"]) == ("hints_not_sent", "warning", 3)
    assert second["event"] == "Started it"


def test_an_exception_is_told_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True, role="worker")
    for log in (structlog.get_logger(), logging.getLogger("elsewhere")):
        try:
            int(PRESIGNED)
        except ValueError:
            log.exception("task_broke")
    for line in lines(capsys):
        assert line["event"] == "task_broke"
        assert "Traceback" in line["exception"]
        assert line["exception"].endswith("X-Amz-Signature=[redacted]&X-Amz-Security-Token=[redacted]'")


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"url": PRESIGNED}, "c0ffee"),
        ({"url": PRESIGNED}, "AKIA"),
        ({"url": PRESIGNED}, "t0k"),
        ({"headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=s3cret"}}, "s3cret"),
        ({"header": "Authorization: Basic s3cret"}, "s3cret"),
        ({"error": "bad key: Bearer s3cret, sorry"}, "s3cret"),
        ({"apiKey": "s3cret"}, "s3cret"),
        ({"url": "redis://:s3cret@10.0.0.1:6379/0"}, "s3cret"),
        ({"urls": ["https://user:s3cret@host/"]}, "s3cret"),
    ],
)
def test_credentials_are_blanked(capsys: pytest.CaptureFixture[str], fields: dict[str, Any], secret: str) -> None:
    for as_json in (True, False):
        logs.configure(json=as_json, role="ingest")
        structlog.get_logger().info("request_finished", **fields)
        said = capsys.readouterr().err
        assert logs.REDACTED in said
        assert secret not in said


def test_what_clients_say_is_cut_and_cannot_write_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=False, role="ingest")
    structlog.get_logger().info("upload_stored", name="\x1b[2J\x07" + "a" * 100_000)
    said = capsys.readouterr().err
    assert len(said) < 1000
    assert "\x1b[2J" not in said
    assert "\x07" not in said


def test_being_set_up_again_says_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=False, role="a")
    logs.configure(json=True, role="b")
    structlog.get_logger().info("once")
    assert [line["role"] for line in lines(capsys)] == ["b"]
