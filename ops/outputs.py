"""Every output of a media in a table."""

from rich.console import Console

from ops import listings
from pipeline.media import Media, Output

_RANK = {"image/": 0, "video/": 1}


def print_table(console: Console, media: Media) -> None:
    """Print a media's outputs with type, dimensions, size and URL, or why there are none."""
    console.print(f"{media.original_name}: {media.status}", style="bold", markup=False, highlight=False)
    rows = []
    if "original" in media.urls:
        rows.append(("original", media.mime_type, shape_of(media), size(media.size), media.urls["original"]))
    for name, output in ordered(media):
        shape = dimensions(output.width, output.height, output.duration)
        rows.append((name, output.mime_type, shape, size(output.bytes), media.urls.get(name, "")))
    listings.show(console, ("output", "type", "dimensions", "size", "url"), rows)
    if media.error:
        console.print(f"{media.reason}: {media.error}", style="red", markup=False)
    console.print()


def ordered(media: Media) -> list[tuple[str, Output]]:
    """Return the renditions by name, pictures first, small ones first."""
    return sorted(media.renditions.items(), key=lambda item: (_RANK.get(item[1].mime_type[:6], 2), item[1].width or 0))


def shape_of(media: Media) -> str:
    """Return the dimensions of an original as its probe found them."""
    probe = media.probe or {}
    return dimensions(probe.get("width"), probe.get("height"), probe.get("duration"))


def dimensions(width: int | None, height: int | None, duration: float | None) -> str:
    """Return `1280x720, 10.0 s` as far as it applies."""
    sides = f"{width}x{height}" if width else ""
    seconds = f"{duration:.1f} s" if duration else ""
    return ", ".join(filter(None, (sides, seconds)))


def size(count: int) -> str:
    """Return bytes as a person reads them."""
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
