"""The lives in which a process dies, each from its first byte on, and how a media may end that had such a life."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import quote

from pipeline import keys
from pipeline.adoption import adopt
from pipeline.backfill import Wanted, owe
from pipeline.events import Died
from pipeline.media import Media, Status
from pipeline.plan import Plan
from pipeline.ports import Label
from pipeline.protocol import Lease
from pipeline.tasks import Hint
from tests.chaos.mortal import Mortal
from tests.serving import wait_for
from tests.world import new_media
from workers.running import of

MIB = 2**20
TUS = {"Tus-Resumable": "1.0.0"}
NAMED = "filename bGFyZ2UuanBn"
"""`large.jpg`, as tus has it."""

LAPSED = Lease(length=-1)
"""Whoever claims with this is dead at once."""

NEVER = "never"
"""There is no record."""


@dataclass(frozen=True)
class Life:
    """`acknowledged` is how a media ends whose client was told of success; `otherwise` how it may end, too, if not.

    Endings are statuses, or reasons of a failure. `renews` False: no task is held for long enough.
    """

    live: Callable[[Mortal], None]
    acknowledged: str = "ready"
    otherwise: tuple[str, ...] = (NEVER, "upload_aborted")
    renews: bool = True


def photo(mortal: Mortal) -> None:
    """A small one: a single PUT."""
    media_id = mortal.upload("photo.jpg")
    mortal.testify(acknowledged=media_id)
    mortal.work()
    _assert_ready(mortal, str(media_id))


def video(mortal: Mortal) -> None:
    """Poster, sound, picture and package.

    The picture is copied: its packets are read to see that it can be, and it is decoded as a proof. One that is encoded
    has the same points, but for those.
    """
    media_id = mortal.upload("clip.mp4")
    mortal.testify(acknowledged=media_id)
    mortal.work()
    assert of(Plan.from_dict(_assert_ready(mortal, str(media_id)).plan or {})).copied


def large(mortal: Mortal) -> None:
    """A photo of several parts; once it is there it is one like any other."""
    mortal.testify(acknowledged=mortal.upload("large.jpg"))


def resumed(mortal: Mortal) -> None:
    """The same by tus, in three requests: bytes too few for a part, a part and a bit, the rest."""
    content = (mortal.corpus / "large.jpg").read_bytes()
    path = _begun(mortal, len(content))
    at = 0
    for size in (2 * MIB, 5 * MIB, len(content)):
        _brought(mortal, path, at, content[at : at + size])
        at += size
    mortal.testify(acknowledged=path.rpartition("/")[2])


def joined(mortal: Mortal) -> None:
    """The same by tus, in two uploads that are put together."""
    content = (mortal.corpus / "large.jpg").read_bytes()
    paths = []
    for piece in (content[: 6 * MIB], content[6 * MIB :]):
        paths.append(_begun(mortal, len(piece), **{"Upload-Concat": "partial"}))
        _brought(mortal, paths[-1], 0, piece)
    headers = {**TUS, "Upload-Concat": f"final;{' '.join(paths)}", "Upload-Metadata": NAMED}
    final = mortal.ask("POST", "/files/", headers=headers)
    assert final.status == 201, final.body
    mortal.testify(acknowledged=final.headers["location"].rpartition("/")[2])


def direct(mortal: Mortal) -> None:
    """Straight to S3, in parts; the client is no process of ours."""
    content = (mortal.corpus / "large.jpg").read_bytes()
    wanted = json.dumps({"filename": "large.jpg", "type": "image/jpeg"}).encode()
    begun = json.loads(mortal.ask("POST", "/s3/multipart", body=wanted).body)
    path, key = f"/s3/multipart/{begun['uploadId']}", f"key={quote(begun['key'])}"
    for number, at in ((1, 0), (2, 6 * MIB)):
        assert mortal.ask("GET", f"{path}/{number}?{key}").status == 200
        body = content[at : at + 6 * MIB]
        mortal.plain.objects.put_part(begun["key"], begun["uploadId"], number, body)
    done = mortal.ask("POST", f"{path}/complete?{key}")
    assert done.status == 200, done.body
    mortal.testify(acknowledged=begun["mediaId"])


def formed(mortal: Mortal) -> None:
    """Straight to S3, in one form."""
    form = json.loads(mortal.ask("GET", "/s3/params?filename=photo.jpg&type=image/jpeg").body)
    key = form["fields"]["key"]
    mortal.plain.objects.put(key, mortal.photo(), Label("image/jpeg"))
    done = mortal.ask("POST", "/s3/complete", body=json.dumps({"key": key}).encode())
    assert done.status == 201, done.body
    mortal.testify(acknowledged=form["mediaId"])


def abandoned(mortal: Mortal) -> None:
    """The client goes away in the second part."""
    mortal.upload("large.jpg", whole=False)
    mortal.work()


def refused(mortal: Mortal) -> None:
    """What begins like a photo and is none."""
    mortal.testify(acknowledged=mortal.upload("broken.jpg"))
    mortal.work()


def recovered(mortal: Mortal) -> None:
    """An ingest process died with its object whole and its commit unsent: a worker takes the upload over."""
    media = _described(mortal)
    replace(mortal.plain.ledger, lease=LAPSED).intend(media)
    mortal.plain.objects.put(media.s3_key, mortal.photo(), Label(media.mime_type))
    mortal.testify(acknowledged=media.id)
    mortal.inbox.append(Hint(media.id, "upload", "light"))
    _one_turn(mortal)


def lost(mortal: Mortal) -> None:
    """An ingest process died with nothing stored: a worker lets go of the upload."""
    media = _described(mortal)
    replace(mortal.plain.ledger, lease=LAPSED).intend(media)
    mortal.inbox.append(Hint(media.id, "upload", "light"))
    _one_turn(mortal)


def adopted(mortal: Mortal) -> None:
    """A producer's job for an object that is there already; Redis delivers it again when its worker died."""
    key = f"imports/{mortal.project}.jpg"
    mortal.plain.objects.put(key, mortal.photo(), Label("image/jpeg"))
    tools = mortal.tools
    mortal.watch.turn = "submit"
    adopt(tools.ledger, tools.objects, tools.pipeline, mortal.project, key, "job")
    _one_turn(mortal)


