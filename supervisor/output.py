"""Carries a child's stdout or stderr into the log, and never lets the child wait or the daemon grow.

Bytes are always read, also under a flood; what is too much is dropped and counted. Lines and
tracebacks are cut and folded by pure rules (lines.py, tracebacks.py, child_events.py).
"""

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import anyio
from anyio.lowlevel import checkpoint

from fluxlit.log import get_logger
from fluxlit.supervisor.child_events import ChildEvent, Level, interpret
from fluxlit.supervisor.lines import MAX_LINE, LineCutter, to_text
from fluxlit.supervisor.tracebacks import Event, Folder

log = get_logger("fluxlit.sidecar")

READ_SIZE = 64 * 1024
"""Bytes of one read: what a pipe holds by default."""
SLICE = 4 * 1024
"""Bytes worked on before others get their turn: 2 000 lines of one letter take 5 ms."""
TURN = 20
"""Events logged before others get their turn, for the same reason."""
MAX_RATE = 1_000
"""Events of one stream that are logged in a second; a person reads none of them."""
MAX_SIZE = 1024 * 1024
"""Characters of one stream that are logged in a second."""
MAX_ERRORS = 100
"""Tracebacks and error lines of a second that are logged beyond that."""
SKIPPED = 16 * 1024
"""Bytes kept of what is dropped unseen."""
BREATH = 0.001
"""Seconds of rest between reads in a flood: the child is slowed to 64 MB/s, the daemon stays idle."""

_ERRORS: frozenset[Level] = frozenset({"error", "critical"})
_OPENING = re.compile(
    rb"^(?:Traceback|  \+ Exception Group Traceback) \(most recent call last\):", re.MULTILINE
)


