"""What happens at the edges: many clients on thin lines, and an S3 that is slower than its clients."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import boto3

from benchmarks.rig import report, slow
from benchmarks.rig.contenders import Contender
from benchmarks.rig.doors import PROJECT, RefusedError, form
from benchmarks.rig.meter import MB, Meter
from benchmarks.rig.races import port_of
from benchmarks.rig.stand import Stand, standing
from benchmarks.rig.uploading import Work, upload
from benchmarks.rig.wire import sample
from ops import downloads
from tests.proxy import Proxy

CROWD = slow.Crowd(200, 50_000)
SLOW_RATE = 80e6
"""Bytes/s that the slow S3 takes, of all connections together."""
_BOUNDARY = "bench-slow"


def slow_clients(folder: Path, contenders: Sequence[Contender], scale: float) -> list[report.Target]:
    """200 clients at 50 KB/s each, on SeaweedFS, each sending a photo of 200 KB by form."""
    rows, targets = [], []
    request = _form_request(round(200_000 * max(scale, 0.1)))
    with standing(folder) as stand:
        env = {**stand.weed(), **stand.valkey()}
        for each in [each for each in contenders if each.door is form]:
            server = each.describe(stand, env)
            stand.start(server)
            with Meter([stand.pid(server)]) as meter:
                finished = slow.send(port_of(server), CROWD, request)
            rows.append((each.name, f"{finished} of {CROWD.clients}", _mb(meter.cost.rss), f"{meter.cost.cpu:.2f}"))
            if each.name.startswith("Darkroom"):
                bound = CROWD.clients
                targets.append(report.Target("clients of 200 at 50 KB/s that finish", finished, bound, least=True))
    report.table("200 clients at 50 KB/s, SeaweedFS", ("", "finished", "peak RSS MB", "CPU s"), rows)
    return targets


def slow_s3(folder: Path, contenders: Sequence[Contender], scale: float) -> list[report.Target]:
    """Eight uploads of 100 MB while S3 takes 80 MB/s of all of them together: where do the bytes wait?"""
    work = Work("8 x 100 MB", 8, 100_000_000, 8, ".mp4").scaled(scale)
    rows, targets = [], []
    with standing(folder) as stand:
        s3 = stand.sink()["AWS_ENDPOINT_URL_S3"]
        env = stand.valkey()
        body = sample(stand.folder / "body.mp4", work.size)
        for each in contenders:
            with Proxy(int(s3.rpartition(":")[2]), SLOW_RATE) as proxy:
                server = each.describe(stand, {**env, "AWS_ENDPOINT_URL_S3": proxy.url})
                stand.start(server)
                try:
                    with Meter([stand.pid(server)]) as meter:
                        timings = upload(port_of(server), each.door, [body], work)
                except (RefusedError, OSError) as error:
                    print(f"\n{each.name} is left out: {str(error)[:200]}", flush=True)
                    continue
            tail = report.percentile([timing.tail for timing in timings], 99)
            rows.append((each.name, _mb(meter.cost.rss), report.figure(tail)))
            if each.name.startswith("Darkroom"):
                what = f"{each.name}: peak RSS at 8 x 100 MB, slow S3"
                targets.append(report.Target(what, meter.cost.rss / MB, 200, least=False, unit=" MB"))
    report.table(f"{work.name}, an S3 of {SLOW_RATE / MB:.0f} MB/s", ("", "peak RSS MB", "tail p99 s"), rows)
    return targets


def tables(stand: Stand, env: Mapping[str, str]) -> None:
    """Make our tables and the peer's, each with what it needs and no more."""
    argv = (sys.executable, "-m", "ops.cli", "setup")
    stand.supervisor.run(
        stand.serve("setup", argv, 8000, {**env, "PIPELINE": str(downloads.PROJECT / "pipeline.toml")})
    )
    peer_table(stand, env)


def peer_table(stand: Stand, env: Mapping[str, str]) -> None:
    """Make the table of `peers/app.mjs`."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=env["AWS_ENDPOINT_URL_DYNAMODB"],
        region_name=stand.env["AWS_REGION"],
        aws_access_key_id=stand.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stand.env["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_table(
        TableName=env["PEER_TABLE"],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _form_request(size: int) -> bytes:
    photo = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + bytes(size)
    field = f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="projectId"\r\n\r\n{PROJECT}\r\n'
    name = 'content-disposition: form-data; name="file"; filename="a.jpg"\r\ncontent-type: image/jpeg'
    body = f"{field}--{_BOUNDARY}\r\n{name}\r\n\r\n".encode() + photo + f"\r\n--{_BOUNDARY}--\r\n".encode()
    kind = f"content-type: multipart/form-data; boundary={_BOUNDARY}"
    head = f"POST /api/upload HTTP/1.1\r\nhost: 127.0.0.1\r\n{kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _mb(size: int) -> str:
    return f"{size / MB:.0f}"
