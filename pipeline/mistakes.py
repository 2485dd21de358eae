"""A validation error in words that say what to change, with the nearest name that would have been right."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line a mistake, in file order; `model` is the one that refused."""
    return [_line(details["loc"], details, model) for details in error.errors(include_url=False)]


def nearest(word: str, words: Sequence[str]) -> str:
    """A hint at the name that was meant, or at the names there are."""
    match = get_close_matches(word, words, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else f"there are: {', '.join(words)}"


def _line(path: tuple[int | str, ...], details: Any, model: type[BaseModel]) -> str:  # noqa: ANN401 - pydantic's own dict
    where = _dotted(path)
    match details["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key; {nearest(str(path[-1]), list(_table(model, path[:-1]).model_fields))}"
        case "missing":
            return f"{where}: is missing"
        case "value_error":
            return f"{where}: {details['ctx']['error']}"
        case _:
            return f"{where}: {details['msg'].lower()}, not {details['input']!r}"


def _dotted(path: Sequence[int | str]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def _table(model: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel]:
    """The model of the table at the path: a field's own, or that of a dict's or list's items."""
    for step in path:
        field = model.model_fields.get(str(step))
        if field is not None:
            model = next(_models(field.annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