class LastWords:
    """The last lines of one instance, of both its streams, for the event of its death."""

    MAX_LINES = 200
    MAX_CHARACTERS = 64 * 1024

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=self.MAX_LINES)
        self._size = 0

    def add(self, text: str) -> None:
        """Keep the lines of ``text``, forgetting the oldest ones."""
        for line in text.split("\n"):
            if len(self._lines) == self.MAX_LINES:
                self._forget()
            self._lines.append(line)
            self._size += len(line)
        while self._size > self.MAX_CHARACTERS:
            self._forget()

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines kept, oldest first."""
        return tuple(self._lines)

    def _forget(self) -> None:
        self._size -= len(self._lines.popleft())


@dataclass(slots=True)
class Allowance:
    """How many events may be logged in the present second, and what was dropped in it."""

    begun: float
    logged: int = 0
    size: int = 0
    errors: int = 0
    count: int = 0
    bytes: int = 0

    def admits(self, level: Level, size: int) -> bool:
        """Take one event from the allowance; errors have one of their own behind it."""
        if not self.is_spent:
            self.logged += 1
            self.size += size
            return True
        if level not in _ERRORS or self.errors >= MAX_ERRORS:
            return False
        self.errors += 1
        return True

    def drop(self, count: int, size: int) -> None:
        """Count what was not logged."""
        self.count += count
        self.bytes += size

    @property
    def is_spent(self) -> bool:
        """Whether only errors pass."""
        return self.logged >= MAX_RATE or self.size >= MAX_SIZE

    @property
    def ends(self) -> float:
        """When the second is over, monotonic seconds."""
        return self.begun + 1.0


@dataclass(slots=True)
class _Stream:
    """The state of one stream between reads."""

    name: str
    fields: Mapping[str, object]
    last_words: LastWords
    allowance: Allowance
    cutter: LineCutter = field(default_factory=LineCutter)
    folder: Folder = field(default_factory=Folder)
    skipped: bytes = b""
    """The end of what was last dropped unseen, for the last words; decoded only when needed."""

    @property
    def deadline(self) -> float:
        """When something is due without further bytes, monotonic seconds."""
        report = self.allowance.ends if self.allowance.count else None
        due = (self.cutter.deadline, self.folder.deadline, report)
        return min((at for at in due if at is not None), default=float("inf"))

    def feed(self, data: bytes, at: float) -> Iterator[Event]:
        for line in self.cutter.feed(data, at):
            yield from self.folder.feed(line, at)

    def due(self, at: float) -> Iterator[Event]:
        for line in self.cutter.due(at):
            yield from self.folder.feed(line, at)
        yield from self.folder.due(at)

    def end(self, at: float) -> Iterator[Event]:
        for line in self.cutter.end():
            yield from self.folder.feed(line, at)
        yield from self.folder.end()

    def log(self, event: ChildEvent) -> None:
        self.remember_skipped()
        self.last_words.add(event.line)
        if self.allowance.admits(event.level, len(event.line)):
            say = getattr(log, event.level)
            say(event.name, **{**self.fields, "stream": self.name, **event.fields})
        else:
            self.allowance.drop(event.line.count("\n") + 1, len(event.line) + 1)

    def skip(self, data: bytes) -> bytes:
        """Drop whole lines without a look at each; what is left begins with what must be seen.

        That is a line already begun, a traceback, or the last line if it is not complete.
        """
        if self.folder.deadline is not None:
            return data
        if not self.cutter.is_between_lines:
            return self._skip_rest_of_line(data)
        found = _OPENING.search(data)
        return self._drop(data, found.start() if found else data.rfind(b"\n") + 1)

    def _skip_rest_of_line(self, data: bytes) -> bytes:
        end = data.find(b"\n")
        rest = len(data) if end < 0 else end
        return self._drop(data, rest) if rest > MAX_LINE else data

    def _drop(self, data: bytes, cut: int) -> bytes:
        if cut:
            self.allowance.drop(data.count(b"\n", 0, cut), cut)
            self.skipped = data[max(cut - SKIPPED, 0) : cut]
        return data[cut:]

    def remember_skipped(self) -> None:
        """Let the last words have the end of what was dropped unseen."""
        if self.skipped:
            lines = self.skipped.splitlines()[-LastWords.MAX_LINES :]
            self.last_words.add("\n".join(map(to_text, lines)))
            self.skipped = b""

    def renew(self, at: float) -> None:
        """Begin a new second when the present one is over, and report what it dropped."""
        if at < self.allowance.ends:
            return
        self.report()
        self.allowance = Allowance(at)

    def report(self) -> None:
        """Say how much was dropped, if anything."""
        dropped = self.allowance
        if dropped.count:
            fields = {**self.fields, "stream": self.name}
            log.warning(
                "sidecar.output_dropped", count=dropped.count, bytes=dropped.bytes, **fields
            )


async def relay_output(
    fd: int, *, stream: str, fields: Mapping[str, object], last_words: LastWords
) -> None:
    """Log what comes from ``fd`` until its end, and close it, also when cancelled.

    ``fd`` is a non-blocking read end and belongs to this function from the first statement on;
    ``stream`` is ``stdout`` or ``stderr``; ``fields`` go with every event.
    """
    state = _Stream(stream, fields, last_words, Allowance(anyio.current_time()))
    try:
        await _relay(fd, state)
    finally:
        os.close(fd)
        _finish(state)


async def _relay(fd: int, state: _Stream) -> None:
    while (data := await _read(fd, state.deadline)) != b"":
        now = anyio.current_time()
        state.renew(now)
        if data is None:
            await _log(state, state.due(now))
            continue
        await _take(state, data)
        if state.allowance.is_spent:
            await anyio.sleep(BREATH)


async def _read(fd: int, deadline: float) -> bytes | None:
    """The next bytes, b"" at the end, None when the deadline comes first."""
    while True:
        with anyio.CancelScope(deadline=deadline) as scope:
            await anyio.wait_readable(fd)
        try:
            return os.read(fd, READ_SIZE)
        except BlockingIOError:
            if scope.cancelled_caught:
                return None
        except OSError:
            # EIO is how a terminal ends; whatever it is, nothing more comes.
            return b""


async def _take(state: _Stream, data: bytes) -> None:
    while data:
        if state.allowance.is_spent:
            data = state.skip(data)
        size = SLICE
        if state.allowance.is_spent and not state.cutter.is_between_lines:
            # Only the line already begun: what follows it may be skipped.
            size = min(data.find(b"\n") + 1 or SLICE, SLICE)
        await _log(state, state.feed(data[:size], anyio.current_time()))
        data = data[size:]


async def _log(state: _Stream, events: Iterable[Event]) -> None:
    for number, event in enumerate(events, 1):
        state.log(interpret(event, state.name))
        if number % TURN == 0:
            await checkpoint()


def _finish(state: _Stream) -> None:
    """Log the rest without waiting: a cancelled task has no turn to give away."""
    for event in state.end(float("inf")):
        state.log(interpret(event, state.name))
    state.remember_skipped()
    state.report()
