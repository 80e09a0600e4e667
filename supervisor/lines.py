"""What a child writes, bytes, as lines of text: pure, bounded, the same however the bytes are cut.

Carriage returns overwrite as on a terminal, escape sequences are removed, bytes that are not UTF-8
and control characters become escapes. Time comes in as ``at``, deadlines go out as data.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE = 8 * 1024
"""Bytes of a line; a longer one comes in parts (s6-log has the same limit)."""
IDLE = 0.2
"""Seconds after which an unfinished line is passed on: prompts have no line end."""
BAR_IDLE = 2.0
"""The same for a progress bar, which is unfinished for as long as it moves."""

_TOKENS = re.compile(rb"([\r\n])")
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor (ECMA-48 5.4)
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[ -/]*[0-~]"  # all others
)
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 9}


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or a part of one.

    ``seq`` counts the parts of a line from 0 and is None for a whole line; ``partial`` says that
    the line may go on in the next part.
    """

    text: str
    partial: bool = False
    seq: int | None = None


class LineCutter:
    """Cuts one stream into lines; holds at most MAX_LINE bytes of it, twice that with a bar."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        """When due() should be called if no bytes come until then, monotonic seconds."""
        self._current = bytearray()
        self._overwritten = b""
        self._parts = 0

    @property
    def is_between_lines(self) -> bool:
        """Whether the next byte begins a line."""
        return not (self._current or self._overwritten or self._parts)

    def feed(self, data: bytes, at: float) -> Iterator[Line]:
        """The lines that ``data`` completes; exhaust the iterator before the next call."""
        for token in _TOKENS.split(data):
            if token == b"\n":
                yield from self._end_line()
            elif token == b"\r":
                self._overwrite()
            else:
                self._current += token
                yield from self._cut()
        self._set_deadline(at)

    def due(self, at: float) -> Iterator[Line]:
        """What the deadline, if it has passed, sets free of an unfinished line."""
        if self.deadline is not None and at >= self.deadline:
            yield from self._flush()
            self.deadline = None

    def end(self) -> Iterator[Line]:
        """The rest, at the end of the stream."""
        if self._current or self._overwritten:
            yield from self._end_line()
        self.deadline = None

    def _set_deadline(self, at: float) -> None:
        if self._overwritten:
            self.deadline = at + BAR_IDLE
        else:
            self.deadline = at + IDLE if self._current else None

    def _overwrite(self) -> None:
        if self._current.strip():
            self._overwritten = bytes(self._current)
        self._current.clear()

    def _take(self) -> bytes:
        self._overwrite()
        content, self._overwritten = self._overwritten, b""
        return content

    def _end_line(self) -> Iterator[Line]:
        content, parts, self._parts = self._take(), self._parts, 0
        text = to_text(content)
        if not parts:
            yield Line(text)
        elif text:
            yield Line(text, seq=parts)

    def _flush(self) -> Iterator[Line]:
        content = self._take()
        if content:
            yield self._part(content)

    def _cut(self) -> Iterator[Line]:
        while len(self._current) > MAX_LINE:
            cut = _character_boundary(self._current, MAX_LINE)
            yield self._part(bytes(self._current[:cut]))
            del self._current[:cut]
            self._overwritten = b""

    def _part(self, content: bytes) -> Line:
        self._parts += 1
        return Line(to_text(content), partial=True, seq=self._parts - 1)


def _character_boundary(data: bytearray, cut: int) -> int:
    """At or up to three bytes before ``cut``, so that no UTF-8 character is cut apart."""
    return next((place for place in range(cut, cut - 4, -1) if data[place] & 0xC0 != 0x80), cut)


def to_text(content: bytes) -> str:
    """Printable text without escape sequences; what cannot be shown is shown as an escape."""
    text = content.decode("utf-8", "backslashreplace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return text.translate(_CONTROLS)
