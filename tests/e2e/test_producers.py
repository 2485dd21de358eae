"""Jobs that are dropped on Redis, by plain Redis commands and by the client."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from pipeline.client import submit
from tests import builders
from tests.backends import BUCKET
from tests.serving import wait_for
from tests.stack import ROOT, STORES, Running, quick, running, stored
from tests.web import web


@pytest.fixture(scope="module", params=STORES)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("producers")
    with running(folder / "run", PIPELINE=str(quick(folder)), **stored(request.param)) as up:
        yield up


@pytest.fixture
def client(stack: Running) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as connected:
        yield connected


def put(stack: Running, path: Path, key: str) -> None:
    """Store an object as somebody else's program does."""
    stack.services().objects.client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())


def listed(stack: Running, project: str) -> list[dict[str, Any]]:
    return list(web.get(f"{stack.url}/api/projects/{project}/media").json()["items"])


def drop(client: redis.Redis, job: str, **wanted: str) -> None:
    """What docs/producers.md tells a program in any language to do."""
    message = {
        "queue_name": "submit",
        "actor_name": "submit",
        "args": [],
        "kwargs": {**wanted, "jobId": job},
        "options": {"redis_message_id": job},
        "message_id": job,
        "message_timestamp": int(time.time() * 1000),
    }
    client.hset("dramatiq:submit.msgs", job, json.dumps(message))
    client.rpush("dramatiq:submit", job)


def test_plain_redis_commands_make_a_media_of_an_object(stack: Running, client: redis.Redis, tmp_path: Path) -> None:
    put(stack, builders.photo(tmp_path / "a.jpg", (800, 600)), "import/Möwe 1.jpg")
    drop(client, "job-1", projectId="plain", key="import/Möwe 1.jpg")
    wait_for(lambda: [item["status"] for item in listed(stack, "plain")] == ["ready"], 60)
    (record,) = listed(stack, "plain")
    assert record["s3Key"] == "import/Möwe 1.jpg"
    assert record["originalName"] == "Möwe 1.jpg"
    assert web.get(record["urls"]["thumbnail"]).status_code == 200


def test_the_same_object_and_the_same_job_make_one_media(stack: Running, client: redis.Redis, tmp_path: Path) -> None:
    put(stack, builders.photo(tmp_path / "b.jpg", (800, 600)), "import/b.jpg")
    for number in range(3):
        drop(client, f"again-{number}", projectId="once", key="import/b.jpg")
    submit(client, "once", "import/b.jpg", "again-0")
    submit(client, "once", "import/b.jpg", "again-0")
    wait_for(lambda: [item["status"] for item in listed(stack, "once")] == ["ready"], 60)
    put(stack, builders.photo(tmp_path / "b2.jpg", (700, 600)), "import/b.jpg")  # replaced: another version
    submit(client, "once", "import/b.jpg", "again-0")  # but the same job
    put(stack, builders.photo(tmp_path / "c.jpg", (600, 600)), "import/c.jpg")
    submit(client, "once", "import/c.jpg")
    wait_for(lambda: len(listed(stack, "once")) == 2, 60)
    assert {item["s3Key"] for item in listed(stack, "once")} == {"import/b.jpg", "import/c.jpg"}


def test_deleting_an_adopted_media_leaves_the_object(stack: Running, client: redis.Redis, tmp_path: Path) -> None:
    put(stack, builders.photo(tmp_path / "mine.jpg", (800, 600)), "import/mine.jpg")
    submit(client, "keep", "import/mine.jpg")
    wait_for(lambda: [item["status"] for item in listed(stack, "keep")] == ["ready"], 60)
    (record,) = listed(stack, "keep")
    assert web.delete(f"{stack.url}/api/media/{record['id']}").status_code == 204
    wait_for(lambda: web.get(record["urls"]["thumbnail"]).status_code == 404, 60)
    assert stack.services().objects.head("import/mine.jpg") is not None


def test_a_job_that_can_never_work_is_logged_and_kept_as_a_dead_letter(stack: Running, client: redis.Redis) -> None:
    drop(client, "hopeless", projectId="no/such project", key="import/none.jpg")
    drop(client, "missing", projectId="fine", key="import/none.jpg")
    drop(client, "malformed", projectId="fine", kay="import/none.jpg")
    wait_for(lambda: client.zcard("dramatiq:submit.XQ") == 3, 60)
    log = (stack.run_dir.path / "logs" / "worker-submit.log").read_text()
    assert "project_id_invalid" in log
    assert "object_missing" in log


def test_the_documented_form_is_the_one_tested() -> None:
    text = (ROOT / "docs/producers.md").read_text()
    document = re.search(r"JOB='(\{.*?\})'$", text, re.DOTALL | re.MULTILINE)
    assert document is not None
    shown = re.sub(r"'\$\(date \+%s000\)'", "0", document[1]).replace("'$ID'", "x")
    assert json.loads(shown).keys() == {
        "queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp",
    }  # fmt: skip
