"""Webhooks of a real stack, and its operator's commands: dead letters, redrive, replay and the orphan scan."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from pipeline.keys import new_media_id, of_project
from pipeline.ports import Label
from tests import builders
from tests.receiver import Hooks
from tests.serving import wait_for
from tests.stack import ROOT, Running, running
from tests.web import web

OLD, NEW = (f"whsec_{base64.b64encode(letter * 32).decode()}" for letter in (b"a", b"b"))


@pytest.fixture(scope="module")
def hooks() -> Iterator[Hooks]:
    with Hooks() as hooks:
        yield hooks


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, hooks: Hooks) -> Iterator[Running]:
    settings = {"WEBHOOK_URL": hooks.url(), "WEBHOOK_SECRETS": f"{OLD},{NEW}", "WEBHOOK_ALLOW_PRIVATE": "1"}
    folder = tmp_path_factory.mktemp("operations")
    pipeline = folder / "pipeline.toml"
    short = {'wait = "24h"': 'wait = "1s"', 'length = "30s"': 'length = "4s"', 'renewal = "10s"': 'renewal = "1s"'}
    text = (ROOT / "pipeline.toml").read_text().replace('put_timeout = "60s"', 'put_timeout = "5s"')
    for long, quick in short.items():
        text = text.replace(long, quick)
    pipeline.write_text(text)
    with running(folder / "run", PIPELINE=str(pipeline), **settings) as up:
        yield up


def command(stack: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "RUN_DIR": str(stack.run_dir.path)}
    argv = [sys.executable, "-m", "ops.cli", *arguments]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


def darkroom(stack: Running, *arguments: str) -> list[str]:
    """The lines that a command prints."""
    ran = command(stack, *arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


def messages(hooks: Hooks, media_id: str) -> list[tuple[str, str]]:
    """Id and type of what came about a media, each verified with both secrets."""
    found = []
    for each in list(hooks.deliveries):
        said = [Webhook(secret).verify(each.body, each.headers) for secret in (OLD, NEW)]
        assert said[0] == said[1]
        if said[0]["data"]["id"] == media_id:
            found.append((each.headers["webhook-id"], said[0]["type"]))
    return found


def test_a_settled_media_is_told_and_can_be_told_again(stack: Running, hooks: Hooks, tmp_path: Path) -> None:
    media_id = stack.upload(builders.photo(tmp_path / "photo.jpg", (320, 240)))
    assert stack.settled(media_id)["status"] == "ready"
    told = (f"{media_id}_ready_0", "media.ready")
    wait_for(lambda: messages(hooks, media_id) == [told], 30)
    assert darkroom(stack, "replay", media_id) == ["record#ready#0: owed again"]
    wait_for(lambda: messages(hooks, media_id) == [told, told], 30)


def test_a_webhook_nobody_wants_is_a_dead_letter_until_it_is_redriven(
    stack: Running, hooks: Hooks, tmp_path: Path
) -> None:
    hooks.statuses = [410]
    media_id = stack.upload(builders.photo(tmp_path / "photo.jpg", (330, 240)))
    assert stack.settled(media_id)["status"] == "ready"
    wait_for(lambda: darkroom(stack, "dead", "--json", "--media", media_id), 30)
    (line,) = darkroom(stack, "dead", "--json", "--reason", "webhook_gone")
    letter = json.loads(line)
    assert (letter["mediaId"], letter["task"], letter["stage"]) == (media_id, "record#ready#0", "record")
    assert (letter["reason"], letter["attempts"]) == ("webhook_gone", 1)
    assert letter["lastError"] == "127.0.0.1 wants no more webhooks: it answered 410."
    assert letter["deadAt"] >= letter["owedAt"]
    table = darkroom(stack, "dead")
    assert table[0].split() == ["media", "task", "reason", "attempts", "died", "last", "error"]
    assert table[1].split()[:4] == [media_id, "record#ready#0", "webhook_gone", "1"]
    hooks.statuses = [200]
    assert darkroom(stack, "redrive", "--stage", "record") == [
        f"{media_id} record#ready#0: owed again",
        "1 owed again.",
    ]
    wait_for(lambda: len(messages(hooks, media_id)) == 2, 30)
    wait_for(lambda: darkroom(stack, "dead") == ["There are no dead letters."], 30)
    assert darkroom(stack, "redrive", "--all") == ["Nothing to send again."]
    assert stack.record(media_id)["status"] == "ready"


def test_a_media_that_failed_is_redriven_by_its_reason(stack: Running, tmp_path: Path) -> None:
    """Its original is taken away by a stranger before it is looked at, and brought back."""
    objects = stack.services().objects
    photo = builders.photo(tmp_path / "photo.jpg", (340, 240))
    (images,) = stack.pids(["workers.app", "images"])
    os.killpg(images, signal.SIGSTOP)
    try:
        media_id = stack.upload(photo)
        key = stack.record(media_id)["s3Key"]
        objects.client.delete_object(Bucket=objects.bucket, Key=key)
    finally:
        os.killpg(images, signal.SIGCONT)
    assert stack.settled(media_id)["reason"] == "object_missing"
    objects.client.put_object(Bucket=objects.bucket, Key=key, Body=photo.read_bytes())
    assert darkroom(stack, "redrive", "--reason", "object_missing")[-1] == "1 owed again."
    wait_for(lambda: stack.record(media_id)["status"] == "ready", 60)
    assert darkroom(stack, "dead", "--json", "--media", media_id) == []


def test_orphans_are_printed_and_go_when_it_is_said_so(stack: Running, tmp_path: Path) -> None:
    services = stack.services()
    media_id = stack.upload(builders.photo(tmp_path / "photo.jpg", (350, 240)))
    urls = stack.settled(media_id)["urls"]
    assert darkroom(stack, "orphans") == ["There are no orphans."]
    lost = f"projects/p/media/{new_media_id()}/"
    services.objects.put(f"{lost}lost.jpg", b"12345", Label("image/jpeg"))
    line = f"bytes without a record: {lost} (1 object, 5 B)"
    assert darkroom(stack, "orphans") == [line, "1 found."]
    assert darkroom(stack, "orphans", "--delete", "--dry-run") == [line, "1 found."]
    assert darkroom(stack, "orphans", "--delete") == [f"{line}: marked", "1 found."]
    wait_for(lambda: darkroom(stack, "orphans", "--delete") == [f"{line}: deleted", "1 found."], 30)
    assert darkroom(stack, "orphans") == ["There are no orphans."]
    assert services.objects.head(f"{lost}lost.jpg") is None
    assert [url for url in urls.values() if web.head(url).status_code != httpx.codes.OK] == []


def test_what_is_ready_gets_what_is_configured_now(stack: Running, tmp_path: Path) -> None:
    project = "backfill"
    film = builders.video(tmp_path / "film.mp4", (700, 500), seconds=1, rate="10")
    ids = [stack.upload(path, project) for path in (builders.photo(tmp_path / "photo.jpg", (700, 700)), film)]
    before = [stack.settled(media_id) for media_id in ids]
    toml = Path(stack.env["PIPELINE"])
    shipped = toml.read_text()
    toml.write_text(shipped.replace("width = 640\nheight = 640", "width = 320\nheight = 320"))
    try:
        dry = darkroom(stack, "backfill", "--project", project, "--dry-run")
        assert dry == [*(f"{media_id}: small" for media_id in ids), "2 media lack something; small: 2"]
        assert darkroom(stack, "backfill", "--project", project, "--still", "thumbnail")[0].startswith(
            "backfill: 0 owed"
        )
        lines = darkroom(stack, "backfill", "--project", project, "--since", "1h")
        assert lines[0] == "backfill: 2 owed, 0 owed before, 0 complete (0%)"
        assert lines[-2:] == ["backfill: 2 of 2 made (100%)", "Everything is there."]
        assert darkroom(stack, "backfill", "--project", project)[0].startswith("backfill: 0 owed, 0 owed before, 2")
    finally:
        toml.write_text(shipped)
    for old, media_id in zip(before, ids, strict=True):
        new = stack.record(media_id)
        assert (new["status"], new["renditions"]["small"]["width"]) == ("ready", 320)
        assert {name for name in new["urls"] if new["urls"][name] != old["urls"][name]} == {"small"}
        assert new["placeholder"] == old["placeholder"]
        for url in (old["urls"]["small"], new["urls"]["small"]):  # whoever has the old one can go on with it
            assert web.get(url).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["redrive"], "Say which: --media, --reason, --stage, or --all"),
        (["redrive", "--media=", "--reason=", "--stage="], "Say which: --media, --reason, --stage, or --all"),
        (["redrive", "--media", "media_none"], "There is no media media_none"),
        (["replay", "media_none"], "There is no media media_none"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(stack: Running, arguments: list[str], said: str) -> None:
    ran = command(stack, *arguments)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (1, said)


def test_a_deleted_project_leaves_no_byte(stack: Running, tmp_path: Path) -> None:
    media_id = stack.upload(builders.photo(tmp_path / "a.jpg"), "leaving")
    assert stack.settled(media_id)["status"] == "ready"
    begun = web.delete(f"{stack.url}/api/projects/leaving").raise_for_status().json()
    wait_for(lambda: web.get(begun["statusUrl"]).json()["status"] == "deleted", 60)
    assert web.get(begun["statusUrl"]).json()["media"] == 1
    assert stack.record(media_id)["status"] == "deleted"
    objects = stack.services().objects
    assert [each.key for prefix in of_project("leaving") for each in objects.list(prefix)] == []
    stack.upload(tmp_path / "a.jpg", "leaving")
