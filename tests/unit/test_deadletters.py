"""Dead letters: listed by their index, redriven per media, and an outbox row by itself."""

from pipeline import deadletters, recovery
from pipeline.deadletters import Wanted
from pipeline.events import Aborted, Died, Made, Stored, Validated
from pipeline.media import Media, Status
from pipeline.tasks import Task, TaskStatus
from tests.world import World

PLAN = {"parts": ["poster", "audio"], "recipe": "0123abcd"}


def failed(world: World, reason: str = "processing_failed", part: str = "poster") -> Media:
    """A media of two parts, one of them dead."""
    _, upload = world.uploading()
    media = world.ledger.commit(upload, Stored(5, '"e"'))
    world.ledger.commit(held(world, media, "validate"), Validated({}, PLAN))
    return world.ledger.die(held(world, media, part), Died(part, reason, "No."), reason, "odd")


def held(world: World, media: Media, key: str) -> Task:
    claimed = world.ledger.claim(media.id, key)
    assert claimed is not None
    return claimed.task


def dead_outbox(world: World, media: Media, key: str) -> None:
    world.ledger.die(held(world, media, key), Died(key, "webhook_gone", "Gone."), "webhook_gone", "410")


def letters(world: World, wanted: Wanted | None = None) -> set[tuple[str, str]]:
    return {(task.media_id, task.key) for task in deadletters.find(world.records, wanted or Wanted())}


def test_a_dead_letter_says_why_when_and_after_how_many_attempts() -> None:
    world = World()
    media = failed(world)
    letter = next(deadletters.find(world.records, Wanted(media_id=media.id, stage="poster")))
    assert (letter.reason, letter.last_error, letter.attempts) == ("processing_failed", "odd", 1)
    assert (letter.dead_at, letter.expires_at) == (world.records.now(), None)
    assert letter.owed_at <= world.records.now()


def test_letters_are_selected_by_all_that_is_asked() -> None:
    world = World()
    one, other = failed(world), failed(world, "crashed", "audio")
    assert letters(world) == {(one.id, "poster"), (other.id, "audio")}
    assert letters(world, Wanted(reason="crashed")) == letters(world, Wanted(stage="audio")) == {(other.id, "audio")}
    assert letters(world, Wanted(one.id)) == {(one.id, "poster")}
    assert letters(world, Wanted(one.id, "crashed")) == set()
    assert letters(world, Wanted("media_none")) == set()


def test_a_redrive_takes_the_media_as_a_whole_and_once() -> None:
    world = World()
    media = failed(world)
    sent = list(deadletters.redrive(world.ledger, Wanted(reason="processing_failed", stage="poster")))
    assert [(letter.key, owed) for letter, owed in sent] == [("poster", True)]
    again = world.media(media.id)
    assert (again.status, again.round) == (Status.PROCESSING, 1)
    assert len(letters(world)) == 1, "until the media's spread has owed them again"
    assert all(owed for _, owed in deadletters.redrive(world.ledger, Wanted()))
    assert world.media(media.id) == again, "asking twice changes nothing"
    recovery.spread(world.ledger, held(world, media, "spread"), again)
    assert letters(world) == set()
    assert {task.key for task in world.owed()} >= set(PLAN["parts"])


def test_a_dead_outbox_row_is_owed_again_and_nothing_else() -> None:
    world = World()
    media = failed(world)
    dead_outbox(world, media, "record#failed#0")
    assert [owed for _, owed in deadletters.redrive(world.ledger, Wanted(stage="record"))] == [True]
    assert world.media(media.id) == media
    row = world.task(media.id, "record#failed#0")
    assert (row.status, row.attempts, row.reason, row.dead_at, row.told_at) == (TaskStatus.PENDING, 0, None, None, None)
    assert [hint.key for hint in world.inbox.take()][-1] == "record#failed#0"
    assert list(deadletters.redrive(world.ledger, Wanted(stage="record"))) == []


def test_what_cannot_be_redriven_is_said_to_be() -> None:
    world = World()
    media = failed(world)
    world.ledger.delete(media.id)
    assert {owed for _, owed in deadletters.redrive(world.ledger, Wanted())} == {False}


def test_the_letters_of_a_deleted_media_leave_the_index_but_not_its_outbox() -> None:
    world = World()
    media = failed(world)
    dead_outbox(world, media, "record#failed#0")
    world.ledger.delete(media.id)
    recovery.forget(world.ledger, world.media(media.id))
    assert letters(world) == {(media.id, "record#failed#0")}
    assert world.task(media.id, "poster").status is TaskStatus.DEAD
    assert world.task(media.id, "poster").expires_at is not None


def ready(world: World) -> Media:
    _, upload = world.uploading()
    media = world.ledger.commit(upload, Stored(5, '"e"'))
    world.ledger.commit(held(world, media, "validate"), Validated({}, {**PLAN, "parts": ["poster"]}))
    return world.ledger.commit(held(world, media, "poster"), Made("poster"))


def test_a_replay_tells_nothing_twice_that_is_told_once() -> None:
    world = World()
    media = ready(world)
    task = held(world, media, "record#ready#0")
    assert not recovery.replay(world.ledger, media, "record#ready#0"), "somebody is about it"
    world.ledger.close(task)
    assert recovery.replay(world.ledger, media, "record#ready#0")
    row = world.task(media.id, "record#ready#0")
    assert (row.status, row.expires_at, row.told_at) == (TaskStatus.PENDING, None, world.records.now())
    assert not recovery.replay(world.ledger, media, "record#ready#0"), "it is owed already"


def test_an_outbox_row_that_has_expired_can_be_replayed() -> None:
    world = World()
    media = ready(world)
    world.ledger.close(held(world, media, "record#ready#0"))
    world.records.turn(8 * 24 * 3_600_000)
    assert world.records.expire() > 0
    assert world.ledger.task(media.id, "record#ready#0") is None
    assert recovery.replay(world.ledger, media, "record#ready#0")
    assert world.task(media.id, "record#ready#0").told_at == world.records.now()


def test_aborted_uploads_leave_no_dead_letter() -> None:
    world = World()
    _, upload = world.uploading()
    world.ledger.commit(upload, Aborted("too_large", "Too large."))
    assert letters(world) == set()
