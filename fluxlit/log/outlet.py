"""The log as it is configured now: level, renderer and sink, and the step that joins them."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

import structlog

from fluxlit.config.settings import Log
from fluxlit.log import standard
from fluxlit.log.chain import LEVELS, Event, Threshold, add_origin, steps
from fluxlit.log.redaction import Redaction
from fluxlit.log.render import ConsoleLines, Renderer, encoded, json_line
from fluxlit.log.sink import Sink
from fluxlit.log.tail import Tail


class Outlet:
    """Everything between the chain and the file descriptor; owns a duplicate of the stream's."""

    def __init__(self, settings: Log, stream: TextIO | None) -> None:
        self.redaction = Redaction(settings.redact)
        self.threshold = Threshold(settings.level)
        self._render = renderer(settings.format, stream, self.redaction)
        self.sink = Sink(descriptor(stream), self._dropped_line)
        self.tail = Tail()
        self.chain: list[Any] = [*steps(self.threshold), self.deliver]

    def deliver(self, logger: Any, method: str, event: Event) -> Event:  # noqa: ANN401, ARG002 - structlog's form
        """The chain's last step: hand the line to the sink; nothing is left for structlog's logger."""
        try:
            line = self._render(event)
        except Exception as error:  # noqa: BLE001 - a log call must not fail where it stands
            line = _unrenderable(event, error)
        encoded_line = encoded(line)
        self.tail.put(encoded_line)
        urgent = LEVELS.get(event.get("level", ""), 0) >= LEVELS["error"]
        self.sink.put(encoded_line + b"\n", urgent=urgent)
        raise structlog.DropEvent

    def set_level(self, level: str) -> None:
        """Change the level while running; KeyError for an unknown one."""
        self.threshold.set(level)
        standard.set_level(level)

    def _dropped_line(self, count: int) -> bytes:
        event: Event = {"event": "log.dropped", "logger": "fluxlit.log", "count": count}
        return encoded(self._render(add_origin(None, "warning", event))) + b"\n"


def _unrenderable(event: Event, error: Exception) -> str:
    kept = {key: str(event.get(key)) for key in ("time", "level", "logger")}
    return json.dumps({**kept, "event": "log.unrenderable", "message": type(error).__name__})


def renderer(form: str, stream: TextIO | None, redaction: Redaction) -> Renderer:
    """The renderer for ``json``, ``console`` or ``auto``: console on a terminal only."""
    terminal = stream is not None and not stream.closed and stream.isatty()
    if form == "console" or (form == "auto" and terminal):
        # https://no-color.org
        return ConsoleLines(redaction.text, colors=terminal and not os.environ.get("NO_COLOR"))
    return _json(redaction.text)


def _json(scrub: Callable[[str], str]) -> Renderer:
    return lambda event: json_line(event, scrub)


def descriptor(stream: TextIO | None) -> int:
    """A duplicate of the stream's descriptor, so that nobody who closes the stream takes it from us.

    A stream in memory has none: then it is standard output's. When the program was started without
    one (`>&-`), it is nowhere, because descriptor 1 then belongs to whatever was opened first.
    """
    for candidate in (stream, sys.__stdout__):
        with suppress(OSError, ValueError):
            if candidate is not None:
                return os.dup(_fileno(candidate))
    return os.open(os.devnull, os.O_WRONLY)


def _fileno(stream: TextIO) -> int:
    stream.flush()
    return stream.fileno()
