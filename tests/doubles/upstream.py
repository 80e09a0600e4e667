"""A relay without sockets: each exchange and WebSocket is a script, each call is kept."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeAlias, cast

import anyio

from fluxlit.errors import UpstreamClosed
from fluxlit.protocol.closing import Closed, Message
from fluxlit.protocol.exchange import RequestHead, ResponseHead
from fluxlit.relay.client import Relay
from fluxlit.status import Endpoint

Fields = Iterable[tuple[str, str]]


class FakeAnswer:
    """An answer that is given; ``break_after`` ends the body with an error instead."""

    def __init__(
        self,
        status: int = 200,
        headers: Fields = (),
        body: Iterable[bytes] = (),
        *,
        breaks: Exception | None = None,
    ) -> None:
        fields = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        self.head = ResponseHead(status, fields)
        self._pieces = list(body)
        self._breaks = breaks
        self.hold = anyio.Event()
        self.hold.set()

    @property
    def body(self) -> AsyncIterator[bytes]:
        """The pieces, each after ``hold`` is set, then the break."""
        return self._body()

    async def _body(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            yield piece
            await self.hold.wait()
        if self._breaks is not None:
            raise self._breaks


class FakeSocket:
    """An upstream WebSocket: ``say`` what it sends, read what it was sent and how it was closed."""

    def __init__(self, subprotocol: bytes | None = None, headers: Fields = ()) -> None:
        self.subprotocol = subprotocol
        self.headers = [(name.encode(), value.encode()) for name, value in headers]
        self.received: list[str | bytes] = []
        self.closed: tuple[int | None, str] | None = None
        self.gone = False
        self.offered: list[str | bytes] = []
        self.full = False
        self.taker: Callable[[str | bytes], bool] | None = None
        self._say, self._hear = anyio.create_memory_object_stream[Message | Closed](math.inf)

    def say(self, message: str | bytes | Closed) -> None:
        """Let the upstream send a message or end."""
        self._say.send_nowait(message if isinstance(message, Closed) else Message(message))

    async def receive(self) -> Message | Closed:
        """As UpstreamSocket."""
        return await self._hear.receive()

    async def send(self, data: str | bytes) -> None:
        """As UpstreamSocket."""
        if self.gone:
            raise UpstreamClosed("gone", received_head=True)
        self.received.append(data)

    def offer(self, data: str | bytes) -> bool:
        """As UpstreamSocket; takes all unless it is ``full``."""
        if not self.full:
            self.offered.append(data)
        return not self.full

    async def close(self, code: int | None = None, reason: str = "") -> None:
        """As UpstreamSocket."""
        self.closed = code, reason

    def done(self) -> None:
        """Give the streams back."""
        self._say.close()
        self._hear.close()


Outcome: TypeAlias = FakeAnswer | Exception
Script: TypeAlias = Callable[[Endpoint, RequestHead], Outcome]


class FakeRelay:
    """Stands where the relay stands; ``script`` decides each exchange, ``sockets`` each handshake."""

    def __init__(self, script: Script | Outcome | None = None) -> None:
        outcome = script if script is not None else FakeAnswer(200, [], [b"hello"])
        self._script: Script = outcome if callable(outcome) else lambda _endpoint, _head: outcome
        self.sockets: list[FakeSocket | Exception] = []
        self.asked: list[tuple[Endpoint, RequestHead]] = []
        self.bodies: list[bytes | None] = []
        self.cancelled = 0
        self.reads_body = True
        self.stuck: anyio.Event | None = None

    @property
    def relay(self) -> Relay:
        """This double under the type that the gateway asks for."""
        return cast("Relay", self)

    def headers(self, which: int = -1) -> dict[str, str]:
        """The fields of one request that went up; fails when a name is there twice."""
        fields = self.asked[which][1].headers
        assert len({name for name, _ in fields}) == len(fields)
        return {name.decode(): value.decode("latin-1") for name, value in fields}

    @asynccontextmanager
    async def exchange(
        self, endpoint: Endpoint, head: RequestHead, body: AsyncIterator[bytes] | None = None
    ) -> AsyncGenerator[FakeAnswer]:
        """As Relay.exchange: the body is read to its end first, unless told otherwise."""
        self.asked.append((endpoint, head))
        outcome = self._script(endpoint, head)
        if isinstance(outcome, Exception):
            raise outcome
        try:
            read = self.reads_body and body is not None
            self.bodies.append(b"".join([p async for p in body]) if read and body else None)
            if self.stuck is not None:
                await self.stuck.wait()
            yield outcome
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise

    @asynccontextmanager
    async def websocket(self, endpoint: Endpoint, head: RequestHead) -> AsyncGenerator[FakeSocket]:
        """As Relay.websocket."""
        self.asked.append((endpoint, head))
        socket = self.sockets.pop(0)
        if isinstance(socket, Exception):
            raise socket
        try:
            yield socket
        finally:
            socket.done()
