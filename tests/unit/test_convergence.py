"""Hints shuffled, repeated, dropped; workers that die, stall or fail: every media settles, once, and stays settled."""

import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import recovery
from pipeline.errors import LeaseLostError
from pipeline.events import Died, Made, Refused, Stored, Validated
from pipeline.ledger import Claimed
from pipeline.lifecycle import settled
from pipeline.media import Output, Status
from pipeline.tasks import Hint, TaskStatus
from tests.world import PIPELINE, World
from workers.sweeper import Sweeper

PLANS: tuple[Mapping[str, Any], ...] = (
    {"parts": ["thumbnail"], "recipe": "a"},
    {"parts": ["poster", "audio", "transcode#0000", "transcode#0001", "package"], "recipe": "b"},
    {"parts": [*(f"transcode#{number:04}" for number in range(120)), "package"], "recipe": "c"},
)
FORWARD = ["uploading", "uploaded", "processing", "settled"]


@dataclass
class Fate:
    """What chance does to one run. The last ticks are calm, so that what can settle does."""

    chance: random.Random
    world: World
    plan: Mapping[str, Any]
    trouble: float
    zombies: list[Claimed] = field(default_factory=list)
    published: Counter[str] = field(default_factory=Counter)

    def work(self, hint: Hint, *, calm: bool) -> None:
        """One worker looks at one hint, and meets its fate."""
        claimed = self.world.ledger.claim(hint.media_id, hint.key)
        if claimed is None:
            recovery.bury(self.world.ledger, hint.media_id, hint.key)
            return
        if not calm and self.chance.random() < self.trouble:
            match self.chance.choice(["killed", "stalled", "failed", "deployed"]):
                case "killed":
                    return
                case "stalled":
                    self.zombies.append(claimed)
                    return
                case "failed":
                    self.fail(claimed)
                    return
                case _:
                    self.world.ledger.release(claimed.task)
                    return
        self.finish(claimed)

    def fail(self, claimed: Claimed) -> None:
        bound = self.world.ledger.attempts_of(claimed.task.key)
        if bound is not None and claimed.task.attempts >= bound:
            event = Died(claimed.task.key, "processing_failed", "No.")
            self.world.ledger.die(claimed.task, event, "processing_failed", "no")
        else:
            self.world.ledger.put_off(claimed.task, 1000, "no")

    def finish(self, claimed: Claimed) -> None:
        """The work is done: its outcome is committed, perhaps twice (a lost reply), perhaps too late."""
        task, ledger = claimed.task, self.world.ledger
        match task.stage:
            case "upload":
                ledger.commit(task, Stored(10, '"e"'))
            case "validate" if self.plan["recipe"] == "a" and self.chance.random() < 0.2:
                ledger.commit(task, Refused("pixels_exceeded", "No."))
            case "validate":
                ledger.commit(task, Validated({}, self.plan))
            case "spread":
                recovery.spread(ledger, task, claimed.media)
            case "record":
                ledger.close(task)
                self.published[task.key] += 1
            case "purge":
                ledger.close(task)
            case _:
                made = Made(task.key, {task.key: Output(key=task.key, mime_type="m", bytes=1, etag="e")})
                for _ in range(self.chance.choice([1, 1, 2])):
                    ledger.commit(task, made)

    def wake_a_zombie(self) -> None:
        """A worker that was frozen goes on as if nothing had happened."""
        claimed = self.zombies.pop(self.chance.randrange(len(self.zombies)))
        with suppress(LeaseLostError):  # fenced, unless nobody has taken the task from it
            self.finish(claimed)

    def deliver(self, *, calm: bool) -> None:
        """The queue between sending and receiving: loses, repeats, reorders."""
        hints = [
            hint for hint in self.world.inbox.take() for _ in range(1 if calm else self.chance.choice([0, 1, 1, 2]))
        ]
        self.chance.shuffle(hints)
        for hint in hints:
            with suppress(LeaseLostError):
                self.work(hint, calm=calm)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), plan=st.sampled_from(PLANS), trouble=st.floats(0, 0.6))
