"""`darkroom orphans`: bytes that no record names, uploads left open and media that nothing works on."""

from collections.abc import Sequence

from ops.outputs import size
from pipeline.adapters.wiring import Services
from pipeline.orphans import Kind, Orphan, Scan

SUSPICIOUS = 100
"""Prefixes without a record from which on they are counted against those that have one."""


class WrongTablesError(Exception):
    """Most of the bucket has no record here: more likely than so many orphans are the wrong tables."""


def scan(services: Services, *, delete: bool, force: bool) -> None:
    """Print every orphan; with `delete` take the next step with each as well, and say which.

    Raises:
        WrongTablesError: the records seem to belong to another bucket; nothing was touched. Not with `force`.
        UnavailableError: S3 or the record store is away; repeating the command goes on.
    """
    rules = services.pipeline
    kept = None if rules.superseded is None else round(1000 * rules.superseded)
    work = Scan(services.ledger, services.objects, services.pieces, round(1000 * rules.orphan_wait), kept)
    found = list(work.find())
    orphans = [orphan for orphan in found if orphan is not None]
    if delete and not force:
        _doubt(orphans, known=found.count(None))
    for orphan in orphans:
        print(f"{_line(orphan)}: {work.mend(orphan)}" if delete else _line(orphan))
    print(f"{len(orphans)} found." if orphans else "There are no orphans.")


def _doubt(orphans: Sequence[Orphan], known: int) -> None:
    unknown = sum(orphan.kind is Kind.BYTES for orphan in orphans)
    if unknown > max(SUSPICIOUS, known):
        raise WrongTablesError(
            f"{unknown} prefixes have no record and {known} have one. Are these the tables of this bucket?"
            " Look at what `darkroom orphans` prints; if it is right, say --force."
        )


def _line(orphan: Orphan) -> str:
    much = (
        f" ({orphan.count} {'object' if orphan.count == 1 else 'objects'}, {size(orphan.size)})" if orphan.count else ""
    )
    return f"{orphan.kind}: {orphan.what}{much}"
