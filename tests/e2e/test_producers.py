"""Jobs that are dropped on Redis, by plain Redis commands and by the client."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from PIL import Image

from ops import node, servers
from ops.processes import CommandFailedError
from pipeline.client import submit
from tests import builders
from tests.backends import BUCKET, unavailable
from tests.documents import block
from tests.proxy import Proxy
from tests.serving import wait_for
from tests.stack import ROOT, STORES, Running, quick, running, stored
from tests.web import web

PRODUCER = ROOT / "examples" / "node-producer"
REDIS_CLI = f"""#!{sys.executable}
import os, sys, redis
print(redis.Redis.from_url(os.environ["REDIS_URL"]).execute_command(*sys.argv[1:]))
"""


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
    """What docs/producers.md tells a program in any language to do, whatever the job says."""
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
    log = (stack.run_dir.path / "logs" / "worker-light-record-submit.log").read_text()
    assert "project_id_invalid" in log
    assert "object_missing" in log


def test_the_documented_commands_make_a_media(stack: Running, tmp_path: Path) -> None:
    """The shell's, run as they stand; `redis-cli` is a program that sends its arguments to the server."""
    put(stack, builders.photo(tmp_path / "beach.jpg", (800, 600)), "import/beach.jpg")
    cli = tmp_path / "redis-cli"
    cli.write_text(REDIS_CLI)
    cli.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    env = {**servers.plain_environment(), "PATH": path, "REDIS_URL": stack.env["REDIS_URL"]}
    commands = block("producers.md", "## Any language", "sh")
    for _ in range(2):
        subprocess.run(["/bin/sh", "-euc", commands], env=env, check=True, timeout=60)
    wait_for(lambda: [item["status"] for item in listed(stack, "holiday")] == ["ready"], 60)
    assert listed(stack, "holiday")[0]["s3Key"] == "import/beach.jpg"


def test_a_program_in_node_that_is_killed_and_run_again(stack: Running, tmp_path: Path) -> None:
    try:
        program = node.install(PRODUCER).node
    except CommandFailedError as error:
        unavailable(str(error))
    noise = Image.effect_noise((900, 600), 100).convert("RGB")  # half a MB of it
    files = [builders.photo(tmp_path / "a+b 1.jpg", picture=noise), builders.photo(tmp_path / "ä.jpg")]
    command = [program, "producer.js", "node", *map(str, files)]
    s3 = stack.services().objects.client
    with Proxy(urlsplit(stack.env["AWS_ENDPOINT_URL_S3"]).port or 80, rate=100_000) as slow:
        env = {**servers.plain_environment(), **stack.env, "AWS_ENDPOINT_URL_S3": slow.url}
        process = subprocess.Popen(command, cwd=PRODUCER, env=env)
        wait_for(lambda: slow.passed > 100_000 or process.poll() is not None, 60)  # in the middle of the first file
        assert process.poll() is None
        process.kill()
        process.wait()
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="import/node/")["KeyCount"] == 0
    assert listed(stack, "node") == []
    env = {**servers.plain_environment(), **stack.env}
    said = [subprocess.run(command, cwd=PRODUCER, env=env, capture_output=True, text=True, check=True, timeout=60)]
    said += [subprocess.run(command, cwd=PRODUCER, env=env, capture_output=True, text=True, check=True, timeout=60)]
    assert said[0].stdout == said[1].stdout
    keys = {json.loads(line)["key"] for line in said[0].stdout.splitlines()}
    wait_for(lambda: {item["s3Key"] for item in listed(stack, "node") if item["status"] == "ready"} == keys, 60)
    assert sorted(item["originalName"] for item in listed(stack, "node")) == ["a+b 1.jpg", "ä.jpg"]
