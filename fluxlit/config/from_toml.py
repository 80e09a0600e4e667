"""Readers of TOML values, as tomllib returns them: one function a Kind.

A number in quotes is refused where it has no unit: a file states types, and a reader who guesses
them hides mistakes.
"""

from collections.abc import Callable
from typing import Any

from fluxlit.config import from_text
from fluxlit.config.invalid import InvalidValue
from fluxlit.config.limits import (
    DURATION,
    SIZE,
    SWITCH,
    WHOLE,
    in_port_range,
    mapping,
    strings,
    within,
)
from fluxlit.config.settings import About


def string(reader: Callable[[str, About], Any]) -> Callable[[object, About], Any]:
    """A string, read as the same text elsewhere would be."""

    def read(value: object, about: About) -> Any:  # noqa: ANN401 - by kind
        if not isinstance(value, str):
            raise InvalidValue("a string", "in quotes" if _is_number(value) else "")
        return reader(value, about)

    return read


def flag(value: object, _about: About) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise InvalidValue(SWITCH, _without_quotes(value))
    return value


def count(value: object, about: About) -> int:
    """An integer within its bounds."""
    number = _whole(value, WHOLE)
    within(number, about)
    return number


def port(value: object, about: About) -> int:
    """A TCP port."""
    number = in_port_range(_whole(value, "a port from 0 to 65535"))
    within(number, about)
    return number


def seconds(value: object, about: About) -> float:
    """A number of seconds, or a string with a unit."""
    if isinstance(value, str):
        return from_text.seconds(value, about)
    if not _is_number(value):
        raise InvalidValue(DURATION)
    # TOML knows inf and nan; as text they are no amounts, so one rule serves both.
    return from_text.seconds(repr(value), about)


def size(value: object, about: About) -> int:
    """A number of bytes, or a string with a unit."""
    if isinstance(value, str):
        return from_text.size(value, about)
    number = _whole(value, SIZE)
    within(number, about)
    return number


def total(value: object, about: About) -> float | None:
    """A number of seconds, a string with a unit, or ``"auto"``."""
    return from_text.total(value, about) if isinstance(value, str) else seconds(value, about)


def number(value: object, about: About) -> int | None:
    """An integer, or ``"auto"``."""
    if isinstance(value, str) and value.strip().lower() == "auto":
        return None
    return count(value, about)


def texts(value: object, _about: About) -> tuple[str, ...]:
    """A list of strings."""
    return strings(value)


def texts_of(reader: Callable[[str], str]) -> Callable[[object, About], tuple[str, ...]]:
    """A list of strings that are read one by one."""
    return lambda value, _about: from_text.each(reader, strings(value))


def table(value: object, _about: About) -> dict[str, Any]:
    """A table."""
    return mapping(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object, expected: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(expected, _without_quotes(value))
    return value


def _without_quotes(value: object) -> str:
    return "without quotes" if isinstance(value, str) else ""
