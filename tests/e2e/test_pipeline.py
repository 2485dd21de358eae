"""One photo and one video in by HTTP, everything out, on the whole stack."""

import base64
import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import av
import httpx
import pytest
from av.container import InputContainer
from PIL import Image

from pipeline.keys import renditions
from pipeline.rows import task_of
from pipeline.tasks import TaskStatus
from tests import builders
from tests.serving import wait_for
from tests.stack import STORES, Running, quick, running, stored
from tests.web import web

TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".vtt": "text/vtt",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".json": "application/json",
}
"""Of all that is stored of a film."""


@pytest.fixture(scope="module", params=STORES)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp(request.param)
    with running(folder / "run", PIPELINE=str(quick(folder)), **stored(request.param)) as up:
        yield up


def get(url: str) -> httpx.Response:
    """Fetch as anybody could: without credentials."""
    return web.get(url, timeout=30).raise_for_status()


def frames_of(container: InputContainer) -> int:
    return sum(1 for _ in container.decode(video=0))


def test_a_photo_comes_out_with_all_its_stills(stack: Running, tmp_path: Path) -> None:
    photo = builders.photo(tmp_path / "Meer & Möwe.jpg", (3000, 2000), orientation=6, secret=True)
    record = stack.settled(stack.upload(photo, "photos"))
    assert record["status"] == "ready"
    assert record["originalName"] == "Meer & Möwe.jpg"
    assert (record["probe"]["width"], record["probe"]["height"]) == (2000, 3000)
    assert record["probe"]["metadata"] == {"camera": {"make": builders.SECRET}}  # and not where it was taken
    assert record["placeholder"].keys() >= {"thumbHash", "color", "dataUri"}
    sizes = {
        "thumbnail": (200, 300),
        "small": (427, 640),
        "medium": (853, 1280),
        "medium.avif": (853, 1280),
        "large": (1365, 2048),
    }
    assert record["urls"].keys() == {"original", *sizes}
    for name, size in sizes.items():
        answer = get(record["urls"][name])
        rendition = record["renditions"][name]
        assert answer.headers["content-type"] == rendition["mimeType"]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert len(answer.content) == rendition["bytes"]
        assert builders.SECRET.encode() not in answer.content
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.size == size == (rendition["width"], rendition["height"])
            corner = picture.convert("RGB").getpixel((10, 10))
            assert max(abs(a - b) for a, b in zip(corner, builders.CORNERS[0], strict=True)) < 40  # type: ignore[arg-type]
    assert get(record["urls"]["original"]).headers["content-disposition"].startswith("attachment")


def test_digests_that_s3_does_not_keep_are_compared_by_the_worker(stack: Running, tmp_path: Path) -> None:
    photo = builders.photo(tmp_path / "a.jpg", (300, 200)).read_bytes()
    right, wrong = (base64.b64encode(hashlib.sha256(each).digest()).decode() for each in (photo, b""))
    for said, status in ((right, "ready"), (wrong, "rejected")):
        record = stack.settled(_in_parts(stack, photo, {"x-amz-checksum-sha256": said}))
        assert record["status"] == status
        assert record.get("reason") == (None if status == "ready" else "digest_mismatch")
        assert record.get("digests") == ({"sha256": right} if status == "ready" else None)


def _in_parts(stack: Running, content: bytes, headers: dict[str, str]) -> str:
    """Straight to S3; returns the media's id."""
    wanted = {"filename": "a.jpg", "type": "image/jpeg", "metadata": {"projectId": "announced"}}
    begun = web.post(f"{stack.url}/s3/multipart", json=wanted, headers=headers).raise_for_status().json()
    path, query = f"{stack.url}/s3/multipart/{begun['uploadId']}", {"key": begun["key"]}
    url = web.get(f"{path}/1", params=query).raise_for_status().json()["url"]
    httpx.put(url, content=content, timeout=30).raise_for_status()
    web.post(f"{path}/complete", params=query, timeout=30).raise_for_status()
    return str(begun["mediaId"])


def test_an_animated_image_comes_out_as_a_film_too(stack: Running, tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (120, 90), colour) for colour in ("red", "lime", "blue")]
    gif = tmp_path / "moving.gif"
    pictures[0].save(gif, save_all=True, append_images=pictures[1:], duration=[100, 400, 250], loop=0)
    record = stack.settled(stack.upload(gif, "gifs"))
    assert (record["status"], record["probe"]["frames"], record["probe"]["plays"]) == ("ready", 3, 0)
    assert record["urls"].keys() >= {"thumbnail", "large", "animation", "animation.webm"}
    for name, mime_type in (("animation", "video/mp4"), ("animation.webm", "video/webm")):
        answer = get(record["urls"][name])
        rendition = record["renditions"][name]
        assert answer.headers["content-type"] == rendition["mimeType"] == mime_type
        assert (rendition["width"], rendition["height"], rendition["duration"]) == (120, 90, 0.75)
        with av.open(io.BytesIO(answer.content), "r") as container:
            assert [round(1000 * (frame.time or 0)) for frame in container.decode(video=0)] == [0, 100, 500, 740]


