"""The last lines of the log, kept in memory for whoever asks; bounded in number and bytes."""

import threading
from collections import deque

MOST_LINES = 1000
MOST_BYTES = 1024 * 1024


class Tail:
    """A ring of rendered lines, numbered from 0 on; any thread may put."""

    def __init__(self, *, lines: int = MOST_LINES, size: int = MOST_BYTES) -> None:
        self._most_lines = lines
        self._most_bytes = size
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._next = 0
        self._lock = threading.RLock()

    @property
    def next(self) -> int:
        """The number that the next line will have."""
        return self._next

    def put(self, line: bytes) -> None:
        """Keep one line; the oldest make room."""
        with self._lock:
            self._lines.append(line)
            self._next += 1
            self._bytes += len(line)
            while len(self._lines) > self._most_lines or (
                self._bytes > self._most_bytes and len(self._lines) > 1
            ):
                self._bytes -= len(self._lines.popleft())

    def since(self, number: int) -> tuple[list[bytes], int]:
        """The lines from ``number`` on that are still kept, and the number after them."""
        with self._lock:
            wanted = min(max(self._next - number, 0), len(self._lines))
            return list(self._lines)[len(self._lines) - wanted :], self._next
