"""Readers of text, as the environment and the command line hold it: one function a Kind."""

import json
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from fluxlit.config import addresses, units
from fluxlit.config.invalid import InvalidValue
from fluxlit.config.limits import (
    DURATION,
    SIZE,
    SWITCH,
    WHOLE,
    in_port_range,
    mapping,
    printable,
    strings,
    within,
)
from fluxlit.config.settings import About

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def text(text: str, _about: About) -> str:
    """Any printable text."""
    return printable(text)


def flag(text: str, _about: About) -> bool:
    """A switch, as people and platforms spell it."""
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise InvalidValue(SWITCH, "also 1/0, yes/no, on/off")
    return word in _TRUE


def count(text: str, about: About) -> int:
    """A whole number within its bounds."""
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text):
        raise InvalidValue(WHOLE)
    within(int(text), about)
    return int(text)


def port(text: str, about: About) -> int:
    """A TCP port; below 0 it is out of the range of ports, not merely negative."""
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text):
        raise InvalidValue("a port from 0 to 65535")
    number = in_port_range(int(text))
    within(number, about)
    return number


def seconds(text: str, about: About) -> float:
    """A duration in seconds, plain or with a unit."""
    try:
        number = units.seconds(text)
    except ValueError as exc:
        raise InvalidValue(DURATION) from exc
    within(number, about)
    return number


def size(text: str, about: About) -> int:
    """A number of bytes, plain or with a unit."""
    try:
        number = units.size(text)
    except ValueError as exc:
        raise InvalidValue(SIZE) from exc
    within(number, about)
    return number


def total(text: str, about: About) -> float | None:
    """A duration, or ``auto``, which is None."""
    if text.strip().lower() == "auto":
        return None
    try:
        return seconds(text, about)
    except InvalidValue as exc:
        expected = f"auto, or {exc.expected}"
        raise InvalidValue(expected, exc.hint) from exc


def number(text: str, about: About) -> int | None:
    """A whole number, or ``auto``, which is None."""
    if text.strip().lower() == "auto":
        return None
    try:
        return count(text, about)
    except InvalidValue as exc:
        expected = f"auto, or {exc.expected}"
        raise InvalidValue(expected, exc.hint) from exc


def choice(text: str, about: About) -> str:
    """One of the words of the setting, in any case."""
    word = text.strip().lower()
    if word not in about.choices:
        near = get_close_matches(word, about.choices, 1)
        expected = f"one of {', '.join(about.choices)}"
        raise InvalidValue(expected, f"did you mean {near[0]}?" if near else "")
    return word


def texts(text: str, _about: About) -> tuple[str, ...]:
    """A list: JSON, or what stands between commas."""
    if text.lstrip().startswith("["):
        try:
            value = json.loads(text)
        except ValueError as exc:
            raise InvalidValue("a JSON list, or values between commas", str(exc)) from exc
        return strings(value)
    return strings([part.strip() for part in text.split(",") if part.strip()])


def texts_of(reader: Callable[[str], str]) -> Callable[[str, About], tuple[str, ...]]:
    """A list whose items are read one by one."""
    return lambda text, about: each(reader, texts(text, about))


def each(reader: Callable[[str], str], items: tuple[str, ...]) -> tuple[str, ...]:
    """Read each item; what is wrong is told with the item it is about."""
    return tuple(_item(reader, item) for item in items)


def _item(reader: Callable[[str], str], item: str) -> str:
    try:
        return reader(item)
    except InvalidValue as exc:
        hint = f"{item!r}: {exc.hint}" if exc.hint else f"{item!r} is none"
        raise InvalidValue(exc.expected, hint) from exc


def prefix(text: str, _about: About) -> str:
    """A path prefix, normalised."""
    return addresses.path_prefix(text)


def url(text: str, _about: About) -> str:
    """An http(s) address, normalised."""
    return addresses.url(text)


def table(text: str, _about: About) -> dict[str, Any]:
    """A JSON object."""
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise InvalidValue("a JSON object", str(exc)) from exc
    return mapping(value)
