"""Upstreams for the relay's tests: scripted, in memory, and on real loopback sockets."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

import anyio
from anyio.abc import SocketAttribute, SocketStream
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import Event as WireEvent

from fluxlit.relay.stream import LARGEST_PIECE, Stream, StreamBroken
from fluxlit.status import Endpoint

NOWHERE = Endpoint("127.0.0.1", 1)


class Fault(Enum):
    """What may go wrong on a connection."""

    END = "the end"
    RESET = "a reset"
    STALL = "nothing, for ever"


@dataclass(frozen=True)
class Until:
    """The script goes on when ``text`` has been sent to it."""

    text: bytes


Step = bytes | float | Fault | Until


class ScriptedStream:
    """Plays an upstream: gives bytes, pauses for seconds, fails; keeps what it was sent.

    ``takes`` is how many bytes can be sent to it before ``fault`` happens to the sender. At the end
    of its script it stalls.
    """

    def __init__(
        self,
        *script: Step,
        takes: int | None = None,
        fault: Fault = Fault.RESET,
        ended: bool = False,
    ) -> None:
        self.script = deque(script)
        self.sent = bytearray()
        self.closed = False
        self.ended = ended
        self._takes = takes
        self._fault = fault
        self._changed = anyio.Event()

    async def send(self, data: bytes | memoryview) -> None:
        """Take bytes, as long as it takes any."""
        self._check()
        if self._takes is not None and len(self.sent) + len(data) > self._takes:
            await self._fail(self._fault)
        self.sent += data
        self._change()

    def try_send(self, data: bytes) -> int:
        """Take what it takes at once."""
        self._check()
        room = len(data) if self._takes is None else max(0, self._takes - len(self.sent))
        self.sent += data[:room]
        self._change()
        return min(room, len(data))

    async def receive(self) -> bytes:
        """Play the next step that gives something."""
        while True:
            self._check()
            step = self.script.popleft() if self.script else Fault.STALL
            if isinstance(step, bytes):
                return step
            if isinstance(step, Fault):
                await self._fail(step)
                return b""
            if isinstance(step, Until):
                await self._until(step.text)
            else:
                await anyio.sleep(step)

    def has_ended(self) -> bool:
        """As told."""
        return self.ended

    def close(self) -> None:
        """Remember it, and wake who waits."""
        self.closed = True
        self._change()

    async def _until(self, text: bytes) -> None:
        while text not in self.sent:
            await self._changed.wait()
            self._check()

    async def _fail(self, fault: Fault) -> None:
        if fault is Fault.RESET:
            raise StreamBroken("reset")
        while fault is Fault.STALL:
            await self._changed.wait()
            self._check()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _check(self) -> None:
        if self.closed:
            raise StreamBroken("closed")


class Dialer:
    """A Connector that gives the next of its streams, raises the next of its errors, or hangs."""

    def __init__(self, *streams: Stream | Exception | Fault) -> None:
        self._streams = deque(streams)
        self.dialled = 0

    async def __call__(self, endpoint: Endpoint) -> Stream:
        """The next one."""
        self.dialled += 1
        stream = self._streams.popleft()
        while isinstance(stream, Fault):
            await anyio.sleep_forever()
        if isinstance(stream, Exception):
            raise stream
        return stream


class PipeEnd:
    """One end of a connection in memory; at most ``room`` bytes wait for the other end."""

    def __init__(self, room: int) -> None:
        self.other: PipeEnd
        self.buffer = bytearray()
        self.room = room
        self.ended = False
        self.closed = False
        self._changed = anyio.Event()

    async def send(self, data: bytes | memoryview) -> None:
        """Put bytes where the other end reads them, as there is room."""
        rest = bytes(data)
        while rest:
            if self.closed or self.other.closed:
                raise StreamBroken("closed")
            free = self.other.room - len(self.other.buffer)
            self.other.buffer += rest[:free]
            rest = rest[free:]
            self._wake()
            if rest:
                await self._changed.wait()

    def try_send(self, data: bytes) -> int:
        """Put as many bytes as there is room for."""
        if self.closed or self.other.closed:
            raise StreamBroken("closed")
        free = max(0, self.other.room - len(self.other.buffer))
        self.other.buffer += data[:free]
        self._wake()
        return min(free, len(data))

    async def receive(self) -> bytes:
        """What has come."""
        while not self.buffer and not self.ended:
            if self.closed:
                raise StreamBroken("closed")
            await self._changed.wait()
        data = bytes(self.buffer[:LARGEST_PIECE])
        del self.buffer[: len(data)]
        self._wake()
        return data

    def has_ended(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.buffer) or self.ended

    def close(self) -> None:
        """The other end reads the rest and then the end."""
        self.closed = self.other.ended = True
        self._wake()

    def _wake(self) -> None:
        for end in (self, self.other):
            end._changed.set()
            end._changed = anyio.Event()


def pipe(room: int = 65536) -> tuple[PipeEnd, PipeEnd]:
    """Both ends of a connection in memory."""
    one, other = PipeEnd(room), PipeEnd(room)
    one.other, other.other = other, one
    return one, other


class WebSocketPeer:
    """The server's end of an open WebSocket, over any stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.wire = Connection(ConnectionType.SERVER)
        self._events: deque[WireEvent] = deque()

    async def send(self, *events: WireEvent) -> None:
        """Send frames."""
        for event in events:
            await self.stream.send(self.wire.send(event))

    async def next(self) -> WireEvent | None:
        """The next frame; None at the end of the connection, whoever ended it."""
        while not self._events:
            data = await self._read()
            if not data:
                return None
            self.wire.receive_data(data)
            self._events.extend(self.wire.events())
        return self._events.popleft()

    async def _read(self) -> bytes:
        try:
            return await self.stream.receive()
        except StreamBroken:
            return b""


@dataclass
class Served:
    """A real server: where it is, how many connections it took, how many are open."""

    endpoint: Endpoint
    taken: int = 0
    open: int = 0
    _settled: anyio.Event = field(default_factory=anyio.Event)

    async def all_closed(self) -> None:
        """Wait until every connection has ended; each handler reads to the end of its own."""
        with anyio.fail_after(5):
            while self.open:
                self._settled = anyio.Event()
                await self._settled.wait()

    def left(self) -> None:
        """One connection less."""
        self.open -= 1
        self._settled.set()


Handler = Callable[[SocketStream], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[Served]:
    """A TCP server on a free loopback port, whose connections ``handler`` plays.

    After the handler a connection is read to its end: one that the relay forgets to close shows.
    """
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    served = Served(Endpoint("127.0.0.1", listener.extra(SocketAttribute.local_port)))

    async def handle(stream: SocketStream) -> None:
        served.taken += 1
        served.open += 1
        try:
            async with stream:
                await _play(handler, stream)
        finally:
            served.left()

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield served
        tasks.cancel_scope.cancel()


async def _play(handler: Handler, stream: SocketStream) -> None:
    try:
        await handler(stream)
        async for _ in stream:
            pass
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
        return


async def read_request(stream: SocketStream) -> bytes:
    """The bytes of one request up to the end of its head, and what came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    return data
