"""Where lines leave the process: a bounded queue and one thread that writes.

A blocked standard output must never stop the event loop (measured: 64 KiB that nobody reads stop a
loop that prints). So put() only appends; the thread alone meets slow readers, full disks and closed
pipes. What cannot be kept is counted, never waited for.
"""

import errno
import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

MAX_LINES = 10_000
MAX_BYTES = 8 * 1024 * 1024
"""Of all queued lines together: 10 000 lines of 64 KiB would be 640 MB."""
MAX_BATCH = 64 * 1024
REPORT_INTERVAL = 1.0
"""Seconds between two lines that say how many were dropped."""
LINGER = 0.002
"""Seconds the thread lets lines gather: one wake-up, one write for many lines."""
POLL = 0.1
"""Seconds between looks at the closing deadline while the reader is stopped (O_NONBLOCK output)."""

# Left to the thread that causes them, so that faulthandler can speak.
_FATAL = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT})
_GONE = frozenset({errno.EPIPE, errno.EBADF, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN})

Report = Callable[[int], bytes]


class Sink:
    """Writes lines to a file descriptor from a thread of its own; the descriptor is owned by it.

    ``report`` renders the line that says how many lines were lost.
    """

    def __init__(
        self, fd: int, report: Report, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES
    ) -> None:
        self.dropped = 0
        """Lines that were never written, for whatever reason, since the start."""
        self._fd = fd
        self._report = report
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._reported = 0
        self._report_due = 0.0
        self._deadline: float | None = None
        self._gone = False
        self._torn = False
        self._begin()

    def _begin(self) -> None:
        # An RLock: a signal handler or a finalizer may log in the middle of put().
        self._wake = threading.Condition(threading.RLock())
        self._ordinary: deque[tuple[int, bytes]] = deque()
        self._urgent: deque[tuple[int, bytes]] = deque()
        self._count = 0
        self._bytes = 0
        self._thread: threading.Thread | None = None

    def put(self, line: bytes, *, urgent: bool = False) -> None:
        """Queue one line with its newline; over the limits the oldest that is not urgent is dropped."""
        with self._wake:
            if self._gone or self._deadline is not None:
                self.dropped += 1
                return
            self._count += 1
            (self._urgent if urgent else self._ordinary).append((self._count, line))
            self._bytes += len(line)
            self._make_room()
            self._start()
            self._wake.notify()

    def close(self, timeout: float = 1.0) -> bool:
        """Write what is queued for at most ``timeout`` seconds; whether all of it was written."""
        with self._wake:
            self._deadline = time.monotonic() + timeout
            self._wake.notify()
            thread = self._thread
        if thread is None:
            self._close_fd()
            return not self._queued
        thread.join(timeout)
        return not thread.is_alive() and not self._queued

    def after_fork(self) -> None:
        """In a forked child: no thread, no lines of the parent, a lock that nobody holds."""
        self._begin()

    @property
    def _queued(self) -> int:
        return len(self._ordinary) + len(self._urgent)

    def _make_room(self) -> None:
        while self._queued > self._max_lines or (
            self._bytes > self._max_bytes and self._queued > 1
        ):
            _, line = (self._ordinary or self._urgent).popleft()
            self._bytes -= len(line)
            self.dropped += 1

    def _start(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="fluxlit-log", daemon=True)
        # No thread to be had (limits, interpreter shutdown): the next line tries again.
        with suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        # The process's signals belong to the main thread, whatever its mask was when we began.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _FATAL)
        while self._wait():
            if self._deadline is None:
                time.sleep(LINGER)
            with self._wake:
                batch, lines = self._take()
            self._deliver_report()
            self._deliver(batch, lines)
        self._close_fd()

    def _wait(self) -> bool:
        """Sleep until there is something to write; False when all is written after close()."""
        with self._wake:
            while not self._queued and not self._owes_report():
                if self._deadline is not None:
                    return False
                self._wake.wait(self._patience())
            return self._deadline is None or time.monotonic() < self._deadline

    def _patience(self) -> float | None:
        if self.dropped == self._reported or self._gone:
            return None
        return max(self._report_due - time.monotonic(), 0)

    def _owes_report(self) -> bool:
        if self.dropped == self._reported or self._gone:
            return False
        return self._deadline is not None or time.monotonic() >= self._report_due

    def _take(self) -> tuple[bytes, int]:
        """Lines in the order they came, up to MAX_BATCH bytes, and how many."""
        lines: list[bytes] = []
        size = 0
        while self._queued and size < MAX_BATCH:
            _, line = self._first().popleft()
            lines.append(line)
            size += len(line)
        self._bytes -= size
        return b"".join(lines), len(lines)

    def _take_report(self) -> bytes:
        if not self._owes_report():
            return b""
        self._report_due = time.monotonic() + REPORT_INTERVAL
        return self._report(self.dropped - self._reported)

    def _first(self) -> deque[tuple[int, bytes]]:
        if not self._urgent or not self._ordinary:
            return self._urgent or self._ordinary
        return self._urgent if self._urgent[0] < self._ordinary[0] else self._ordinary

    def _deliver(self, batch: bytes, lines: int) -> None:
        lost = min(lines, self._write(batch))
        with self._wake:
            self.dropped += lost

    def _deliver_report(self) -> None:
        counted = self.dropped
        report = self._take_report()
        if report and not self._write(report):
            self._reported = counted

    def _write(self, data: bytes) -> int:
        """Write all; how many line ends could not be written."""
        left = memoryview(b"\n" + data if self._torn else data)
        while left:
            try:
                written = os.write(self._fd, left)
            except BlockingIOError:
                if not self._until_writable():
                    break
            except OSError as error:
                self._failed(error)
                break
            else:
                self._torn = left[written - 1] != ord("\n")
                left = left[written:]
        return bytes(left).count(b"\n")

    def _until_writable(self) -> bool:
        # O_NONBLOCK belongs to the open file, which others share: it can appear at any time.
        while self._deadline is None or time.monotonic() < self._deadline:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            if poll.poll(POLL * 1000):
                return True
        return False

    def _failed(self, error: OSError) -> None:
        """A closed pipe ends the log, with one word on stderr; a full disk costs this batch only."""
        if error.errno not in _GONE:
            return
        with self._wake:
            self._gone = True
            self.dropped += self._queued
            self._ordinary.clear()
            self._urgent.clear()
            self._bytes = 0
        with suppress(OSError):
            os.write(
                2,
                f"fluxlit: the log output is gone ({error.strerror}); nothing more is logged\n".encode(),
            )

    def _close_fd(self) -> None:
        with suppress(OSError):
            os.close(self._fd)
