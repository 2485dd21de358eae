"""Quantities as people write them in `pipeline.toml`: "500 MB", "90s", "3 Mbit/s", "100 MP", "10%".

Decimal prefixes are powers of 1000 and binary ones (`MiB`) of 1024, as in ISO/IEC 80000-13.
"""

import re

_SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATES = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6}
_PIXELS = {"P": 1, "MP": 10**6}
_FREQUENCY = re.compile(r"\s*(\d{1,9})\s*/\s*([smhd])\s*")
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([^\d\s]*)\s*")


def size(text: str) -> int:
    """Bytes of `"500 MB"`; raises ValueError naming the units there are."""
    return round(_quantity(text, _SIZES))


def seconds(text: str) -> float:
    """Seconds of `"500ms"`, `"90s"`, `"2m"`, `"4h"`, `"1d"`; raises ValueError."""
    return _quantity(text, _TIMES)


def rate(text: str) -> int:
    """Bits per second of `"3 Mbit/s"`; raises ValueError."""
    return round(_quantity(text, _RATES))


def pixels(text: str) -> int:
    """Pixels of `"100 MP"`; raises ValueError."""
    return round(_quantity(text, _PIXELS))


def frequency(text: str) -> tuple[int, int]:
    """How often in how many seconds, of `"100/s"`, `"600/m"` or `"5000/h"`; raises ValueError."""
    match = _FREQUENCY.fullmatch(str(text))
    if match is None or int(match[1]) == 0:
        message = f"{text!r} is no frequency: write a number above 0, / and one of s, m, h, d, such as '100/s'"
        raise ValueError(message)
    return int(match[1]), round(_TIMES[match[2]])


def share(text: str) -> float:
    """Fraction between 0 and 1 of `"10%"`; raises ValueError."""
    fraction = _quantity(text, {"%": 0.01})
    if fraction > 1:
        message = f"{text!r} is more than 100%"
        raise ValueError(message)
    return fraction


def _quantity(text: object, units: dict[str, int] | dict[str, float]) -> float:
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        example = f"10 {next(iter(reversed(units)))}"
        message = f"{text!r} is no quantity: write a number and one of {', '.join(units)}, such as {example!r}"
        raise ValueError(message)
    return float(match[1]) * units[match[2]]
