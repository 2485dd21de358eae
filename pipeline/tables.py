"""What the tables of `pipeline.toml` are made of: quantities with their units read, and tables that know their keys."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pipeline import units

BEST = 100
"""On every encoder's scale of quality; the worst is 1."""


def unit(parse: Callable[[str], float]) -> BeforeValidator:
    """A quantity that is written with its unit."""
    return BeforeValidator(parse)


Bytes = Annotated[int, unit(units.size), Field(gt=0)]
Seconds = Annotated[float, unit(units.seconds), Field(gt=0)]
Rate = Annotated[int, unit(units.rate), Field(gt=0)]
Pixels = Annotated[int, unit(units.pixels), Field(gt=0)]
Fraction = Annotated[float, unit(units.share)]
Count = Annotated[int, Field(gt=0)]
Quality = Annotated[int, Field(ge=1, le=BEST)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def mapping(value: object) -> Mapping[str, Any]:
    """A table as it was read; an empty one where something else stands."""
    return value if isinstance(value, Mapping) else {}
