"""One client's socket: reads, writes with back-pressure, and ends, on any backend.

A raw non-blocking socket with wait_readable/wait_writable: most reads and writes of a server need
no waiting at all, and an idle connection costs no stream buffers.
"""

import select
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from math import inf
from time import monotonic

import anyio
from anyio.lowlevel import checkpoint

from fluxlit.gateway.server.context import Flag
from fluxlit.gateway.server.limits import BURST_BYTES

LEFT = getattr(select, "POLLRDHUP", select.POLLHUP)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
JOINED_BYTES = 16_384
"""Pieces up to this size together are copied into one send."""


class Offered(Enum):
    """What has become of bytes that were offered."""

    REFUSED = "nothing is sent"
    BEGUN = "a part is sent, the rest is kept"
    SENT = "all is sent, or the connection is broken"


class Transport:
    """A connected, non-blocking TCP socket. Errors of the network are an end of stream, never an exception."""

    def __init__(self, sock: socket.socket, write_timeout: float) -> None:
        self._sock = sock
        self._write_timeout = write_timeout
        self._is_open = True
        self._expects_more = False
        self._burst = 0
        self._rest: list[memoryview] = []
        self._writing = False
        self._turn = Flag()
        self.write_deadline = inf

    @property
    def is_open(self) -> bool:
        """Whether close() has not been called."""
        return self._is_open

    async def receive(self, limit: int) -> bytes:
        """The next bytes; empty at the end of the stream, however it ended."""
        try:
            if not self._expects_more:
                await anyio.wait_readable(self._sock)
            while self._is_open:
                try:
                    data = self._sock.recv(limit)
                except BlockingIOError:
                    await anyio.wait_readable(self._sock)
                    continue
                self._expects_more = len(data) == limit
                await self._share(len(data))
                return data
        except (OSError, ValueError, anyio.ClosedResourceError):
            pass
        return b""

    async def send(self, *pieces: bytes | bytearray | memoryview) -> bool:
        """Write all pieces, waiting for the client as needed; False if the connection is broken.

        A cancelled send leaves its rest to the next one, so that frames are never cut.
        """
        while self._writing:
            self._turn.down()
            await self._turn.wait()
        if not self._is_open:
            return False
        views = (
            [*self._rest, *(memoryview(piece) for piece in pieces)] if self._rest else list(pieces)
        )
        self._rest = []
        try:
            self._rest = self._write(views)
            if self._rest:
                return await self._write_rest()
        except (OSError, ValueError, anyio.ClosedResourceError):
            self._rest = []
            return False
        await self._share(sum(map(len, pieces)))
        return True

    def offer(self, *pieces: bytes) -> Offered:
        """Write without waiting; after BEGUN a send() of nothing more is needed for the rest."""
        if self._writing or self._rest or not self._is_open:
            return Offered.REFUSED
        try:
            rest = self._write(pieces)
        except OSError:
            self.abort()  # the reader learns it and tells it
            return Offered.SENT
        if sum(map(len, rest)) == sum(map(len, pieces)):
            return Offered.REFUSED
        self._rest = rest
        return Offered.BEGUN if rest else Offered.SENT

    def try_send(self, data: bytes | bytearray) -> None:
        """Write if the socket takes it now and nothing is half written; else the data is dropped."""
        if self._writing or self._rest or not self._is_open:
            return
        with suppress(OSError):
            self._rest = self._write([data])

    def has_left(self) -> bool:
        """Whether the client has ended its side, seen past the bytes that nobody has read yet."""
        if not self._is_open:
            return False
        poll = select.poll()
        poll.register(self._sock, LEFT)
        return bool(poll.poll(0))

    def finish(self) -> None:
        """Tell the client that nothing more comes."""
        if self._is_open:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """End both directions; wakes the reader, which sees the end of the stream."""
        if self._is_open:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """As abort, but what the client has not taken is thrown away when the socket is closed."""
        if self._is_open:
            with suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.abort()

    def close(self) -> None:
        """Give the socket back; whoever waits on it is woken."""
        if not self._is_open:
            return
        self._is_open = False
        anyio.notify_closing(self._sock)
        self._sock.close()

    def discard(self) -> None:
        """Throw away what has arrived already: unread bytes turn a close into a reset."""
        with suppress(OSError):
            while self._is_open and self._sock.recv(65_536):
                pass

    def _write(self, views: Sequence[bytes | bytearray | memoryview]) -> list[memoryview]:
        """Write what the socket takes at once; returns what is left."""
        total = sum(map(len, views))
        try:
            if len(views) == 1:
                written = self._sock.send(views[0])
            elif total <= JOINED_BYTES:
                joined = b"".join(views)
                views = [joined]
                written = self._sock.send(joined)
            else:
                written = self._sock.sendmsg(views)
        except BlockingIOError:
            written = 0
        return [] if written == total else remaining(views, written)

    async def _write_rest(self) -> bool:
        self._writing = True
        try:
            while self._rest:
                self.write_deadline = monotonic() + self._write_timeout
                await anyio.wait_writable(self._sock)
                self._rest = self._write(self._rest)
        finally:
            self._writing = False
            self.write_deadline = inf
            self._turn.up()
        return True

    async def _share(self, count: int) -> None:
        """Give others their turn now and then: a fast peer would never make us wait."""
        self._burst += count
        if self._burst >= BURST_BYTES:
            self._burst = 0
            await checkpoint()


def remaining(views: Sequence[bytes | bytearray | memoryview], written: int) -> list[memoryview]:
    """What is left of the views after so many bytes."""
    left: list[memoryview] = []
    for view in views:
        if written >= len(view):
            written -= len(view)
        else:
            left.append(memoryview(view)[written:])
            written = 0
    return left
