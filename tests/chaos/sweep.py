"""The sweep: every life is lived once to its end, then once for each point on its way, to there; then all recover."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from pipeline.adapters.broker import EVENTS
from pipeline.client import submit
from pipeline.ports import Records
from pipeline.projectrows import totals_key
from pipeline.protocol import media_key
from pipeline.rows import media_of, task_of
from pipeline.tasks import SHARDS
from tests.backends import BUCKET
from tests.chaos.autopsy import Listed, Remains
from tests.chaos.crashpoints import Point
from tests.receiver import Hooks
from tests.serving import wait_for
from tests.started import started

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
TRIES = 4
RECOVERY = 1800.0
"""Seconds in which everything has to settle: a bound, not an expectation."""

_PREFIXES = ("projects/", "renditions/", "imports/")
_EVER = 2**53


@dataclass(frozen=True)
class Case:
    """One upload in a project of its own; `point` is where its process dies, None where it does not."""

    life: str
    project: str
    point: Point | None = None

    def __str__(self) -> str:
        """As the report names it."""
        return f"{self.life}, {self.point or 'to the end'} [{self.project}]"


@dataclass(frozen=True)
class Sweep:
    """`name` begins the names of all its projects; `env` are the settings of its processes, but for Redis.

    Those who die and those who recover have each a Redis database of their own: whatever hint was on its way is lost.
    """

    name: str
    folder: Path
    env: Mapping[str, str]
    dying: str
    living: str
    records: Records
    s3: "S3Client"
    hooks: Hooks

    def live(self, cases: Sequence[Case], end: str) -> tuple[list[Case], list[Case]]:
        """Let each case come to its end, `lived` or `struck`; returns those that did, and tries that did not.

        A try comes to another end when the machine is too busy for leases of a second; then the case is lived anew, in
        another project.
        """
        came: list[Case] = []
        missed: list[Case] = []
        coming = list(cases)
        for _ in range(TRIES):
            jobs = [{"life": case.life, "project": case.project, "point": case.point} for case in coming]
            (self.folder / "jobs.json").write_text(json.dumps(jobs))
            with self._started("tests.chaos.victims", self.dying, str(self.folder)) as victims:
                assert victims.wait() == 0, (self.folder / "tests.chaos.victims.log").read_text()[-5000:]
            came += [case for case in coming if end in self.said(case)]
            late = [case for case in coming if end not in self.said(case)]
            missed += late
            coming = [replace(case, project=f"{case.project}-again") for case in late]
            if not coming:
                return came, missed
        raise AssertionError("\n".join(f"{case} did not come to its end: {self.said(case)}" for case in missed))

    def said(self, case: Case) -> dict[str, Any]:
        """What the case's process testified, the last word of each kind."""
        lines = (self.folder / f"{case.project}.jsonl").read_text().splitlines()
        return {name: value for line in lines for name, value in json.loads(line).items()}

    def trail(self, case: Case) -> list[Point]:
        """All points on the way of a life that nobody cut short."""
        lines = (json.loads(line) for line in (self.folder / f"{case.project}.jsonl").read_text().splitlines())
        return [Point(*line["point"]) for line in lines if "point" in line]

    def recover(self, cases: Sequence[Case]) -> None:
        """Let fresh workers and sweepers settle all that is owed, by what stands in the records alone."""
        client = redis.Redis.from_url(self.living)
        client.set("darkroom:sentinel", 1)
        for case in cases:
            if case.life == "adopted":  # nobody has acknowledged its message
                submit(client, case.project, f"imports/{case.project}.jpg", "job")
        with self._crews():
            wait_for(lambda: client.hlen("dramatiq:submit.msgs") == 0 and not self._owed(), RECOVERY)

    def remains(self, cases: Sequence[Case]) -> dict[str, Remains]:
        """What is there, by project."""
        objects: defaultdict[str, dict[str, Listed]] = defaultdict(dict)
        for key, listed in self.objects().items():
            objects[key.split("/")[1].removesuffix(".jpg")][key] = listed
        told = [self._announced(), Counter(each.headers["webhook-id"] for each in self.hooks.deliveries)]
        return {case.project: self._remains(case, objects[case.project], told) for case in cases}

    def objects(self) -> dict[str, Listed]:
        """Everything that is stored for this sweep, by key."""
        found = {}
        for prefix in _PREFIXES:
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}{self.name}-")
            for each in (each for page in pages for each in page.get("Contents", ())):
                found[each["Key"]] = Listed(each["Size"], each["ETag"], each["LastModified"].isoformat())
        return found

    def open_uploads(self) -> list[str]:
        """Keys of multipart uploads that are neither completed nor aborted."""
        pages = [self.s3.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{prefix}{self.name}-") for prefix in _PREFIXES]
        return [upload["Key"] for page in pages for upload in page.get("Uploads", ())]

    def _owed(self) -> bool:
        return any(self.records.overdue(shard, _EVER, 1) for shard in range(SHARDS))

    def _remains(self, case: Case, objects: Mapping[str, Listed], told: Sequence[Counter[str]]) -> Remains:
        said = self.said(case)
        born = {said[word] for word in ("born", "acknowledged") if said.get(word)}
        listed = {row["id"] for row in self.records.project(case.project, -1, 10)}
        rows = [self.records.get(media_key(media_id)) for media_id in sorted(born | listed)]
        media = tuple(media_of(row) for row in rows if row)
        tasks = tuple(task_of(row) for each in media for row in self.records.tasks(each.id))
        ids = tuple(each.id for each in media)
        ours = tuple(frozenset(name for name in each if ids and name.startswith(ids)) for each in told)
        return Remains(case.project, media, tasks, objects, self.records.get(totals_key(case.project)), ours)

    def _announced(self) -> Counter[str]:
        """How often each settlement was told to whoever listens, by the id that its webhook has."""
        counts: Counter[str] = Counter()
        for url in (self.dying, self.living):
            events: Any = redis.Redis.from_url(url, decode_responses=True).xrange(EVENTS)
            counts.update("_".join((event["mediaId"], event["status"], event["round"])) for _, event in events)
        return counts

    @contextmanager
    def _crews(self) -> Iterator[None]:
        with (
            self._started("tests.chaos.crew", self.living) as one,
            self._started("tests.chaos.crew", self.living) as two,
        ):
            yield
            assert one.poll() is None
            assert two.poll() is None

    @contextmanager
    def _started(self, module: str, redis_url: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        env = {**self.env, "REDIS_URL": redis_url, "SCRATCH_DIR": str(self.folder / "scratch")}
        command = [sys.executable, "-m", module, *arguments]
        with (
            (self.folder / f"{module}.log").open("ab") as log,
            started(command, cwd=ROOT, env=env, stdout=log, stderr=log) as process,
        ):
            yield process