def deleted(mortal: Mortal) -> None:
    """Deleted before anybody has looked at it: its validation is parked, its bytes go."""
    media_id = mortal.upload("photo.jpg", turn="")
    mortal.testify(born=media_id)
    status, _ = mortal.request("DELETE", f"/api/media/{media_id}", "delete")
    mortal.testify(acknowledged=media_id if status == 204 else None)
    mortal.work()


def purged(mortal: Mortal) -> None:
    """Deleted, and so long ago that nobody can write any more: the last pass over its bytes."""
    media_id, tools = str(mortal.upload("photo.jpg", turn="")), mortal.tools
    mortal.testify(acknowledged=media_id)
    media = mortal.plain.ledger.delete(media_id)
    soon = replace(tools.ledger, lease=replace(tools.ledger.lease, put_timeout=0))
    wait_for(lambda: media and soon.records.now() > soon.quiet_at(media))
    mortal.inbox.clear()
    mortal.inbox.append(Hint(media_id, "purge", "light"))
    _one_turn(replace(mortal, envelope=replace(mortal.envelope, tools=replace(tools, ledger=soon))))


def redriven(mortal: Mortal) -> None:
    """Failed, and tried again in a second round."""
    media_id, ledger = mortal.upload("photo.jpg", turn=""), mortal.plain.ledger
    claimed = ledger.claim(str(media_id), "validate")
    assert claimed is not None
    ledger.die(claimed.task, Died("validate", "processing_failed", "No."), "processing_failed", "no")
    mortal.inbox.clear()
    mortal.watch.turn = "redrive"
    mortal.tools.ledger.redrive(str(media_id))
    mortal.testify(acknowledged=media_id)
    _one_turn(mortal)


