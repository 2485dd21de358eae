"""What the OpenAPI document allows, and what it does not, sent at random: never a 5xx, never a broken connection."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops import servers
from ops.processes import CommandFailedError
from tests.backends import unavailable
from tests.fetching import fetched
from tests.serving import ROOT, Ingest, ingest

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "2")
"""Requests of each kind for each endpoint; a longer run takes more."""


@pytest.fixture(scope="module")
def home() -> Path:
    """Schemathesis, in packages of its own since it brings many."""
    try:
        return fetched("schemathesis")
    except CommandFailedError as error:
        unavailable(str(error))


@pytest.mark.timeout(300)
def test_nothing_that_is_sent_breaks_the_server(home: Path, tmp_path: Path, ingest_env: dict[str, str]) -> None:
    with ingest(tmp_path, ingest_env | {"TOKEN_SECRETS": "a secret that is long enough for HMAC"}) as server:
        ran = _run(home, server)
        assert server.process.poll() is None
        assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]


def _run(home: Path, server: Ingest) -> subprocess.CompletedProcess[str]:
    # A project's stream of events does not end by itself, and health answers 503 when it must.
    what = ["--exclude-path-regex", "projects/.*/events$|/readyz$", "--checks", "not_a_server_error"]
    how = ["--phases", "coverage,fuzzing", "--suppress-health-check", "all", "--seed", "7"]
    bounds = ["--max-examples", EXAMPLES, "--generation-database", "none", "--request-timeout", "20"]
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", *what, *how, *bounds]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks", "NO_COLOR": "1"}
    env = {**servers.plain_environment(), **hooks, "PYTHONPATH": f"{home}{os.pathsep}{ROOT}"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=280, check=False)
