"""`pipeline.toml` as a `Pipeline`: what is made of an upload, and on what terms. All mistakes are told at once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from pipeline import schema, stilltables
from pipeline.animations import Animation
from pipeline.ladder import Audio, Rung, VideoSettings
from pipeline.limits import Limits
from pipeline.mistakes import explain
from pipeline.notices import Rule
from pipeline.protocol import Lease
from pipeline.renditions import Fact, Poster, Still
from pipeline.retries import Terms
from pipeline.storyboards import Preview, Storyboard
from pipeline.tables import Table
from pipeline.tasks import CONTROL, stage_of


class ConfigError(Exception):
    """The file cannot be used; the text lists every mistake."""


@dataclass(frozen=True)
class Stage:
    """The terms of one kind of work: `timeout` in seconds.

    A media longer than `long_over` seconds goes to the queue `long`, a task that died for memory once to `big`.
    """

    queue: str
    retries: Terms
    timeout: float
    long: str | None = None
    long_over: float = 0.0
    big: str | None = None


@dataclass(frozen=True)
class Uploads:
    """What uploads may take of one ingest process: bytes of memory; seconds without a byte, and in all.

    `prompt` is the seconds from when every byte is in S3 to the answer; what takes longer is answered 202, and goes on.
    """

    memory: int
    idle: float
    total: float
    prompt: float


@dataclass(frozen=True, kw_only=True)
class Cache:
    """What a machine keeps of films on its disk: `most` bytes, for `idle` seconds after the last use."""

    most: int
    idle: float


@dataclass(frozen=True, kw_only=True)
class Grants:
    """How long, in seconds, an upload may stay incomplete.

    `resumable` since its last byte came; `direct` and `form` from the start, for one that a client brings to S3 by
    itself, in parts or in one form.
    """

    resumable: float
    direct: float
    form: float


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What `pipeline.toml` says.

    `metadata` is what a photo's record tells of its making, `threads` the number of worker threads by queue, `most_of`
    how many tasks of one project may run at once, where that is bounded, `memory` the bytes of address space that a
    queue's children get whatever their plan says, `room` the bytes that all pictures decoded at once in one worker
    process may take, `files` how many photos one child may decode, `nice` by how much a queue's workers give way to
    all others, `on_demand` the queues that nobody works on all day, `poll` the seconds between two looks at an empty
    queue that nobody calls about, `processes` the queues that share a process on one machine; `give_up`, `backlog`,
    `orphan_wait` and `superseded` (None: kept for ever) are seconds. One caller may send `rate` requests, the first
    number in as many seconds as the second says, and be uploading `bytes_at_once`.
    """

    limits: Limits
    stills: tuple[Still, ...]
    metadata: frozenset[Fact]
    animation: Animation | None
    ladder: tuple[Rung, ...]
    audio: Audio
    poster: Poster
    storyboard: Storyboard | None
    preview: Preview | None
    video: VideoSettings
    stages: Mapping[str, Stage]
    poll: Mapping[str, float]
    processes: tuple[tuple[str, ...], ...]
    threads: Mapping[str, int]
    most_of: Mapping[str, int]
    memory: Mapping[str, int]
    room: int
    files: int
    nice: Mapping[str, int]
    on_demand: frozenset[str]
    uploads: Uploads
    publish_originals: bool
    give_up: float
    backlog: float
    orphan_wait: float
    superseded: float | None
    rate: tuple[int, int]
    bytes_at_once: int
    events: tuple[Rule, ...]
    cache: Cache
    lease: Lease
    grants: Grants

    def stage(self, key: str) -> Stage:
        """The terms of a task, by its range key."""
        return self.stages[stage_of(key)]

    def queue_of(self, key: str, duration: float | None) -> str:
        """The queue of a task, by its range key and the seconds its media plays."""
        stage = self.stage(key)
        return stage.long if stage.long and (duration or 0) > stage.long_over else stage.queue

    def attempts_of(self, key: str) -> int | None:
        """The bound of a task's attempts; None for the control tasks, which have none."""
        return None if stage_of(key) in CONTROL else self.stage(key).retries.attempts