def released(mortal: Mortal) -> None:
    """A deploy: what was begun is given back."""
    mortal.testify(acknowledged=mortal.upload("photo.jpg", turn=""))
    mortal.tools.shift.close()
    _one_turn(mortal)


def backfilled(mortal: Mortal) -> None:
    """Ready, and made anew in part, for one still is another one now."""
    media_id, tools = str(mortal.upload("photo.jpg", turn="")), mortal.tools
    while mortal.inbox:
        mortal.envelope.take(mortal.inbox[0].media_id, mortal.inbox.popleft().key)
    _assert_ready(mortal, media_id)
    mortal.testify(acknowledged=media_id)
    *others, last = tools.pipeline.stills
    changed = replace(tools.pipeline, stills=(*others, replace(last, quality=50, recipe="")))
    owe(replace(mortal.plain.ledger, queue=tools.queue), changed, media_id, Wanted())
    _one_turn(mortal)


def buried(mortal: Mortal) -> None:
    """A file that killed its worker every time: the next one writes its end."""
    media_id, ledger = str(mortal.upload("photo.jpg", turn="")), replace(mortal.plain.ledger, lease=LAPSED)
    mortal.testify(acknowledged=media_id)
    while ledger.claim(media_id, "validate"):
        """Killed again."""
    mortal.work()


LIVES: Mapping[str, Life] = MappingProxyType(
    {
        "photo": Life(photo),
        "video": Life(video),
        "large": Life(large),
        "resumed": Life(resumed),
        "joined": Life(joined),
        "direct": Life(direct),
        "formed": Life(formed, otherwise=(NEVER, "upload_aborted", "ready")),  # it is found where it was put
        "abandoned": Life(abandoned, acknowledged=NEVER, otherwise=(NEVER, "upload_aborted", "upload_client_gone")),
        "refused": Life(refused, acknowledged="rejected"),
        "recovered": Life(recovered),
        "lost": Life(lost, acknowledged="upload_aborted", otherwise=()),
        "adopted": Life(adopted, otherwise=("ready",)),  # its job is delivered again
        "deleted": Life(deleted, acknowledged="deleted", otherwise=("ready",)),
        "purged": Life(purged, acknowledged="deleted"),
        "redriven": Life(redriven, otherwise=("processing_failed",)),
        "backfilled": Life(backfilled),
        "released": Life(released, renews=False),
        "buried": Life(buried, acknowledged="crashed"),
    }
)


def _assert_ready(mortal: Mortal, media_id: str) -> Media:
    """A life that is not whole has not met all points."""
    media = mortal.plain.ledger.read(media_id)
    assert media is not None
    assert media.status is Status.READY
    return media


def _one_turn(mortal: Mortal) -> None:
    """One task; what follows it is as in every photo's life."""
    while len(mortal.inbox) > 1:
        mortal.inbox.pop()
    hint = mortal.inbox.popleft()
    mortal.watch.turn = hint.key
    mortal.envelope.take(hint.media_id, hint.key)
    mortal.watch.turn = ""


def _begun(mortal: Mortal, length: int, **more: str) -> str:
    """The path of a new upload by tus."""
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": NAMED, **more}
    created = mortal.ask("POST", "/files/", headers=headers)
    assert created.status == 201, created.body
    return created.headers["location"]


def _brought(mortal: Mortal, path: str, at: int, content: bytes) -> None:
    headers = {**TUS, "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
    answer = mortal.ask("PATCH", path, body=content, headers=headers)
    assert answer.status == 204, answer.body


def _described(mortal: Mortal) -> Media:
    media, project = new_media(), mortal.project
    key = keys.original(project, media.id, media.file_name)
    position = mortal.plain.ledger.next_position(project)
    url = mortal.plain.ledger.site.url(key)
    return replace(media, project_id=project, s3_key=key, s3_url=url, position=position)
