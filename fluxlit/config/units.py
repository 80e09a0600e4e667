"""Durations and sizes as people write them: ``500ms``, ``2m``, ``200MB``, ``64KiB``."""

import math
import re
from collections.abc import Mapping

DURATION_UNITS: Mapping[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

# SI and IEC as they are defined; "K" and "M" alone mean either, so they are not taken.
SIZE_NAMES: Mapping[str, int] = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_SIZES = {name.lower(): factor for name, factor in SIZE_NAMES.items()}

_AMOUNT = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)", re.ASCII)


def _amount(text: str) -> tuple[str, str]:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    return match[1], match[2]


def seconds(text: str) -> float:
    """Read a duration in seconds, plain or with ms, s, m or h; ValueError if it is none."""
    number, unit = _amount(text)
    factor = DURATION_UNITS.get(unit.lower() or "s")
    if factor is None or not math.isfinite(float(number)):
        raise ValueError(text)
    # Dividing keeps 100ms at exactly 0.1; multiplying by 0.001 would not.
    return float(number) / 1000 if factor < 1 else float(number) * factor


def size(text: str) -> int:
    """Read a number of bytes, plain or with a unit; ValueError if it is none or not whole."""
    number, unit = _amount(text)
    factor = _SIZES.get(unit.lower() or "b")
    if factor is None:
        raise ValueError(text)
    if re.fullmatch(r"[+-]?\d+", number):
        return int(number) * factor
    result = float(number) * factor
    if not result.is_integer():
        raise ValueError(text)
    return int(result)