def load(path: Path) -> Pipeline:
    """The configuration in the file; raises `ConfigError` listing all that is wrong with it."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}. Set PIPELINE to the path of pipeline.toml."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    dangling = [*schema.dangling(tables), *stilltables.contradictions(tables)]
    try:
        file = schema.File.model_validate(tables)
    except ValidationError as error:
        raise _refusal(path, [*explain(error, schema.File), *dangling]) from None
    if dangling:
        raise _refusal(path, dangling)
    return build(file)


def build(file: schema.File) -> Pipeline:
    """The checked tables as the values that the pipeline works with."""
    terms = {name: _terms(table) for name, table in file.retries.items()}
    return Pipeline(
        limits=Limits(**_plain(file.limits)),
        stills=tuple(
            still
            for name, table in file.stills.items()
            for still in table.stills(name, file.encoders, [*file.metadata.keep])
        ),
        metadata=file.metadata.record,
        animation=Animation(**_plain(file.animation)) if file.animation else None,
        ladder=tuple(Rung(**_plain(table)) for table in file.ladder),
        audio=Audio(**_plain(file.audio)),
        poster=Poster(**_plain(file.poster)),
        storyboard=Storyboard(**_plain(file.storyboard)) if file.storyboard else None,
        preview=Preview(**_plain(file.preview)) if file.preview else None,
        video=VideoSettings(**_plain(file.video)),
        stages=MappingProxyType(
            {
                name: Stage(table.queue, terms[table.retries], table.timeout, table.long, table.long_over, table.big)
                for name, table in file.stages.items()
            }
        ),
        processes=_processes(file.queues),
        poll=MappingProxyType({name: table.poll for name, table in file.queues.items()}),
        threads=MappingProxyType({name: table.threads for name, table in file.queues.items()}),
        most_of=MappingProxyType(
            {name: table.per_project for name, table in file.queues.items() if table.per_project is not None}
        ),
        memory=MappingProxyType(
            {name: table.memory for name, table in file.queues.items() if table.memory is not None}
        ),
        room=file.decoding.memory,
        files=file.decoding.files,
        on_demand=frozenset(name for name, table in file.queues.items() if table.on_demand),
        nice=MappingProxyType({name: table.nice for name, table in file.queues.items()}),
        uploads=Uploads(**_plain(file.ingest)),
        publish_originals=file.serving.publish_originals,
        give_up=file.give_up,
        backlog=file.backlog,
        orphan_wait=file.orphans.wait,
        superseded=None if file.orphans.superseded == "off" else file.orphans.superseded,
        rate=file.callers.rate,
        bytes_at_once=file.callers.bytes_at_once,
        events=tuple(Rule(rule.prefix, rule.project, rule.bucket) for rule in file.events),
        cache=Cache(**_plain(file.cache)),
        grants=Grants(**_plain(file.grants)),
        lease=Lease(**{name: round(1000 * seconds) for name, seconds in _plain(file.lease).items()}),
    )


def _processes(queues: Mapping[str, schema.Queue]) -> tuple[tuple[str, ...], ...]:
    """The queues that are always worked on, in the file's order, those that name one process together."""
    shared: dict[str, tuple[str, ...]] = {}
    for queue, table in queues.items():
        if not table.on_demand:
            name = table.process or f"queue {queue}"
            shared[name] = (*shared.get(name, ()), queue)
    return tuple(shared.values())


def _terms(table: schema.Retries) -> Terms:
    first, *between, most = table.wait
    return Terms(table.attempts, first, most, table.wait if between else ())


def _refusal(path: Path, mistakes: list[str]) -> ConfigError:
    return ConfigError("\n  - ".join((f"{path} has mistakes:", *mistakes)))


def _plain(table: Table) -> dict[str, Any]:
    return {name: getattr(table, name) for name in type(table).model_fields}
