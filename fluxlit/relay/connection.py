"""One connection to an upstream: drives an Exchange over a Stream, under its timeouts."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from fluxlit.config.settings import Relay as Settings
from fluxlit.errors import UpstreamClosed, UpstreamTimeout
from fluxlit.protocol.exchange import (
    BodyEnd,
    BodyPart,
    Framing,
    RequestHead,
    ResponseHead,
    framing,
)
from fluxlit.protocol.shortcut import Shortcut
from fluxlit.relay.stream import Stream, StreamBroken
from fluxlit.relay.unwrap import sole


@dataclass(frozen=True, slots=True)
class Answer:
    """What the upstream answered; ``body`` yields pieces of at most 64 KiB and reads on demand."""

    head: ResponseHead
    body: AsyncIterator[bytes]


class Connection:
    """The connection of one ``slot``, for one exchange.

    ``reused`` says that exchanges went over the stream before, ``heard`` that a byte of the answer
    has come. Raises UpstreamTimeout, UpstreamClosed, UpstreamProtocolError and, where the request
    cannot be sent as it stands, ValueError.
    """

    def __init__(
        self, stream: Stream, settings: Settings, slot: int = 0, *, reused: bool = False
    ) -> None:
        self.slot = slot
        self._settings = settings
        self._head: ResponseHead | None = None
        self._piece = b""
        self._done = False
        self.restart(stream)
        self.reused = reused

    def restart(self, stream: Stream) -> None:
        """Begin again on a new stream; only before a byte of an answer has come."""
        self.stream = stream
        self.reused = False
        self.heard = False
        self._exchange = Shortcut()

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow on the same stream."""
        return self._exchange.reusable

    async def ask(self, head: RequestHead) -> Answer:
        """Send a request without a body and wait for the head of the answer."""
        with anyio.move_on_after(self._settings.head_timeout):
            await self._send(self._exchange.begin(head, Framing.NONE))
            return Answer(await self._read_head(), _Body(self))
        raise UpstreamTimeout("head")

    @asynccontextmanager
    async def upload(self, head: RequestHead, body: AsyncIterator[bytes]) -> AsyncGenerator[Answer]:
        """Send a request and its body while reading; the block runs once the answer has begun.

        An answer that comes before the body is sent ends the sending (RFC 9112 9.5): ``body`` is
        cancelled, not read to its end; a generator is closed. The time for the head counts from the end of the request.
        Errors of ``body`` come out of here as they are.
        """
        start = self._exchange.begin(head, framing(head, body))
        patience, sending = anyio.CancelScope(), anyio.CancelScope()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_all, start, body, sending, patience)
                with patience:
                    await self._read_head()
                sending.cancel()
                if self._head is None:
                    raise UpstreamTimeout("head")
                yield Answer(self._head, _Body(self))
        except BaseExceptionGroup as group:
            raise sole(group)  # noqa: B904 - the group stays as the context

    async def next_piece(self) -> bytes:
        """The next bytes of the body; none at its end."""
        while not self._piece and not self._done:
            await self._wait_for_more()
        piece, self._piece = self._piece, b""
        return piece

    async def _send_all(
        self,
        start: bytes,
        body: AsyncIterator[bytes],
        sending: anyio.CancelScope,
        patience: anyio.CancelScope,
    ) -> None:
        try:
            with sending:
                await self._send_piece(start)
                async for chunk in body:
                    await self._send_piece(self._exchange.body(chunk))
                await self._send_piece(self._exchange.end())
                patience.deadline = anyio.current_time() + self._settings.head_timeout
        finally:
            # A generator left to the garbage collector is closed too late, if at all.
            if isinstance(body, AsyncGenerator):
                await body.aclose()

    async def _send_piece(self, data: bytes) -> None:
        if not data:
            return
        with anyio.move_on_after(self._settings.idle_timeout):
            await self._send(data)
            return
        raise UpstreamTimeout("body")

    async def _send(self, data: bytes) -> None:
        try:
            await self.stream.send(data)
        except StreamBroken:
            # An upstream that refuses a request may answer and close before it has read all: the
            # answer is still to be read, and if there is none, reading says so (RFC 9112 9.5).
            return

    async def _read_head(self) -> ResponseHead:
        while self._head is None:
            await self._advance()
        return self._head

    async def _wait_for_more(self) -> None:
        with anyio.move_on_after(self._settings.idle_timeout):
            await self._advance()
            return
        raise UpstreamTimeout("body")

    async def _advance(self) -> None:
        self._take(await self._receive())
        pieces: list[bytes] = []
        for event in self._exchange.events():
            if isinstance(event, BodyPart):
                pieces.append(event.data)
            elif isinstance(event, BodyEnd):
                self._done = True
            else:
                self._head = event
        # Many small chunks that came together go on together.
        self._piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _receive(self) -> bytes:
        try:
            return await self.stream.receive()
        except StreamBroken as exc:
            raise UpstreamClosed(str(exc), received_head=self._head is not None) from exc

    def _take(self, data: bytes) -> None:
        if data:
            self.heard = True
            self._exchange.receive(data)
        else:
            self._exchange.receive_eof()


class _Body:
    """The body of an answer, once; a class, because an abandoned generator needs a clean-up."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._connection.next_piece()
        if not piece:
            raise StopAsyncIteration
        return piece