def test_every_accepted_upload_settles_once_and_only_moves_forward(
    seed: int, plan: Mapping[str, Any], trouble: float
) -> None:
    world = World()
    fate = Fate(random.Random(seed), world, plan, trouble)
    sweeper = Sweeper(world.records, world.inbox)
    media, upload = world.uploading()
    if fate.chance.random() < 0.7:  # else ingest died before it could commit
        world.ledger.commit(upload, Stored(10, '"e"'))
    seen = ["uploading"]
    for tick in range(400):
        calm = tick > 40
        fate.deliver(calm=calm)
        if fate.zombies and fate.chance.random() < 0.3:
            fate.wake_a_zombie()
        if tick == 5 and fate.chance.random() < 0.3:
            world.inbox.flags.clear()
            world.inbox.take()
        world.records.turn(fate.chance.choice([100, 3000, 20_000, 40_000]))
        sweeper.sweep()
        status = world.media(media.id).status
        seen.append("settled" if settled(world.media(media.id)) else str(status))
        if settled(world.media(media.id)) and not world.owed():
            break
    while fate.zombies:
        fate.wake_a_zombie()
    while world.owed():  # a late spread owes what nobody wants any more: it is parked
        world.records.turn(40_000)
        sweeper.sweep()
        fate.deliver(calm=True)
    final = world.media(media.id)
    assert settled(final), f"still {final.status}: {world.owed()}"
    assert not world.owed()
    assert [FORWARD.index(name) for name in seen] == sorted(FORWARD.index(name) for name in seen)
    if final.status is Status.READY:
        assert set(final.renditions) == set(plan["parts"]) <= set(final.urls)
    outbox = world.task(media.id, f"record#{final.status}#0")
    assert outbox.status in {TaskStatus.DONE, TaskStatus.DEAD}
    assert all(count <= 1 for count in fate.published.values())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_deleted_media_stays_deleted_and_its_purge_is_owed(seed: int) -> None:
    world = World()
    fate = Fate(random.Random(seed), world, PLANS[1], 0.4)
    media, upload = world.uploading()
    world.ledger.commit(upload, Stored(10, '"e"'))
    for tick in range(fate.chance.randrange(6)):
        fate.deliver(calm=False)
        world.records.turn(1000 * tick)
    world.ledger.delete(media.id)
    assert world.task(media.id, "purge").status is TaskStatus.PENDING
    for _ in range(20):
        if fate.zombies:
            fate.wake_a_zombie()
        assert world.media(media.id).status is Status.DELETED
        world.records.turn(40_000)
        Sweeper(world.records, world.inbox).sweep()
        fate.deliver(calm=True)
    assert world.media(media.id).status is Status.DELETED
    assert not world.owed()


def test_a_redrive_makes_only_what_is_missing() -> None:
    world = World()
    fate = Fate(random.Random(1), world, PLANS[1], 0.0)
    media, upload = world.uploading()
    world.ledger.commit(upload, Stored(10, '"e"'))
    fate.deliver(calm=True)
    poster = world.ledger.claim(media.id, "poster")
    audio = world.ledger.claim(media.id, "audio")
    assert poster is not None
    assert audio is not None
    fate.finish(poster)
    world.ledger.die(audio.task, Died("audio", "processing_failed", "No."), "processing_failed", "no")
    assert world.media(media.id).status is Status.FAILED
    assert world.task(media.id, "audio").reason == "processing_failed"
    world.inbox.take()

    world.ledger.redrive(media.id)
    world.ledger.redrive(media.id)  # asking twice changes nothing
    assert world.media(media.id).round == 1
    for _ in range(30):
        world.records.turn(40_000)
        Sweeper(world.records, world.inbox).sweep()
        fate.deliver(calm=True)
    assert world.media(media.id).status is Status.READY
    assert world.task(media.id, "poster").epoch == 1  # not made again
    assert world.task(media.id, "record#ready#1").status is TaskStatus.DONE


def test_crashes_alone_exhaust_a_task_and_the_media_fails_as_crashed() -> None:
    world = World()
    media, upload = world.uploading()
    world.ledger.commit(upload, Stored(10, '"e"'))
    for _ in range(PIPELINE.stages["validate"].retries.attempts):
        assert world.ledger.claim(media.id, "validate") is not None  # and the process is killed
        world.records.turn(31_000)
    assert world.ledger.claim(media.id, "validate") is None
    assert recovery.bury(world.ledger, media.id, "validate")
    assert not recovery.bury(world.ledger, media.id, "validate")
    assert (world.media(media.id).status, world.media(media.id).reason) == (Status.FAILED, "crashed")
    letter = world.task(media.id, "validate")
    assert (letter.status, letter.last_error) == (TaskStatus.DEAD, "Processing stopped too often.")


def test_releases_never_exhaust_a_task() -> None:
    world = World()
    media, upload = world.uploading()
    world.ledger.commit(upload, Stored(10, '"e"'))
    for _ in range(50):
        claimed = world.ledger.claim(media.id, "validate")
        assert claimed is not None
        world.ledger.release(claimed.task)
    assert world.task(media.id, "validate").attempts == 0
