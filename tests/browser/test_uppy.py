"""Uppy in a real Chromium, its home: paused, its wire cut, its preflights asked for by the browser itself."""

import subprocess
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from ops import node
from ops.processes import CommandFailedError
from pipeline.adapters.bucket import setup_bucket
from tests.backends import BUCKET, Backend
from tests.chromium import BROWSER, browsing, site
from tests.frontdoor import Bucket, records
from tests.interruptions import CONTENT, PATIENCE, RATE, arrived, cut, project
from tests.proxy import Proxy
from tests.serving import ROOT, ingest
from tests.web import web

CLIENTS = ROOT / "tests" / "clients"
MODES = ("tus", "sign form", "sign parts", "companion parts")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on PATH")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's script and all it imports, in one file, as a web application has it."""
    try:
        node.install(CLIENTS)
        program = node.install(ROOT / "tests" / "browser").node
    except CommandFailedError as error:
        pytest.skip(f"Uppy cannot be fetched: {error}")
    bundle = tmp_path_factory.mktemp("bundle") / "page.mjs"
    esbuild = (program, str(ROOT / "tests/browser/node_modules/esbuild/bin/esbuild"))
    how = ("--bundle", "--format=esm", "--log-level=warning", f"--outfile={bundle}")
    subprocess.run([*esbuild, str(CLIENTS / "page_uppy.mjs"), *how], check=True, timeout=PATIENCE)
    return bundle


@pytest.mark.timeout(600)
def test_uppy_goes_on_in_chromium(
    script: Path, s3: Backend, ingest_env: dict[str, str], bucket: Bucket, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.png").write_bytes(CONTENT)
    (root / "page.mjs").symlink_to(script)
    (root / "index.html").write_text(
        '<!doctype html><title>Uppy</title><script type="module" src="/page.mjs"></script>'
    )
    projects = [project() for _ in MODES]
    with site(root) as here, Proxy(urlsplit(s3.url).port or 80, RATE, narrow=True) as s3_wire:
        setup_bucket(bucket.client, BUCKET, [here.origin], originals=True)
        env = ingest_env | {"ALLOWED_ORIGINS": here.origin, "S3_PUBLIC_ENDPOINT": s3_wire.url}
        with ingest(tmp_path / "ingest", env) as server, Proxy(server.port, RATE, narrow=True) as wire:
            to = [wire.url if mode == "tus" else server.url for mode in MODES]
            query = urlencode({"mode": MODES, "server": to, "project": projects}, doseq=True)
            with browsing(f"{here.origin}/index.html?{query}", tmp_path / "profile"):
                for mode, project_id in zip(MODES, projects, strict=True):
                    used = wire if mode == "tus" else s3_wire
                    with cut(used):
                        said = here.answers.get(timeout=PATIENCE)
                    assert said.get("pauses") == (0 if mode == "sign form" else 1), (mode, said)
                    if mode == "sign form":
                        (media,) = records(server, project_id)
                        told = web.post(f"{server.url}/s3/complete", json={"key": media["s3Key"]}, timeout=30)
                        told.raise_for_status()
                    arrived(server, bucket, project_id)
