"""Objects that others put into the bucket, told of by a real S3-to-SQS delivery."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus
from uuid import uuid4

import boto3
import pytest

from ops import servers
from ops.processes import CommandFailedError
from pipeline.adapters.s3 import connect as s3_connect
from pipeline.adapters.s3_pieces import S3Pieces
from pipeline.adapters.sqs import Letter, Mailbox
from pipeline.errors import UnavailableError
from pipeline.ledger import Ledger
from pipeline.media import Status
from pipeline.notices import Rule
from pipeline.tasks import TaskStatus
from tests import builders
from tests.backends import Starter, ministack, unavailable
from tests.fetching import fetched
from tests.frontdoor import Credentials
from tests.multipart import PNG
from tests.serving import wait_for
from tests.world import PIPELINE, World
from workers.actors import WORK
from workers.holding import Shift
from workers.notices import Notices
from workers.rendering import Envelope
from workers.tools import Tools

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

RULES = (Rule("in/{projectId}/"),)
KEYS: Credentials = {
    "region_name": "us-east-1",
    "aws_access_key_id": "testkey",
    "aws_secret_access_key": "testsecret123",
}


@dataclass(frozen=True)
class Door:
    """A bucket that tells a queue, and whoever listens there; `dead` is the queue's dead-letter queue."""

    s3: "S3Client"
    sqs: "SQSClient"
    bucket: str
    url: str
    dead: str
    world: World
    notices: Notices

    def media(self, project: str) -> list[dict[str, Any]]:
        return self.world.records.project(project, -1, 100)

    def waiting(self, url: str) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(map(int, counts.values()))


@pytest.fixture(scope="module")
def cloud(start: Starter) -> str:
    """The address of an S3 and an SQS that know each other."""

    def describe(folder: Path, port: int) -> Any:  # noqa: ANN401 - a Child
        child = ministack(folder, port)
        return replace(child, env={**child.env, "SERVICES": "s3,sqs", "S3_DATA_DIR": str(folder)})

    return start(describe).address


