"""`make run` as a newcomer meets it: how it starts, refuses, ends, and what it keeps."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ops import leftovers, ports
from tests import builders
from tests.serving import wait_for
from tests.stack import ROOT, Running, running
from tests.web import web

PROMISED_END = 10.0
"""Seconds after Ctrl-C or SIGTERM in which every child is gone."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("run")) as up:
        yield up


def darkroom(run_dir: Path, *arguments: str, port: int | None = None) -> subprocess.Popen[str]:
    env = {**os.environ, "RUN_DIR": str(run_dir), "PORT": str(port or next(ports.free()))}
    return subprocess.Popen(
        [sys.executable, "-m", "ops.cli", *arguments],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_last_line_says_where_it_answers(stack: Running) -> None:
    assert stack.log.read_text().splitlines()[-1] == f"ready: {stack.url}"
    assert web.get(f"{stack.url}/readyz").json()["ready"] is True


def test_a_second_start_in_the_same_folder_is_refused(stack: Running) -> None:
    with darkroom(stack.run_dir.path, "run") as second:
        said, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert said == (
        f"A stack already runs in {stack.run_dir.path} and answers at {stack.url} (process {stack.process.pid}). "
        "Stop it, or set RUN_DIR.\n"
    )


def test_a_folder_in_use_is_not_cleaned(stack: Running) -> None:
    with darkroom(stack.run_dir.path, "clean") as clean:
        said, _ = clean.communicate(timeout=30)
    assert clean.returncode == 1
    assert "already runs" in said
    assert stack.run_dir.path.exists()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with darkroom(tmp_path / "run", "run", port=port) as process:
            said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said == f"Port {port} is taken by another program. Stop it, or choose another port: PORT={port + 1}\n"
    assert leftovers.find(tmp_path / "run") == []


def test_secrets_are_for_their_owner_alone(stack: Running) -> None:
    for name in ("credentials.json", "stack.json"):
        assert stat.S_IMODE((stack.run_dir.path / name).stat().st_mode) == 0o600
    kept = json.loads((stack.run_dir.path / "credentials.json").read_text())
    assert len(kept["secret_key"]) == 40


def test_every_server_listens_on_loopback_alone(stack: Running) -> None:
    used = json.loads((stack.run_dir.path / "ports.json").read_text()).values()
    for port in (*used, *(port + ports.TWIN for port in used), int(stack.url.rpartition(":")[2])):
        # Whoever listens on every interface listens on the rest of the loopback network, too.
        with pytest.raises(OSError, match=r"refused|assign|timed out"):
            socket.create_connection(("127.0.0.2", port), 1).close()


def test_anybody_reads_what_is_published_and_nothing_else(stack: Running) -> None:
    env, services = stack.env, stack.services()
    bucket = f"{env['AWS_ENDPOINT_URL_S3']}/{env['S3_BUCKET']}"
    for key in ("projects/p/a.txt", "renditions/p/a.txt", "import/a.txt"):
        services.objects.client.put_object(Bucket=env["S3_BUCKET"], Key=key, Body=b"text")
    assert web.get(f"{bucket}/projects/p/a.txt").text == "text"
    assert web.get(f"{bucket}/renditions/p/a.txt").text == "text"
    assert web.get(f"{bucket}/import/a.txt").status_code == 403
    assert web.get(bucket).status_code == 403
    assert web.put(f"{bucket}/projects/p/b.txt", content=b"mine").status_code == 403
    assert web.delete(f"{bucket}/projects/p/a.txt").status_code == 403


def test_our_own_page_may_talk_to_the_bucket_and_no_other(stack: Running) -> None:
    url = f"{stack.env['AWS_ENDPOINT_URL_S3']}/{stack.env['S3_BUCKET']}/projects/p/a.txt"

    def preflight(origin: str) -> httpx.Response:
        return web.options(url, headers={"Origin": origin, "Access-Control-Request-Method": "PUT"})

    assert preflight(stack.url).headers["access-control-allow-origin"] == stack.url
    assert "access-control-allow-origin" not in preflight("http://elsewhere.example").headers


@pytest.mark.parametrize(("line", "number"), [("s3: starting", signal.SIGINT), ("ingest: starting", signal.SIGTERM)])
def test_it_ends_in_time_while_it_starts(tmp_path: Path, line: str, number: signal.Signals) -> None:
    with darkroom(tmp_path / "run", "run") as process:
        assert process.stdout
        for said in process.stdout:
            if said.strip() == line:
                break
        begun = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=30)
    assert time.monotonic() - begun < PROMISED_END
    assert process.returncode == 0
    assert leftovers.find(tmp_path / "run") == []


def test_data_survives_the_worst_end(tmp_path: Path) -> None:
    with running(tmp_path / "run") as first:
        media_id = first.upload(builders.photo(tmp_path / "photo.jpg", (640, 480)))
        record = first.settled(media_id)
        first.process.kill()
        begun = time.monotonic()
        wait_for(lambda: leftovers.find(tmp_path / "run") == [], PROMISED_END)
        assert time.monotonic() - begun < PROMISED_END
    with running(tmp_path / "run") as second:
        assert second.record(media_id) == record
        for url in record["urls"].values():
            assert web.get(url).status_code == 200
