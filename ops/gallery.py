"""A page that shows every output of some media; its pictures lie beside it, so that it outlives the stack."""

import mimetypes
from collections.abc import Iterable
from html import escape
from pathlib import Path

from ops import api
from ops.outputs import dimensions, ordered, shape_of, size
from pipeline.media import Media, Output

STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 3rem auto; padding: 0 1.5rem; }
h1 { font-weight: 600; } h2 { font-weight: 600; margin: 3rem 0 0; }
.facts, figcaption, th { color: var(--dim); font-size: 13px; font-weight: 400; }
.outputs { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-end; margin: 1rem 0; }
figure { margin: 0; } figure b { color: CanvasText; font-weight: 600; }
img, video { display: block; max-width: 100%; max-height: 15rem; border-radius: 6px; border: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid var(--line); padding: .3rem 1rem .3rem 0; text-align: left; white-space: nowrap; }
td:last-child { width: 100%; overflow-wrap: anywhere; white-space: normal; font-size: 13px; }
.ready { color: #2a8f4f; } .rejected, .failed { color: #c0392b; }
"""


def write(folder: Path, media: Iterable[Media]) -> Path:
    """Download what can be shown, write `index.html`, and return its path.

    Raises:
        RefusedError: an output's public URL does not serve it.
    """
    sections = "".join(_section(folder, each) for each in media)
    page = folder / "index.html"
    page.write_text(
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Darkroom</title>\n<style>{STYLE}</style>\n'
        f"<h1>What came out</h1>\n{sections}</html>\n",
        encoding="utf-8",
    )
    return page


def _section(folder: Path, media: Media) -> str:
    told = (
        f'<span class="{media.status}">{media.status}</span>',
        shape_of(media),
        size(media.size),
        escape(media.mime_type),
        escape(media.error or ""),
    )
    local = {name: _fetch(folder, media, name, output) for name, output in ordered(media) if _shown(output)}
    figures = "".join(_figure(name, media.renditions[name], path, local) for name, path in local.items())
    return (
        f"<h2>{escape(media.original_name)}</h2>\n<p class=facts>{' · '.join(filter(None, told))}</p>\n"
        f"<div class=outputs>{figures}</div>\n{_table(media)}\n"
    )


def _shown(output: Output) -> bool:
    return output.mime_type.startswith(("image/", "video/"))


def _fetch(folder: Path, media: Media, name: str, output: Output) -> str:
    """Download an output and return its path relative to the page."""
    path = folder / media.id / f"{name}{mimetypes.guess_extension(output.mime_type) or ''}"
    path.parent.mkdir(exist_ok=True)
    api.download(media.urls[name], path)
    return f"{media.id}/{path.name}"


def _figure(name: str, output: Output, path: str, local: dict[str, str]) -> str:
    if output.mime_type.startswith("video/"):
        poster = f' poster="{escape(local["poster"])}"' if "poster" in local else ""
        shown = f'<video src="{escape(path)}"{poster} controls loop muted></video>'
    else:
        shown = f'<a href="{escape(path)}"><img src="{escape(path)}" alt="{escape(name)}"></a>'
    caption = f"<b>{escape(name)}</b> {dimensions(output.width, output.height, output.duration)} {size(output.bytes)}"
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>\n"


def _table(media: Media) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{escape(output.mime_type)}"
        f"<td>{dimensions(output.width, output.height, output.duration)}<td>{size(output.bytes)}"
        f'<td><a href="{escape(media.urls.get(name, ""))}">{escape(media.urls.get(name, ""))}</a>\n'
        for name, output in ordered(media)
    )
    return f"<table><tr><th>output<th>type<th>dimensions<th>size<th>URL\n{rows}</table>" if rows else ""
