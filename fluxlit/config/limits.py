"""What holds for a value wherever it was read: bounds, and the words for what is expected."""

from typing import Any, cast

from fluxlit.config.invalid import InvalidValue
from fluxlit.config.settings import About

SWITCH = "true or false"
WHOLE = "a whole number"
DURATION = "seconds, or a duration such as 500ms, 30s or 2m"
SIZE = "a number of bytes, or a size such as 200MB or 64MiB"


def within(number: float, about: About) -> None:
    """Refuse a number outside of the bounds of its setting; none may be negative."""
    least = 0 if about.least is None else about.least
    if number < least:
        expected = f"at least {least:g}"
        raise InvalidValue(expected)
    if about.most is not None and number > about.most:
        expected = f"at most {about.most:g}"
        raise InvalidValue(expected)


def in_port_range(number: int) -> int:
    """Refuse what is no TCP port; 0 asks for a free one."""
    if not 0 <= number <= 65535:
        raise InvalidValue("a port from 0 to 65535")
    return number


def printable(text: str) -> str:
    """Refuse control characters: no setting is meant to hold a line break or an escape sequence."""
    if not text.isprintable():
        raise InvalidValue("text without control characters")
    return text


def strings(value: object) -> tuple[str, ...]:
    """Refuse what is no list of strings."""
    if not isinstance(value, list):
        hint = f'write ["{value}"]' if isinstance(value, str) else ""
        raise InvalidValue("a list of strings", hint)
    return tuple(_string(item) for item in cast("list[object]", value))


def _string(item: object) -> str:
    if not isinstance(item, str):
        raise InvalidValue("a list of strings", f"{item!r} is none")
    return printable(item)


def mapping(value: object) -> dict[str, Any]:
    """Refuse what is no table."""
    if not isinstance(value, dict):
        raise InvalidValue("a table")
    return cast("dict[str, Any]", value)
