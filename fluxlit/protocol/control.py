"""The language of the control socket: one JSON object a line, a few commands, no paths, no programs; pure.

A request is ``{"command": "status"}``, an answer ``{"ok": true, …}`` or ``{"ok": false, "error":
sentence}``; ``logs`` is answered by one ``{"line": …}`` for each line before that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

MOST_FRAME = 64 * 1024
"""Bytes of one request, its end included: the longest honest one has under 100."""
MOST_LINES = 1000
"""Lines of the log that are kept, and so can be asked for."""
LINES = 100


class Command(StrEnum):
    """What can be asked."""

    STATUS = "status"
    STOP = "stop"
    DRAIN = "drain"
    RESTART = "restart"
    RELOAD = "reload"
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Request:
    """One valid request; ``lines`` and ``follow`` mean something to ``logs`` alone."""

    command: Command
    lines: int = LINES
    follow: bool = False


class Refused(ValueError):  # noqa: N818 - an answer, not a mishap
    """A frame that is no valid request; the text is a sentence for whoever sent it."""


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_LINES


def _truth(value: object) -> bool:
    return isinstance(value, bool)


FIELDS: Mapping[Command, Mapping[str, Any]] = {
    Command.STATUS: {},
    Command.STOP: {},
    Command.DRAIN: {},
    Command.RESTART: {},
    Command.RELOAD: {},
    Command.LOGS: {"lines": _whole, "follow": _truth},
}
"""Every command with the fields it takes besides its name, and what each must be."""


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole frame without its end; None if it is not there yet. Refused if it is too long."""
        frame, end, rest = self._buffer.partition(b"\n")
        if len(frame) + len(end) > MOST_FRAME or (not end and len(frame) >= MOST_FRAME):
            message = f"a frame has at most {MOST_FRAME} bytes"
            raise Refused(message)
        if not end:
            return None
        self._buffer = rest
        return bytes(frame)


def parse(frame: bytes) -> Request:
    """The request in a frame; raises Refused for everything else."""
    try:
        given = json.loads(frame)
    except (ValueError, RecursionError) as exc:
        raise Refused("a frame is one JSON object in UTF-8") from exc
    if not isinstance(given, dict):
        raise Refused("a frame is one JSON object in UTF-8")
    fields = cast("dict[str, object]", given)
    name = fields.pop("command", None)
    if name not in list(Command):
        message = f"the commands are {', '.join(Command)}"
        raise Refused(message)
    command = Command(cast("str", name))
    for field, value in fields.items():
        fits = FIELDS[command].get(field)
        if fits is None or not fits(value):
            allowed = ", ".join(FIELDS[command]) or "no fields"
            message = f"{command} takes {allowed}, each with a value of its kind"
            raise Refused(message)
    return Request(command, **cast("dict[str, Any]", fields))


def encode(answer: Mapping[str, object]) -> bytes:
    """One frame."""
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"


def refusal(sentence: str) -> bytes:
    """The frame that says why not."""
    return encode({"ok": False, "error": sentence})
