"""Two whole applications, from the upload to the last still: Darkroom's `make run`, and what teams write by hand."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.rig import extremes
from benchmarks.rig.contenders import PEERS, script
from benchmarks.rig.stand import standing
from benchmarks.rig.wire import Wire
from ops import node
from ops.child import Child
from ops.downloads import PROJECT
from pipeline.config import load
from pipeline.renditions import Still
from tests import stack

_PATIENCE = 300.0
PEER = "Express + multer-s3 + BullMQ + sharp"
OURS = "Darkroom, `make run`"


@dataclass(frozen=True)
class App:
    """An application that is up: its port, and the processes of each of its roles, without S3, records and Redis."""

    port: int
    roles: Mapping[str, Sequence[int]]

    @property
    def pids(self) -> list[int]:
        """All of them."""
        return [pid for pids in self.roles.values() for pid in pids]

    def wait(self, media_id: str, look: float) -> float:
        """When the media was seen to be ready, by `time.monotonic`; raises RuntimeError when it will not be.

        It is looked at every `look` seconds, each time a request that costs the application and its database.
        """
        deadline = time.monotonic() + _PATIENCE
        with Wire(self.port) as wire:
            while time.monotonic() < deadline:
                status = json.loads(wire.send("GET", f"/api/media/{media_id}", {}).body)["status"]
                if status == "ready":
                    return time.monotonic()
                if status in stack.SETTLED:
                    break
                time.sleep(look)
        raise RuntimeError(f"{media_id} is not ready")


@contextmanager
def ours(folder: Path, pipeline: Path, env: Mapping[str, str]) -> Iterator[App]:
    """`make run` with this pipeline."""
    with stack.running(folder, **{**env, "PIPELINE": str(pipeline)}) as up:
        roles = {"ingest": up.pids(["ingest.app"]), "sweeper": up.pids(["workers.sweeping"])}
        for queues in load(pipeline).processes:
            roles[" + ".join(queues)] = up.pids(["workers.app", *queues])
        yield App(int(up.url.rpartition(":")[2]), roles)


@contextmanager
def ours_on_dynamodb(folder: Path, pipeline: Path, licence: str) -> Iterator[App]:
    """The same with its records in DynamoDB."""
    with standing(folder / "records") as stand:
        keys = {name: value for name, value in stand.env.items() if name.startswith("AWS_")}
        env = {"RECORDS": "dynamodb", **keys, **stand.dynamodb(licence)}
        with ours(folder / "run", pipeline, env) as app:
            yield app


@contextmanager
def peer(folder: Path, pipeline: Path, licence: str) -> Iterator[App]:
    """The peer with the stills that the pipeline asks for, on S3, DynamoDB and Redis of the same kind."""
    with standing(folder) as stand:
        env = {**stand.weed(), **stand.valkey(), **stand.dynamodb(licence)}
        env |= {"PEER_TABLE": "peer", "NODE_ENV": "production", "PEER_STILLS": json.dumps(spelled(pipeline))}
        extremes.peer_table(stand, env)
        server = script("app")(stand, env)
        worker = Child("worker", (node.install(PEERS).node, str(PEERS / "worker.mjs")), {**server.env}, PROJECT)
        stand.start(server, worker)
        roles = {"server": [stand.pid(server)], "worker": [stand.pid(worker)]}
        yield App(int(server.address.rpartition(":")[2]), roles)


def spelled(pipeline: Path) -> list[dict[str, Any]]:
    """The pipeline's stills as JSON has them."""
    return [asdict(still) for still in stills(pipeline)]


def stills(pipeline: Path) -> tuple[Still, ...]:
    """The stills that the pipeline makes of a photo."""
    return tuple(load(pipeline).stills)


def without_avif(folder: Path) -> Path:
    """The shipped pipeline with no AVIF: the four stills that every browser reads."""
    text = (PROJECT / "pipeline.toml").read_text().replace('formats = ["webp", "avif"]', 'formats = ["webp"]')
    path = folder / "without-avif.toml"
    path.write_text(text.replace("quality = { webp = 80, avif = 60 }", "quality = { webp = 80 }"))
    left = [still.format for still in stills(path)]
    if "avif" in left:
        raise ValueError(f"pipeline.toml asks for AVIF in a way that is new here: {left}")
    return path
