"""The outbox stage: events and totals once, webhooks until they are taken, and what becomes of those that are not."""

import base64
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from standardwebhooks import Webhook

from pipeline import recovery
from pipeline.adapters.webhooks import Receiver
from pipeline.errors import PermanentError, UndeliveredError
from pipeline.events import Made, Stored, Validated
from pipeline.media import Media, Status
from pipeline.messages import MOST_BYTES, Message, message
from pipeline.ports import ObjectStore, Webhooks
from pipeline.projectrows import totals_key
from pipeline.rows import public
from pipeline.tasks import Task, TaskStatus
from tests.receiver import Hooks
from tests.world import NO_PIECES, PIPELINE, World
from workers import chores
from workers.holding import Shift
from workers.rendering import Envelope
from workers.tools import Tools

KEY = "record#ready#0"
SECRET = f"whsec_{base64.b64encode(b'a' * 24).decode()}"
DAYS = 24 * 3_600_000
ATTEMPTS = PIPELINE.stages["record"].retries.attempts


@dataclass
class Fussy:
    """Takes the messages that it is not told to refuse."""

    refusals: list[Exception] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append(message)


def ready(world: World) -> Media:
    _, upload = world.uploading()
    media = world.ledger.commit(upload, Stored(5, '"e"'))
    plan = {"parts": ["thumbnail"], "recipe": "0123abcd"}
    for key, event in (("validate", Validated({"kind": "image"}, plan)), ("thumbnail", Made("thumbnail"))):
        claimed = world.ledger.claim(media.id, key)
        assert claimed is not None
        media = world.ledger.commit(claimed.task, event)
    return media


def take(world: World, media: Media, webhooks: Webhooks | None, key: str = KEY) -> Task:
    """One hint at the outbox row."""
    objects: ObjectStore = None  # type: ignore[assignment]  # the outbox stores nothing
    tools = Tools(world.ledger, objects, NO_PIECES, world.inbox, PIPELINE, Path(), "ffmpeg", Shift(), webhooks)
    Envelope(tools, {"record": chores.record}).take(media.id, key)
    return world.task(media.id, key)


def totals(world: World) -> tuple[int, int]:
    row = world.records.get(totals_key("p1")) or {}
    return row.get("media", 0), row.get("bytes", 0)


def test_without_webhooks_the_event_and_the_totals_end_it() -> None:
    world = World()
    media = ready(world)
    assert take(world, media, None).status is TaskStatus.DONE
    assert [event["status"] for event in world.inbox.announced] == ["ready"]
    assert totals(world) == (1, 5)


def test_a_message_that_is_refused_is_sent_again_and_nothing_else_is_done_twice() -> None:
    world, fussy = World(), Fussy([UndeliveredError("503"), UndeliveredError("503")])
    media = ready(world)
    for _ in range(3):
        take(world, media, fussy)
        world.records.turn(DAYS)
    task = world.task(media.id, KEY)
    assert (task.status, task.attempts) == (TaskStatus.DONE, 3)
    assert [sent.id for sent in fussy.taken] == [f"{media.id}_ready_0"]
    assert len(world.inbox.announced) == 1
    assert totals(world) == (1, 5)


def test_the_waits_are_those_of_standard_webhooks() -> None:
    world = World()
    media = ready(world)
    waits = []
    for _ in range(ATTEMPTS - 1):
        task = take(world, media, Fussy([UndeliveredError("503")]))
        waits.append((task.retry_at - world.records.now()) / 1000)
        world.records.turn(task.retry_at - world.records.now())
    listed = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert all(whole / 2 <= wait <= whole for wait, whole in zip(waits, listed, strict=True))


