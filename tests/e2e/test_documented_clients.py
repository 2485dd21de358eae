"""The examples of docs/uploads.md, run as they stand over a wire that is cut in the middle."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from ops import node, servers
from ops.processes import CommandFailedError
from pipeline.adapters.bucket import setup_bucket
from tests.backends import BUCKET, unavailable
from tests.documents import block
from tests.fetching import fetched
from tests.frontdoor import Bucket, records
from tests.interruptions import CONTENT, PATIENCE, arrived, cut, project
from tests.proxy import Proxy
from tests.serving import ROOT, Ingest
from tests.web import web

CLIENTS = ROOT / "tests" / "clients"
AWS = f'#!/bin/sh\nexec {sys.executable} -m awscli "$@"\n'
TUS = """
import { readFileSync } from 'node:fs'
import * as tus from 'tus-js-client'
const file = Object.assign(readFileSync('beach.jpg'), { name: 'beach.jpg' })
"""
UPPY = """
import { readFileSync } from 'node:fs'
import './browser.mjs'
const [{ default: Uppy }, { default: Tus }, { default: AwsS3 }] = await Promise.all(
  ['core', 'tus', 'aws-s3'].map((name) => import(`@uppy/${name}`)))
const uppy = new Uppy()
"""
SENT = """
uppy.addFile({ name: 'beach.jpg', type: 'image/png', data: new Blob([readFileSync('beach.jpg')]) })
const { failed } = await uppy.upload()
process.exit(failed.length)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the reader is: the file lies there."""
    (tmp_path / "beach.jpg").write_bytes(CONTENT)
    return tmp_path


def example(heading: str, language: str, url: str, project_id: str, number: int = 0) -> str:
    """What stands below the heading, for another address and project."""
    code = block("uploads.md", f"### {heading}", language, number)
    assert "http://127.0.0.1:8000" in code
    assert "holiday" in code
    return code.replace("http://127.0.0.1:8000", url).replace("holiday", project_id)


def run(folder: Path, *command: str, env: Mapping[str, str] = MappingProxyType({}), well: bool = True) -> None:
    whole = {**servers.plain_environment(), **env}
    done = subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode == 0) == well, done.stderr


@pytest.mark.parametrize(("number", "anew"), [(0, True), (1, True), (2, False)], ids=["a form", "a body", "tus"])
def test_curl(wired: Ingest, wire: Proxy, bucket: Bucket, folder: Path, number: int, *, anew: bool) -> None:
    project_id = project()
    with cut(wire):
        run(folder, "/bin/sh", "-euc", example("curl", "sh", wire.url, project_id, number))
    arrived(wired, bucket, project_id, "beach.jpg", broken=int(anew))


def test_tus_js_client(wired: Ingest, wire: Proxy, bucket: Bucket, folder: Path) -> None:
    project_id = project()
    with cut(wire):
        javascript(folder, TUS + example("tus-js-client", "js", wire.url, project_id), wire.url)
    arrived(wired, bucket, project_id, "beach.jpg")


def test_tuspy(wired: Ingest, wire: Proxy, bucket: Bucket, folder: Path) -> None:
    project_id, home = project(), installed("tuspy")
    with cut(wire):
        code = example("tuspy", "python", wire.url, project_id)
        run(folder, sys.executable, "-c", code, env={"PYTHONPATH": str(home)})
    arrived(wired, bucket, project_id, "beach.jpg")


@pytest.mark.parametrize("way", ["through ingest", "straight to S3"])
def test_uppy(wired: Ingest, wire: Proxy, s3_wire: Proxy, bucket: Bucket, folder: Path, way: str) -> None:
    setup_bucket(bucket.client, BUCKET, [wire.url], originals=True)
    project_id = project()
    with cut(wire if way == "through ingest" else s3_wire):
        javascript(folder, UPPY + example(f"Uppy, {way}", "js", wire.url, project_id) + SENT, wire.url)
    if way == "straight to S3":  # a form, at this size
        (media,) = records(wired, project_id)
        web.post(f"{wired.url}/s3/complete", json={"key": media["s3Key"]}, timeout=30).raise_for_status()
    arrived(wired, bucket, project_id, "beach.jpg")


def test_aws(wired: Ingest, s3_wire: Proxy, ingest_env: dict[str, str], bucket: Bucket, folder: Path) -> None:
    """It gives up when the wire is cut; there is nothing to adopt then, and it is begun again."""
    project_id, home = project(), installed("awscli")
    (folder / "aws").write_text(AWS)
    (folder / "aws").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    env = {**ingest_env, "AWS_ENDPOINT_URL_S3": s3_wire.url, "PYTHONPATH": str(home), "PATH": path}
    code = example("aws", "sh", wired.url, project_id)
    with cut(s3_wire):
        run(folder, "/bin/sh", "-euc", code, env=env | {"AWS_MAX_ATTEMPTS": "1"}, well=False)
    assert bucket.keys(f"import/{project_id}/") == []
    assert records(wired, project_id) == []
    run(folder, "/bin/sh", "-euc", code, env=env)
    run(folder, "/bin/sh", "-euc", code, env=env)  # the same object, the same media
    (media,) = records(wired, project_id)
    assert (media["s3Key"], media["size"]) == (f"import/{project_id}/beach.jpg", len(CONTENT))


def test_readme(wired: Ingest, bucket: Bucket, folder: Path) -> None:
    """Its first look at the API, but for what needs the answer of another command."""
    project_id = project()
    (folder / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    bucket.put("import/beach.jpg", CONTENT)
    shown = block("README.md", "## The API", "sh").replace("\\\n", "").splitlines()
    commands = [line for line in shown if line.startswith("curl") and "…" not in line]
    assert len(commands) >= 7
    for command in commands:
        code = command.replace("http://127.0.0.1:8000", wired.url).replace("holiday", project_id)
        run(folder, "/bin/sh", "-euc", code, env={"CURL_HOME": str(folder)})
    # The form and the body; the resumable one, the one straight to S3 and the adopted one, not yet.
    states = sorted(each["status"] for each in records(wired, project_id))
    assert states == ["uploaded"] * 2 + ["uploading"] * 3


def javascript(folder: Path, code: str, origin: str) -> None:
    try:
        program = node.install(CLIENTS).node
    except CommandFailedError as error:
        unavailable(str(error))
    for name in ("node_modules", "browser.mjs"):
        (folder / name).symlink_to(CLIENTS / name)
    (folder / "example.mjs").write_text(code)
    run(folder, program, "example.mjs", env={"ORIGIN": origin})


def installed(name: str) -> Path:
    try:
        return fetched(name)
    except CommandFailedError as error:
        unavailable(str(error))