@pytest.fixture
def door(cloud: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    s3: S3Client = boto3.client("s3", endpoint_url=cloud, **KEYS)
    sqs: SQSClient = boto3.client("sqs", endpoint_url=cloud, **KEYS)
    name = f"inbox-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    dead, url = (sqs.create_queue(QueueName=f"{name}{end}")["QueueUrl"] for end in ("-dead", ""))
    names: Any = ["QueueArn"]
    arn, dead_arn = (
        sqs.get_queue_attributes(QueueUrl=each, AttributeNames=names)["Attributes"]["QueueArn"] for each in (url, dead)
    )
    policy = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": "2"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    told: Any = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=told)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", cloud)
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(variable, KEYS["region_name"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["aws_secret_access_key"])
    boto3.setup_default_session()
    world, pipeline = World(), replace(PIPELINE, events=RULES)
    notices = Notices(world.ledger, s3_connect(name), pipeline, Mailbox(sqs, url))
    listening = threading.Thread(target=notices.run)
    listening.start()
    yield Door(s3, sqs, name, url, dead, world, notices)
    notices.stopping.set()
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Event": "s3:TestEvent"}))  # ends its long poll
    listening.join(30)
    assert not listening.is_alive()


def test_an_object_becomes_a_media_whatever_its_name(door: Door) -> None:
    names = ["a b+c.png", "ä/Ü%20.png", "plain.png"]
    for name in names:
        door.s3.put_object(Bucket=door.bucket, Key=f"in/names/{name}", Body=PNG)
    wait_for(lambda: len(door.media("names")) == 3, 30)
    assert {each["s3Key"] for each in door.media("names")} == {f"in/names/{name}" for name in names}
    assert {each["status"] for each in door.media("names")} == {"uploading"}  # a worker looks at the object next
    wait_for(lambda: door.waiting(door.url) == 0, 30)
    assert door.waiting(door.dead) == 0


def test_what_the_aws_cli_copies_becomes_media(door: Door, cloud: str, tmp_path: Path) -> None:
    """A folder, of which one file is large enough to go in parts."""
    try:
        home = fetched("awscli")
    except CommandFailedError as error:
        unavailable(str(error))
    (tmp_path / "a b.png").write_bytes(PNG)
    (tmp_path / "large.png").write_bytes(PNG + bytes(9_000_000))
    env = {
        **servers.plain_environment(),
        **{name: os.environ[name] for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
        "AWS_DEFAULT_REGION": os.environ["AWS_REGION"],
        "AWS_ENDPOINT_URL_S3": cloud,
        "PYTHONPATH": str(home),
    }
    aws = (sys.executable, "-m", "awscli", "s3", "cp", "--recursive", str(tmp_path), f"s3://{door.bucket}/in/cli/")
    subprocess.run(aws, env=env, check=True, capture_output=True, timeout=120)
    wait_for(lambda: len(door.media("cli")) == 2, 30)
    assert {(each["s3Key"], each["size"]) for each in door.media("cli")} == {
        ("in/cli/a b.png", len(PNG)),
        ("in/cli/large.png", len(PNG) + 9_000_000),
    }
    wait_for(lambda: door.waiting(door.url) == 0, 30)


def test_one_object_told_of_twice_is_one_media(door: Door) -> None:
    parts = door.s3.create_multipart_upload(Bucket=door.bucket, Key="in/twice/a.png")
    where: Any = {"Bucket": door.bucket, "Key": "in/twice/a.png", "UploadId": parts["UploadId"]}
    etag = door.s3.upload_part(**where, PartNumber=1, Body=PNG)["ETag"]
    done = door.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    stored = {"key": "in/twice/a.png", "eTag": done["ETag"], "sequencer": "00"}
    again = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": door.bucket}, "object": stored}}]}
    for _ in range(3):
        door.sqs.send_message(QueueUrl=door.url, MessageBody=json.dumps(again))
    wait_for(lambda: door.waiting(door.url) == 0 and door.media("twice"), 30)
    assert len(door.media("twice")) == 1
    door.s3.put_object(Bucket=door.bucket, Key="in/twice/a.png", Body=PNG + b"another")
    wait_for(lambda: len(door.media("twice")) == 2, 30)


def test_an_object_in_a_bucket_of_others_is_read_there_and_stays(door: Door, tmp_path: Path) -> None:
    """The bucket that tells is not ours here: ours has another name, and needs not even the same region."""
    door.s3.create_bucket(Bucket=f"own-{door.bucket}")
    rules = (Rule("cameras/", "cameras", door.bucket),)
    own = s3_connect(f"own-{door.bucket}")
    world, pipeline = World(), replace(PIPELINE, events=rules)
    notices = Notices(world.ledger, own, pipeline, door.notices.mailbox)
    key = "cameras/a b.png"
    photo = builders.photo(tmp_path / "a.png", (64, 48)).read_bytes()
    door.s3.put_object(Bucket=door.bucket, Key=key, Body=photo)
    told = {"key": quote_plus(key), "eTag": "any", "sequencer": "00"}
    event = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": door.bucket}, "object": told}}]}
    notices.take(Letter("none", json.dumps(event), 1))
    [row] = world.records.project("cameras", -1, 10)
    assert (row["bucket"], row["s3Key"], row["s3Url"]) == (door.bucket, key, f"s3://{door.bucket}/{key}")
    tools = Tools(world.ledger, own, S3Pieces(own), world.inbox, pipeline, tmp_path, "ffmpeg", Shift())
    while due := [hint.key for hint in world.inbox.take() if not hint.key.startswith("record#")]:
        for each in due:
            Envelope(tools, WORK).take(row["id"], each)
    made = world.media(row["id"])
    assert made.status is Status.READY, made.error
    assert "original" not in made.urls
    assert own.head(made.renditions["thumbnail"].key) is not None
    world.ledger.delete(made.id)
    world.records.turn(world.ledger.linger + 1)
    Envelope(tools, WORK).take(made.id, "purge")
    assert world.task(made.id, "purge").status is TaskStatus.DONE
    assert door.s3.head_object(Bucket=door.bucket, Key=key)["ContentLength"] == len(photo)
    assert own.head(made.renditions["thumbnail"].key) is None


def test_what_is_nobody_s_or_no_picture_is_let_go(door: Door) -> None:
    door.s3.put_object(Bucket=door.bucket, Key="elsewhere/a.png", Body=PNG)
    door.s3.put_object(Bucket=door.bucket, Key="in/refused/a.png", Body=b"no picture")
    door.s3.put_object(Bucket=door.bucket, Key="in/refused/b.png", Body=PNG)
    wait_for(lambda: door.media("refused") and door.waiting(door.url) == 0, 30)
    assert [each["s3Key"] for each in door.media("refused")] == ["in/refused/b.png"]
    assert door.waiting(door.dead) == 0


def test_what_cannot_be_read_is_set_aside_by_the_queue(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.adapters.sqs.HIDDEN", 1)
    door.sqs.send_message(QueueUrl=door.url, MessageBody="no message of S3's")
    wait_for(lambda: door.waiting(door.dead) == 1, 60)
    assert door.waiting(door.url) == 0


def test_what_is_away_is_waited_for(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    adopt: Callable[..., str] = Ledger.adopt
    tries: list[object] = []

    def flaky(*given: object) -> str:
        tries.append(given)
        if len(tries) == 1:
            raise UnavailableError("records: away")
        return adopt(*given)

    hide = Mailbox.hide
    monkeypatch.setattr(Mailbox, "hide", lambda box, letter, _seconds: hide(box, letter, 0))  # at once, not in a while
    monkeypatch.setattr(Ledger, "adopt", flaky)
    door.s3.put_object(Bucket=door.bucket, Key="in/away/a.png", Body=PNG)
    wait_for(lambda: len(door.media("away")) == 1, 60)
    assert len(tries) == 2