def test_a_video_comes_out_as_hls_mp4_and_poster(stack: Running, tmp_path: Path) -> None:
    film = builders.video(tmp_path / "clip.mp4", (640, 360), seconds=5)
    record = stack.settled(stack.upload(film, "videos"))
    assert record["status"] == "ready"
    assert record["probe"]["duration"] == pytest.approx(5, abs=0.1)
    assert record["probe"]["hasAudio"]
    assert record["urls"].keys() >= {"original", "poster", "thumbnail", "hls", "mp4", "storyboard", "preview"}
    index = get(record["urls"]["storyboard"])
    assert index.headers["content-type"].startswith("text/vtt")
    sheet = urljoin(record["urls"]["storyboard"], index.text.split()[4].partition("#")[0])
    assert get(sheet).headers["content-type"] == "image/jpeg"
    playlist = get(record["urls"]["hls"])
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert playlist.headers["cache-control"] == "public, max-age=31536000, immutable"
    with av.open(record["urls"]["hls"], "r") as hls:
        frames = frames_of(hls)
    with av.open(io.BytesIO(get(record["urls"]["mp4"]).content), "r") as mp4:
        assert mp4.streams.video[0].codec_context.name == "h264"
        assert mp4.streams.audio[0].codec_context.name == "aac"
        assert frames_of(mp4) == frames
    assert frames == round(5 * record["probe"]["frameRate"])
    with Image.open(io.BytesIO(get(record["urls"]["poster"]).content)) as poster:
        assert poster.size == (640, 360)
    base = record["s3Url"].removesuffix(record["s3Key"])
    keys = [each.key for each in stack.services().objects.list(renditions("videos", record["id"]))]
    assert {Path(key).suffix for key in keys} == TYPES.keys()
    for key in keys:
        head = web.head(base + key).raise_for_status().headers
        assert head["content-type"] == TYPES[Path(key).suffix], key
        assert head["cache-control"] == "public, max-age=31536000, immutable", key


def test_how_far_a_film_is_comes_from_its_encoders_and_never_into_the_record(stack: Running, tmp_path: Path) -> None:
    media_id = stack.upload(builders.video(tmp_path / "clip.mp4", (640, 360), seconds=5), "progress")
    with web.stream("GET", f"{stack.url}/api/media/{media_id}/events", timeout=120) as answer:
        said = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    told = [each for each in said if "fraction" in each]
    assert told
    assert all(0 <= each["fraction"] <= 1 for each in told)
    assert all(each.keys().isdisjoint({"fraction", "tasks", "speed"}) for each in said if each not in told)
    chunk = stack.services().queue.progress(media_id)["transcode#0000"]
    assert chunk.fraction == 1
    assert (chunk.speed or 0) > 0


def test_what_is_no_media_is_rejected_with_a_reason_and_its_bytes_go(stack: Running, tmp_path: Path) -> None:
    broken = builders.cut(builders.photo(tmp_path / "whole.jpg"), tmp_path / "cut.jpg", 0.5)
    record = stack.settled(stack.upload(broken, "broken"))
    assert (record["status"], record["reason"], record["urls"]) == ("rejected", "image_undecodable", {})
    wait_for(lambda: web.get(record["s3Url"]).status_code == 404)


def test_a_project_lists_in_order_and_a_deleted_media_is_gone(stack: Running, tmp_path: Path) -> None:
    photo = builders.photo(tmp_path / "a.png")
    ids = [stack.upload(photo, "order") for _ in range(3)]
    records = [stack.settled(each) for each in ids]
    assert [record["position"] for record in records] == [0, 1, 2]
    assert web.delete(f"{stack.url}/api/media/{ids[1]}").status_code == 204

    def listed() -> list[str]:
        first = web.get(f"{stack.url}/api/projects/order/media", params={"limit": 1}).json()
        rest = web.get(f"{stack.url}/api/projects/order/media", params={"cursor": first["cursor"]}).json()
        return [item["id"] for item in (*first["items"], *rest["items"])]

    wait_for(lambda: listed() == [ids[0], ids[2]])
    wait_for(lambda: web.get(records[1]["urls"]["thumbnail"]).status_code == 404)
    assert get(records[0]["urls"]["thumbnail"]).content
    tombstone = stack.record(ids[1])
    assert (tombstone["status"], tombstone["urls"], tombstone["originalName"]) == ("deleted", {}, "")


def test_when_all_is_done_nothing_is_owed(stack: Running, tmp_path: Path) -> None:
    media_id = stack.upload(builders.photo(tmp_path / "a.webp"), "books")
    stack.settled(media_id)
    records = stack.services().ledger.records

    def rows() -> dict[str, TaskStatus]:
        return {task.key: task.status for task in map(task_of, records.tasks(media_id))}

    done = dict.fromkeys(("upload", "validate", "thumbnail", "record#ready#0"), TaskStatus.DONE)
    wait_for(lambda: rows() == done)
    assert all(task.get("wakeAt") is None for task in records.tasks(media_id))


def test_the_system_s_ffmpeg_does_as_well(tmp_path: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("there is no ffmpeg on PATH; the container image's is tested by make compose-test")
    with running(tmp_path / "run", FFMPEG=program, PIPELINE=str(quick(tmp_path))) as up:
        record = up.settled(up.upload(builders.video(tmp_path / "clip.mov", (320, 240), seconds=2)))
        assert record["status"] == "ready"
        with av.open(record["urls"]["mp4"], "r") as mp4:
            assert frames_of(mp4) == round(2 * record["probe"]["frameRate"])
