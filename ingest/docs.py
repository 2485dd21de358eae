"""The contract for people: the OpenAPI document as one page that needs nothing from elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from ingest.openapi import document
from ingest.problems import PROBLEMS
from ingest.schemas import Json
from pipeline.limits import Limits

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
h2 { margin: 2.5rem 0 .25rem; font: 600 1.1rem ui-monospace, monospace }
table { border-collapse: collapse; width: 100%; margin: .75rem 0 }
td { border-top: 1px solid #8884; padding: .3rem .5rem; vertical-align: top }
td:first-child { font-family: ui-monospace, monospace; white-space: nowrap }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } a { color: #8bf } }
"""


@dataclass(frozen=True)
class Docs:
    """The endpoints."""

    limits: Limits

    async def document(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(document(self.limits))

    async def page(self, _request: Request) -> Response:
        """The same to read."""
        return HTMLResponse("".join(_page(document(self.limits))), headers={"Content-Security-Policy": _POLICY})


def _page(contract: Json) -> Iterator[str]:
    title, about = escape(contract["info"]["title"]), escape(contract["info"]["description"])
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
    yield "<meta name=viewport content='width=device-width'>"
    yield f"<h1>{title}</h1><p>{about} For programs: <a href=/openapi.json>openapi.json</a>.</p>"
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['summary'])}.</p>"
            yield from _table(_inputs(operation))
            answers = sorted(operation["responses"].items())
            yield from _table((status, answer["description"]) for status, answer in answers)
    yield "<h2>Error codes</h2>"
    yield from _table((code, f"{status}: {sentence}") for code, (status, sentence) in PROBLEMS.items())
    yield "</html>"


def _inputs(operation: Json) -> Iterator[tuple[str, str]]:
    for parameter in operation.get("parameters", ()):
        yield parameter["name"], f"{parameter['in']}. {parameter['description']}"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        for name, field in body["schema"].get("properties", {"body": body["schema"]}).items():
            yield name, f"{kind}. {field.get('description', '')}"


def _table(rows: Iterator[tuple[str, str]]) -> Iterator[str]:
    yield "<table>"
    for name, text in rows:
        yield f"<tr><td>{escape(name)}<td>{escape(text)}"
    yield "</table>"
