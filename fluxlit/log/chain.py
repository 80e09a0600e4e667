"""The chain: what happens to every event between the call and the line, as a list of functions.

Events of structlog and records of the standard library's logging go through the same list.
"""

import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TypeAlias, cast

import structlog

Event: TypeAlias = MutableMapping[str, Any]
ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]
Step: TypeAlias = Callable[[Any, str, Event], Event]

LEVELS: dict[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_METHODS = {
    "warn": "warning",
    "exception": "error",
    "fatal": "critical",
    "msg": "info",
    "notset": "debug",
}


class Threshold:
    """Drops events below a level that may change while the program runs."""

    def __init__(self, level: str) -> None:
        self.set(level)

    def set(self, level: str) -> None:
        """Let events of this level and above pass from now on; KeyError for an unknown name."""
        self._least = LEVELS[level]

    def __call__(self, logger: Any, method: str, event: Event) -> Event:  # noqa: ANN401, ARG002 - structlog's form
        """Structlog's form of a step."""
        if LEVELS[level_name(method)] < self._least:
            raise structlog.DropEvent
        return event


def level_name(method: str) -> str:
    """The level that a method of a logger stands for; unknown ones count as info."""
    name = _METHODS.get(method, method)
    return name if name in LEVELS else "info"


def add_origin(logger: Any, method: str, event: Event) -> Event:  # noqa: ANN401
    """Add time (UTC, milliseconds), level and the logger's name, where they are not given."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event.setdefault("time", now)
    event["level"] = level_name(method)
    event.setdefault("logger", getattr(logger, "name", None) or "root")
    return event


def fold_exception(logger: Any, method: str, event: Event) -> Event:  # noqa: ANN401, ARG001
    """Replace exc_info by the text of the exception and its causes under ``exception``."""
    info = _exc_info(event.pop("exc_info", None))
    if info is not None:
        event.setdefault("exception", _exception_text(info))
    return event


def _exc_info(given: object) -> ExcInfo | None:
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    info = cast("ExcInfo", given if isinstance(given, tuple) else sys.exc_info())
    return info if given and info[0] is not None else None  # pyright: ignore[reportUnnecessaryComparison]


def _exception_text(info: ExcInfo) -> str:
    try:
        return "".join(traceback.format_exception(*info)).rstrip("\n")
    except Exception:  # noqa: BLE001 - what a user's exception does when it is formatted is unknown
        return f"{info[0].__name__}: <cannot be formatted>"


def steps(threshold: Threshold) -> list[Step]:
    """All steps up to the rendering, in order."""
    stack = structlog.processors.StackInfoRenderer()
    return [threshold, structlog.contextvars.merge_contextvars, add_origin, stack, fold_exception]
