"""Python's tracebacks in a stream of lines, folded into one event each: pure, one folder a stream.

Chained exceptions and exception groups are one event. Only the shape of the lines is known, not
what wrote them, so everything is bounded: by lines, by size, and by silence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from fluxlit.supervisor.lines import Line

SILENCE = 0.3
"""Seconds without a line after which a traceback counts as finished."""
MAX_LINES = 1_000
MAX_CHARACTERS = 256 * 1024

_GROUP = re.compile(r"  \+ Exception Group Traceback \(most recent call last\):$")
# A syntax error in the main script has no first line of its own.
_HEADER = re.compile(r'Traceback \(most recent call last\):$|  File ".*", line \d+$')
_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_NAME = r"(?P<name>[^\W\d][\w.<>]*)"
_FINAL = re.compile(rf"{_NAME}(?:: (?P<message>.*))?$")
_GROUP_FINAL = re.compile(rf"  \| {_NAME}: (?P<message>.*)$")


@dataclass(frozen=True, slots=True)
class Traceback:
    """One folded traceback: the last exception of the chain and the whole text.

    ``exc_type`` is None if no line named it. ``partial``: it was cut at a limit and goes on.
    """

    exc_type: str | None
    exc_message: str
    stacktrace: str
    partial: bool = False


Event: TypeAlias = Line | Traceback


class _Phase(Enum):
    OUTSIDE = auto()
    FRAMES = auto()
    GROUP = auto()
    NAMED = auto()
    """The line with the type was read; a blank line and another exception may follow."""
    CHAIN = auto()
    """Between two exceptions of a chain."""


class Folder:
    """Takes lines, gives events in the same order."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        """When due() should be called if no line comes until then, monotonic seconds."""
        self._phase = _Phase.OUTSIDE
        self._lines: list[str] = []
        self._size = 0
        self._type: str | None = None
        self._message = ""

    def feed(self, line: Line, at: float) -> Iterator[Event]:
        """The events that this line completes; exhaust the iterator before the next call."""
        following = self._following(line)
        if following is None:
            yield from self.end()
            following = self._opening(line)
        if following is _Phase.OUTSIDE:
            yield line
            return
        self._phase = following
        self._keep(line)
        self.deadline = at + SILENCE
        if len(self._lines) >= MAX_LINES or self._size >= MAX_CHARACTERS:
            yield self._fold(partial=True)

    def due(self, at: float) -> Iterator[Event]:
        """The open traceback, if its silence has lasted."""
        if self.deadline is not None and at >= self.deadline:
            yield from self.end()

    def end(self) -> Iterator[Event]:
        """The open traceback, at the end of the stream or before a line that is not part of it."""
        self._phase, self.deadline = _Phase.OUTSIDE, None
        if self._lines:
            yield self._fold(partial=False)
        self._type, self._message = None, ""

    def _following(self, line: Line) -> _Phase | None:
        """The phase after this line as part of the open traceback; None if it is not part of it."""
        match self._phase:
            case _Phase.OUTSIDE:
                return None
            case _ if line.seq:
                return self._phase
            case _Phase.FRAMES:
                return self._in_frames(line.text)
            case _Phase.GROUP:
                return self._in_group(line.text)
            case _Phase.NAMED:
                return _continued(line.text, _Phase.NAMED)
            case _Phase.CHAIN:
                return _opened(line.text) if line.text.strip() else _Phase.CHAIN

    def _in_frames(self, text: str) -> _Phase | None:
        final = _FINAL.match(text)
        if final:
            self._type, self._message = final["name"], final["message"] or ""
            return _Phase.NAMED
        return _Phase.FRAMES if not text.strip() or text[0] == " " else None

    def _in_group(self, text: str) -> _Phase | None:
        final = _GROUP_FINAL.match(text)
        if final:
            self._type, self._message = final["name"], final["message"]
        return _continued(text, _Phase.GROUP)

    def _opening(self, line: Line) -> _Phase:
        opened = None if line.seq else _opened(line.text)
        return opened or _Phase.OUTSIDE

    def _keep(self, line: Line) -> None:
        self._size += len(line.text) + 1
        if line.seq and self._lines:
            self._lines[-1] += line.text
        else:
            self._lines.append(line.text)

    def _fold(self, *, partial: bool) -> Traceback:
        text = "\n".join(self._lines).strip("\n")
        self._lines, self._size = [], 0
        return Traceback(self._type, self._message, text, partial)


def _opened(text: str) -> _Phase | None:
    if _HEADER.match(text):
        return _Phase.FRAMES
    return _Phase.GROUP if _GROUP.match(text) else None


def _continued(text: str, same: _Phase) -> _Phase | None:
    """After the type: more of an indented message, or the link to the next exception."""
    if text in _CHAINED:
        return _Phase.CHAIN
    return same if not text.strip() or text[0] == " " else None
