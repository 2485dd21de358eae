"""What benchmarks measure with: the S3 that keeps nothing counts every byte, the meter every child's time."""

import http.client
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.rig import bookkeeping, slow
from benchmarks.rig.meter import Meter
from benchmarks.rig.stand import BUCKET, Stand, standing
from ops.downloads import PROJECT
from pipeline.adapters import broker, s3
from pipeline.config import load
from pipeline.ports import Label

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="benchmarks read /proc")
LABEL = Label("video/mp4")


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stand, str]]:
    with standing(tmp_path_factory.mktemp("sink") / "stand") as stand:
        yield stand, stand.sink()["AWS_ENDPOINT_URL_S3"]


@pytest.fixture
def objects(sink: tuple[Stand, str], monkeypatch: pytest.MonkeyPatch) -> s3.S3Objects:
    stand, url = sink
    for name, value in {**stand.env, "AWS_ENDPOINT_URL_S3": url}.items():
        monkeypatch.setenv(name, value)
    return s3.connect(BUCKET)


def test_an_object_made_of_parts_has_their_size(objects: s3.S3Objects) -> None:
    upload = objects.begin("parts", LABEL)
    parts = [objects.put_part("parts", upload, number, bytes(6_000_000)) for number in (1, 2)]
    objects.complete("parts", upload, parts)
    found = objects.head("parts")
    assert found is not None
    assert found.size == 12_000_000


def test_a_small_object_is_kept_and_a_large_one_counted(objects: s3.S3Objects) -> None:
    objects.put("small", b"abc", LABEL)
    objects.put("large", bytes(200_000), LABEL)
    found = objects.head("large")
    assert objects.client.get_object(Bucket=BUCKET, Key="small")["Body"].read() == b"abc"
    assert found is not None
    assert found.size == 200_000


def test_a_body_in_chunks_is_counted_as_what_it_decodes_to(sink: tuple[Stand, str], objects: s3.S3Objects) -> None:
    connection = http.client.HTTPConnection(sink[1].removeprefix("http://"), timeout=10)
    pieces = [b"x" * 70_000, b"y" * 30_000]
    connection.request("PUT", f"/{BUCKET}/chunks", iter(pieces), encode_chunked=True)
    assert connection.getresponse().read() == b""
    connection.request("HEAD", f"/{BUCKET}/chunks")
    assert connection.getresponse().headers["content-length"] == "100000"
    connection.close()
    assert objects.head("absent") is None


def test_the_meter_counts_what_children_used_and_held(tmp_path: Path) -> None:
    busy = "import time; held = bytearray(64_000_000)\nwhile time.process_time() < 0.3: pass"
    script = tmp_path / "parent.py"
    script.write_text(
        f"import subprocess, sys; input(); subprocess.run([sys.executable, '-c', {busy!r}]); print(); input()"
    )
    with subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin
        assert parent.stdout
        with Meter([parent.pid]) as meter:
            parent.stdin.write(b"\n")
            parent.stdin.flush()
            parent.stdout.readline()
        parent.communicate(b"\n")
    assert meter.cost.cpu >= 0.3
    assert meter.cost.rss > 64_000_000


def test_the_cost_of_bookkeeping_is_that_of_records_and_of_hints_that_arrive(sink: tuple[Stand, str]) -> None:
    url = sink[0].valkey()["REDIS_URL"]
    pipeline = load(PROJECT / "pipeline.toml")
    cost = bookkeeping.measured(url, pipeline, 20)
    assert cost.records > 0
    assert cost.hint > 0
    waiting = broker.connect(url).client.hlen(f"dramatiq:{pipeline.queue_of('validate', None)}.msgs")
    # One of each photo, one more that was not measured; then the same ten again and again.
    assert waiting == 21 + 10 * (2 + 1)


@pytest.mark.parametrize(("headers", "finished", "asked"), [({"Retry-After": "0"}, 3, 6), ({}, 0, 3)])
def test_clients_that_are_told_to_come_again_do_so(headers: dict[str, str], finished: int, asked: int) -> None:
    answers, statuses = iter([503] * 3 + [201] * 3), list[int]()

    class Busy(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status = next(answers)
            statuses.append(status)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            request = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + bytes(3000)
            assert slow.send(server.server_port, slow.Crowd(3, 1_000_000), request) == finished
        finally:
            server.shutdown()
            serving.join()
    assert len(statuses) == asked
