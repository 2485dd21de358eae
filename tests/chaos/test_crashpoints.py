"""The process is killed once before and once after every call to S3, the records, Redis and each child process.

Whatever was acknowledged ends as promised, whatever was not leaves nothing behind. Usually each distinct moment is
swept over SQLite, and over DynamoDB a sample of all points, chosen by `CRASH_SEED`; with `CRASH_POINTS=all` every point
over both.
"""

import os
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import boto3
import pytest

from ops import servers
from pipeline.adapters import dynamodb
from pipeline.adapters.sqlite import SqliteRecords
from pipeline.adapters.tables import create_tables
from tests import builders
from tests.backends import Backend
from tests.chaos.autopsy import Remains, complaints
from tests.chaos.crashpoints import PORTS, Point, calls_of
from tests.chaos.lives import LIVES
from tests.chaos.sweep import Case, Sweep
from tests.frontdoor import Bucket
from tests.receiver import Hooks
from tests.telling import Tell

SEED = int(os.environ.get("CRASH_SEED", "3"))
EVERY = os.environ.get("CRASH_POINTS") == "all"
SAMPLE = 24
"""Points that are swept over DynamoDB when not all are."""

INSIDE = {"Records.now": "SQLite's clock is the machine's"}
"""Calls that leave the process over DynamoDB alone."""

OFF_THE_WAY = {
    "Records.dead": "reads for an operator",
    "Records.project": "reads for a client",
    "Records.standing": "the orphan scan's, and the backfill's",
    "ObjectStore.list": "the orphan scan's",
    "Records.ping": "asks after health",
    "ObjectStore.ping": "asks after health",
    "ObjectStore.elsewhere": "asks nobody anything",
    "Queue.intact": "the sweeper's",
    "Queue.mark": "the sweeper's",
    "Queue.progress": "reads for a client",
    "Queue.ping": "asks after health; the sweeper's",
}
"""Calls that no life of a media makes, and who does."""

Spot = tuple[str, Point]
"""A life's name and a point in it."""


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as receiver:
        yield receiver


@pytest.fixture
def env(s3: Backend, hooks: Hooks) -> dict[str, str]:
    return {
        **servers.plain_environment(),
        **s3.env,
        "PIPELINE": str(Path(__file__).with_name("pipeline.toml")),
        "WEBHOOK_URL": hooks.url(),
        "WEBHOOK_SECRETS": f"whsec_{b64encode(bytes(32)).decode()}",
        "WEBHOOK_ALLOW_PRIVATE": "1",
    }


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A photo, a photo of several parts, what only begins like one, and a video."""
    photo = builders.photo(tmp_path / "photo.jpg", (64, 48)).read_bytes()
    (tmp_path / "large.jpg").write_bytes(photo + bytes(11 * 2**20))
    (tmp_path / "broken.jpg").write_bytes(photo[:40] + bytes(400))
    builders.video(tmp_path / "clip.mp4", (64, 48), seconds=1, rate="10")
    return tmp_path


@pytest.fixture
def on_sqlite(env: dict[str, str], corpus: Path, redis_url: str, bucket: Bucket, hooks: Hooks) -> Sweep:
    path = corpus / "records.sqlite"
    whole = {**env, "RECORDS": "sqlite", "SQLITE_PATH": str(path)}
    records, dying, living = SqliteRecords(path), _db(redis_url, 3), _db(redis_url, 4)
    return Sweep("crash-sqlite", corpus, whole, dying, living, records, bucket.client, hooks)


@pytest.fixture
def on_dynamodb(
    env: dict[str, str],
    corpus: Path,
    redis_url: str,
    bucket: Bucket,
    hooks: Hooks,
    dynamodb_ministack: Backend,
    monkeypatch: pytest.MonkeyPatch,
) -> Sweep:
    """With a lease of 3 s: the store's clock is read off `Date`, which tells whole seconds."""
    tables = {"MEDIA_TABLE": "crash-media", "TASKS_TABLE": "crash-tasks"}
    text = Path(env["PIPELINE"]).read_text()
    longer = corpus / "pipeline.toml"
    longer.write_text(text.replace('length = "1s"', 'length = "3s"').replace('renewal = "333ms"', 'renewal = "1s"'))
    whole = {**env, **dynamodb_ministack.env, **tables, "RECORDS": "dynamodb", "PIPELINE": str(longer)}
    with monkeypatch.context() as environ:
        for name, value in dynamodb_ministack.env.items():
            environ.setenv(name, value)
        records = dynamodb.connect(tables["MEDIA_TABLE"], tables["TASKS_TABLE"])
        create_tables(boto3.client("dynamodb"), *tables.values())
    return Sweep("crash-dynamodb", corpus, whole, _db(redis_url, 5), _db(redis_url, 6), records, bucket.client, hooks)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("store", ["sqlite", "dynamodb"])
