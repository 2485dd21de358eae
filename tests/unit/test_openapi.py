"""The document speaks of every route, of nothing else, and is well-formed."""

import re
from typing import Any

import pytest
from starlette.routing import Route

from ingest.access import access_of
from ingest.app import create
from ingest.openapi import document
from pipeline.adapters.wiring import connect
from pipeline.settings import read_settings
from tests.world import PIPELINE

DOCUMENT = document(PIPELINE.limits)
SILENT = {"/openapi.json", "/docs"}


def test_every_route_is_documented_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = {"S3_BUCKET": "b", "REDIS_URL": "redis://127.0.0.1:1", "RECORDS": "sqlite", "SQLITE_PATH": ":memory:"}
    app = create(connect(read_settings(settings)), access_of("127.0.0.1", (), (), guarded=True))
    served = {
        (re.sub(r"\{\w+(:\w+)?\}", "{}", route.path), method)
        for route in app.routes
        if isinstance(route, Route) and route.path not in SILENT
        for method in route.methods or ()
        # Starlette answers HEAD wherever it answers GET; OPTIONS is CORS's, and tus's own.
        if method != "OPTIONS" and not (method == "HEAD" and "GET" in (route.methods or ()))
    }
    told = {
        (re.sub(r"\{\w+\}", "{}", path), method.upper())
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
    }
    assert served == told


def test_every_reference_leads_somewhere_and_every_path_names_its_parameters() -> None:
    assert {each.rpartition("/")[2] for each in _references(DOCUMENT)} <= DOCUMENT["components"]["schemas"].keys()
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path


def _references(node: Any) -> list[str]:  # noqa: ANN401 - JSON
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []
