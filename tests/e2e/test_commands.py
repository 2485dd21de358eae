"""The `darkroom` commands that people type, on a stack that is up and on none."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import leftovers, ports
from tests import builders
from tests.serving import wait_for
from tests.stack import ROOT, Running, running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("commands")) as up:
        yield up


def darkroom(run_dir: Path, *arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "RUN_DIR": str(run_dir), "PORT": str(next(ports.free()))}
    argv = [sys.executable, "-m", "ops.cli", *map(str, arguments)]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False)


def test_demo_brings_a_photo_and_a_video_through_and_leaves_nothing_running(tmp_path: Path) -> None:
    demo = darkroom(Path("run"), "demo", folder=tmp_path)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    lines = demo.stdout.splitlines()
    assert "photo.jpg: ready (100%)" in lines
    assert "video.mp4: ready (100%)" in lines
    for output in ("thumbnail", "large", "poster", "mp4", "hls"):
        assert any(line.startswith(output) and "http://127.0.0.1:" in line for line in lines), output
    page = (tmp_path / "run" / "demo" / "index.html").read_text()
    assert page.count("<img ") == 5 + 6  # the photo's stills, the video's and its poster
    assert page.count("<video ") == 2  # the film and its preview
    assert leftovers.find(tmp_path / "run") == []


def test_demo_uses_the_stack_that_is_up_and_leaves_it_so(stack: Running, tmp_path: Path) -> None:
    photo = builders.photo(tmp_path / "Ein <Bild>.jpg", (800, 600))
    demo = darkroom(stack.run_dir.path, "demo", photo)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "starting" not in demo.stdout
    assert stack.process.poll() is None
    assert "Ein &lt;Bild&gt;.jpg" in (stack.run_dir.path / "demo" / "index.html").read_text()


def test_demo_fails_with_a_file_that_is_refused(stack: Running, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture at all")
    demo = darkroom(stack.run_dir.path, "demo", text)
    assert demo.returncode == 1
    assert demo.stderr == "notes.txt: The file is no image or video that can be read. (format_unsupported)\n"


def test_demo_fails_with_a_file_that_ends_rejected(stack: Running, tmp_path: Path) -> None:
    whole = builders.photo(tmp_path / "whole.png", (400, 300))
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(whole.read_bytes()[:200])
    demo = darkroom(stack.run_dir.path, "demo", damaged)
    assert demo.returncode == 1
    assert "damaged.png: rejected" in demo.stdout


def test_upload_and_status_follow_a_media(stack: Running, tmp_path: Path) -> None:
    photo = builders.photo(tmp_path / "photo.jpg", (320, 240))
    upload = darkroom(stack.run_dir.path, "upload", photo, "--project", "mine")
    assert upload.returncode == 0, upload.stderr
    media_id = next(word for word in upload.stdout.split() if word.startswith("media_"))
    assert stack.settled(media_id)["projectId"] == "mine"
    status = darkroom(stack.run_dir.path, "status", media_id)
    assert status.returncode == 0, status.stderr
    assert "photo.jpg: ready" in status.stdout
    assert any(line.split()[:2] == ["validate", "DONE"] for line in status.stdout.splitlines())
    owed = darkroom(stack.run_dir.path, "status")
    assert owed.returncode == 0, owed.stderr
    assert owed.stdout.splitlines()[:3] == ["s3: ok", "records: ok", "redis: ok"]
    assert owed.stdout.splitlines()[3].startswith(("Nothing is owed.", "queue"))


def test_submit_makes_a_media_of_an_object_in_the_bucket(stack: Running, tmp_path: Path) -> None:
    services = stack.services()
    photo = builders.photo(tmp_path / "photo.jpg", (320, 240))
    services.objects.client.put_object(Bucket=stack.env["S3_BUCKET"], Key="import/x.jpg", Body=photo.read_bytes())
    submit = darkroom(stack.run_dir.path, "submit", "import/x.jpg", "--project", "imported")
    assert submit.returncode == 0, submit.stderr
    wait_for(lambda: services.ledger.records.project("imported", -1, 1), 30)
    (row,) = services.ledger.records.project("imported", -1, 1)
    assert stack.settled(row["id"])["s3Key"] == "import/x.jpg"


def test_commands_without_a_stack_say_how_to_start_one(tmp_path: Path) -> None:
    for arguments in (("status",), ("upload", __file__, "--project", "p"), ("submit", "key", "--project", "p")):
        command = darkroom(tmp_path / "none", *arguments)
        assert command.returncode == 1
        assert command.stderr == f"No stack runs in {tmp_path / 'none'}. Start one: make run\n"
    assert not (tmp_path / "none").exists()


def test_a_worker_of_an_unknown_queue_names_those_there_are(stack: Running) -> None:
    env = {**os.environ, **stack.env}
    argv = [sys.executable, "-m", "ops.cli", "worker", "light", "ligth"]
    worker = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert worker.returncode == 1
    assert worker.stderr.startswith("pipeline.toml has no queue ligth; it has light, ")
