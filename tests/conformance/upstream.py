"""An upstream of raw sockets that records every byte and judges it as the strictest server would."""

import base64
import hashlib
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

from tests.conformance import judge
from tests.conformance.judge import Heard, Violation

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


class Cut(Exception):  # noqa: N818 - an end of stream, told apart by name
    """The relay has ended the connection in the middle of a message."""


class Talk:
    """One connection of the relay, from the upstream's side."""

    def __init__(self, stream: SocketStream, over: anyio.Event) -> None:
        self.stream = stream
        self.over = over
        self.raw = bytearray()
        self.requests: list[Heard] = []
        self.ended = anyio.Event()
        self._rest = bytearray()

    async def head(self) -> Heard | None:
        """The head of the next request; None at the end of the connection."""
        while b"\r\n\r\n" not in self._rest:
            if not await self._more():
                if self._rest:
                    raise Violation(f"I5 bytes behind a request: {bytes(self._rest)!r}")
                return None
        raw, _, rest = bytes(self._rest).partition(b"\r\n\r\n")
        self._rest = bytearray(rest)
        heard = judge.head(raw + b"\r\n\r\n")
        self.requests.append(heard)
        return heard

    async def body(self, heard: Heard) -> bytes:
        """The whole body of a request; raises Cut if the relay aborts it."""
        if heard.chunked:
            while await self._chunk(heard):
                pass
        else:
            heard.body = await self.exactly(heard.length)
        heard.complete = True
        return heard.body

    async def request(self) -> Heard | None:
        """The next request, whole."""
        heard = await self.head()
        if heard is not None:
            await self.body(heard)
        return heard

    async def exactly(self, count: int) -> bytes:
        """So many bytes."""
        while len(self._rest) < count:
            if not await self._more():
                raise Cut
        taken, self._rest = bytes(self._rest[:count]), self._rest[count:]
        return taken

    async def until_end(self) -> bytes:
        """Everything up to the end of the connection, however it ends."""
        while await self._more():
            pass
        return bytes(self._rest)

    async def without_reading(self) -> None:
        """Take none of the relay's bytes until the test is over; its end must stand behind them."""
        # On asyncio a stream that has been read once reads on by itself (measured: 95 MiB).
        transport: Any = getattr(self.stream, "_transport", None)
        if transport is not None:
            transport.pause_reading()
        await self.over.wait()
        await self.until_end()

    async def send(self, data: bytes) -> None:
        """Write; a relay that has left is no error."""
        with suppress(anyio.BrokenResourceError):
            await self.stream.send(data)

    async def reset(self) -> None:
        """End the connection with a reset."""
        sock = self.stream.extra(SocketAttribute.raw_socket)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.stream.aclose()

    async def upgrade(self, *more: bytes, heard: Heard | None = None) -> Heard:
        """Agree to a WebSocket, with further fields in the 101."""
        heard = heard or await self.head()
        assert heard is not None
        key = heard.value("sec-websocket-key") or b""
        proof = base64.b64encode(hashlib.sha1(key + GUID).digest())
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: " + proof,
            *more,
        ]
        await self.send(b"\r\n".join([*lines, b"", b""]))
        return heard

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: its first byte and the payload; raises Violation unless it is masked."""
        first, second = await self.exactly(2)
        if not second & 0x80:
            raise Violation("W11 a frame without a mask")
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(await self.exactly(2 if length == 126 else 8), "big")
        key, payload = await self.exactly(4), await self.exactly(length)
        return first, bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))

    async def _chunk(self, heard: Heard) -> bool:
        while b"\r\n" not in self._rest:
            if not await self._more():
                raise Cut
        line = bytes(self._rest).partition(b"\r\n")[0]
        await self.exactly(len(line) + 2)
        size = judge.chunk_size(line)
        piece = await self.exactly(size)
        if await self.exactly(2) != b"\r\n":
            raise Violation("I2 no CRLF after a chunk")
        heard.body += piece
        heard.pieces.append(piece)
        return size > 0

    async def _more(self) -> bool:
        try:
            data = await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return False
        self.raw += data
        self._rest += data
        return True


Script = Callable[[Talk], Awaitable[None]]


async def serve(talk: Talk) -> None:
    """Answer every request with ``ok``."""
    while (heard := await talk.request()) is not None:
        await talk.send(OK if heard.method == b"HEAD" else OK + b"ok")


def answering(answer: bytes) -> Script:
    """Answer every request with these bytes."""

    async def script(talk: Talk) -> None:
        while await talk.request() is not None:
            await talk.send(answer)

    return script


def ending(answer: bytes) -> Script:
    """Answer one request with these bytes and end the connection."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(answer)

    return script


class Upstream:
    """Runs a script on each connection and keeps what was heard."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.talks: list[Talk] = []
        self.violations: list[str] = []
        self.open = 0
        self.over = anyio.Event()

    @property
    def requests(self) -> list[Heard]:
        """Every request heard, connection by connection."""
        return [heard for talk in self.talks for heard in talk.requests]

    @property
    def only(self) -> Heard:
        """The one request heard."""
        (heard,) = self.requests
        return heard

    @property
    def raw(self) -> bytes:
        """Every byte received."""
        return b"".join(bytes(talk.raw) for talk in self.talks)

    async def handle(self, stream: SocketStream) -> None:
        """One connection."""
        talk = Talk(stream, self.over)
        self.talks.append(talk)
        self.open += 1
        try:
            async with stream:
                with suppress(Cut):
                    await self.script(talk)
        except Violation as violation:
            self.violations.append(str(violation))
        finally:
            self.open -= 1
            talk.ended.set()
