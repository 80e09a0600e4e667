"""The standard library's logging, led into the chain: Hypercorn, asyncio, libraries, users' own loggers."""

import logging
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from fluxlit.log.chain import LEVELS, Event

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
QUIET = (
    "hypercorn.access", "uvicorn.access", "httpx", "httpcore", "hpack", "h2", "hyperframe", "websockets",
)  # fmt: skip
"""Loggers of a line a request, a header or a frame: ours is the only access log, theirs show cookies."""

Accept: TypeAlias = Callable[[Any, str, Event], None]


class ChainHandler(logging.Handler):
    """Gives each record to ``accept`` as an event named ``log`` with the text as its message."""

    def __init__(self, accept: Accept) -> None:
        super().__init__()
        self._accept = accept

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises; a record whose arguments do not fit its format keeps both as they are."""
        extra = {key: value for key, value in vars(record).items() if key not in _OWN}
        event: Event = {**extra, "event": "log", "message": _message(record), "logger": record.name}
        event["exc_info"] = record.exc_info
        if record.stack_info:
            event["stack"] = record.stack_info
        self._accept(None, _nearest(record.levelno), event)


def install(accept: Accept, level: str) -> Callable[[], None]:
    """Lead every record of this level, and warnings, to ``accept``; returns what takes it back."""
    root = logging.getLogger()
    handler, former = ChainHandler(accept), root.level
    for other in [h for h in root.handlers if _writes_to_console(h)]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)

    def remove() -> None:
        root.removeHandler(handler)
        root.setLevel(former)
        logging.captureWarnings(False)

    return remove


def set_level(level: str) -> None:
    """Let records of this level and above be made at all: below it they cost next to nothing."""
    logging.getLogger().setLevel(LEVELS[level])


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - TypeError, or anything that __str__ of an argument raises
        return _unformatted(record)


def _unformatted(record: logging.LogRecord) -> str:
    try:
        return f"{record.msg!s} {record.args!r}"
    except Exception:  # noqa: BLE001 - as above
        return "<a record that cannot be formatted>"


def _nearest(level: int) -> str:
    """The standard level at or below a number: libraries invent levels in between."""
    return next((name for name, number in reversed(LEVELS.items()) if level >= number), "debug")


def _writes_to_console(handler: logging.Handler) -> bool:
    """Such a handler would write every line twice; files and test probes of others stay."""
    consoles = (sys.stdout, sys.stderr)
    return type(handler) is logging.StreamHandler and any(handler.stream is c for c in consoles)