def test_a_message_that_nobody_takes_is_a_dead_letter_and_the_media_stays_ready() -> None:
    world = World()
    media = ready(world)
    for _ in range(ATTEMPTS):
        take(world, media, Fussy([UndeliveredError("127.0.0.1 answered 503")]))
        world.records.turn(DAYS)
    task = world.task(media.id, KEY)
    assert (task.status, task.reason, task.attempts) == (TaskStatus.DEAD, "webhook_undelivered", ATTEMPTS)
    assert task.last_error == "127.0.0.1 answered 503"
    assert world.media(media.id) == media
    assert totals(world) == (1, 5)
    assert recovery.replay(world.ledger, media, KEY)
    fussy = Fussy()
    assert take(world, media, fussy).status is TaskStatus.DONE
    assert len(fussy.taken) == len(world.inbox.announced) == 1
    assert totals(world) == (1, 5)


def test_a_receiver_that_wants_no_more_is_left_alone() -> None:
    world = World()
    media = ready(world)
    task = take(world, media, Fussy([PermanentError("webhook_gone", "127.0.0.1 wants no more.")]))
    assert (task.status, task.reason, task.attempts) == (TaskStatus.DEAD, "webhook_gone", 1)


def test_a_replay_sends_the_same_id_again_and_counts_nothing() -> None:
    world, fussy = World(), Fussy()
    media = ready(world)
    take(world, media, fussy)
    assert recovery.replay(world.ledger, media, KEY)
    assert take(world, media, fussy).status is TaskStatus.DONE
    assert len({sent.id for sent in fussy.taken}) == 1
    assert len(fussy.taken) == 2
    assert totals(world) == (1, 5)


def test_what_was_done_without_webhooks_can_be_replayed_to_them_and_counts_once() -> None:
    world, fussy = World(), Fussy()
    media = ready(world)
    take(world, media, None)
    assert recovery.replay(world.ledger, media, KEY)
    assert take(world, media, fussy).status is TaskStatus.DONE
    assert len(fussy.taken) == 1
    assert totals(world) == (1, 5)


def test_a_crash_after_the_message_sends_it_again_with_its_id() -> None:
    world, fussy = World(), Fussy()
    media = ready(world)
    claimed = world.ledger.claim(media.id, KEY)
    assert claimed is not None
    world.ledger.tell(claimed.task)
    world.ledger.tell(claimed.task)  # a reply was lost: it is known as ours
    fussy.send(message(media, claimed.task))
    world.records.turn(DAYS)  # the worker is gone
    assert take(world, media, fussy).status is TaskStatus.DONE
    assert [sent.id for sent in fussy.taken] == [f"{media.id}_ready_0"] * 2


def test_a_message_says_what_happened_when_and_how_the_record_stands() -> None:
    world = World()
    media = ready(world)
    sent = message(media, world.task(media.id, KEY))
    assert json.loads(sent.body) == {
        "type": "media.ready",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "data": json.loads(json.dumps(public(media))),
    }


def test_a_late_message_carries_the_newer_record() -> None:
    world = World()
    media = ready(world)
    world.ledger.delete(media.id)
    world.records.turn(DAYS)
    late = json.loads(message(world.media(media.id), world.task(media.id, KEY)).body)
    assert (late["type"], late["data"]["status"]) == ("media.ready", "deleted")
    assert late["data"]["version"] > media.version
    assert late["timestamp"] == "2023-11-14T22:13:20.000Z"


def test_a_record_too_long_for_a_message_is_cut_to_what_names_it() -> None:
    world = World()
    media = replace(ready(world), probe={"much": "x" * MOST_BYTES})
    sent = message(media, world.task(media.id, KEY))
    data = json.loads(sent.body)["data"]
    assert len(sent.body) < MOST_BYTES
    assert (data["id"], data["status"], data["version"]) == (media.id, Status.READY, media.version)
    assert "probe" not in data


def test_the_stage_delivers_to_a_real_receiver() -> None:
    world = World()
    media = ready(world)
    with Hooks([500, 204]) as hooks:
        receiver = Receiver(hooks.url(), (SECRET,), private=True)
        assert take(world, media, receiver).last_error == "UndeliveredError: 127.0.0.1 answered 500"
        world.records.turn(DAYS)
        assert take(world, media, receiver).status is TaskStatus.DONE
    first, second = (Webhook(SECRET).verify(each.body, each.headers) for each in hooks.deliveries)
    assert first == second
    assert first["data"]["id"] == media.id