def test_whatever_dies_wherever_nothing_is_lost(request: pytest.FixtureRequest, tell: Tell, store: str) -> None:
    chosen = {"sqlite": distinct, "dynamodb": sampled}[store]
    tell(swept(request.getfixturevalue(f"on_{store}"), list if EVERY else chosen))


def distinct(points: Sequence[Spot]) -> list[Spot]:
    """Each moment once: between a call's return and the next call of its turn nothing happens to the world.

    Nor does a call that stays in the process.
    """
    calls = [(life, point) for life, point in points if point.call not in INSIDE]
    following = [*calls[1:], None]
    return [spot for spot, after in zip(calls, following, strict=True) if after is None or not _same(spot, after)]


def _same(spot: Spot, after: Spot) -> bool:
    (life, point), (next_life, next_point) = spot, after
    return (life, point.turn, point.side, next_point.side) == (next_life, next_point.turn, "after", "before")


def sampled(points: Sequence[Spot]) -> list[Spot]:
    """Some, as the seed has it."""
    return random.Random(SEED).sample(list(points), SAMPLE)


def swept(sweep: Sweep, choose: Callable[[Sequence[Spot]], list[Spot]]) -> str:
    """Sweep the points that are chosen of all; returns how many there were of each kind."""
    lived, tired = sweep.live([Case(name, f"{sweep.name}-{name}") for name in LIVES], "lived")
    whole = {case.life: case for case in lived}
    points = [(name, point) for name, case in whole.items() for point in sweep.trail(case)]
    assert_all_calls_are_points({point.call for _, point in points})
    dying = [Case(name, f"{sweep.name}-{name}-{number}", point) for number, (name, point) in enumerate(choose(points))]
    cut, missed = sweep.live(dying, "struck")
    stored = sweep.objects()
    cases = [*lived, *cut, *(case for case in (*tired, *missed) if sweep.said(case).get("acknowledged"))]
    sweep.recover(cases)
    left = sweep.objects()
    assert [key for key in left if key in stored and left[key] != stored[key]] == []  # written once
    assert sweep.open_uploads() == []
    remains = sweep.remains(cases)
    found = [f"{case}: {complaint}" for case in cases for complaint in judged(sweep, case, whole, remains)]
    assert not found, "\n".join(found)
    return counted(sweep.name, points, cut)


def judged(sweep: Sweep, case: Case, whole: dict[str, Case], remains: dict[str, Remains]) -> Iterator[str]:
    """What is wrong with a case, beside a life that was lived to its end."""
    own, photo = remains[whole[case.life].project], remains[whole["photo"].project]
    models = {"ready": photo, own.ending: own}
    yield from complaints(remains[case.project], LIVES[case.life], sweep.said(case).get("acknowledged"), models)


def assert_all_calls_are_points(calls: set[str]) -> None:
    every = {f"{port.__name__}.{call}" for port in PORTS for call in calls_of(port)}
    assert calls == every - OFF_THE_WAY.keys()


def counted(name: str, points: Sequence[Spot], cut: Sequence[Case]) -> str:
    lives, kinds = Counter(life for life, _ in points), Counter(point.call for _, point in points)
    told = (", ".join(f"{kind} {count}" for kind, count in each.most_common()) for each in (lives, kinds))
    return "\n  ".join((f"{name}: killed at {len(cut)} of {len(points)} points (seed {SEED})", *told))


def _db(url: str, number: int) -> str:
    return f"{url.rpartition('/')[0]}/{number}"
