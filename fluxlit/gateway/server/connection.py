"""One client connection: its phases, its deadlines, and that nothing of it outlives it."""

import socket
from collections.abc import Callable
from enum import Enum, auto
from math import inf
from time import monotonic
from typing import Any

import anyio
from hypercorn.config import Config

from fluxlit.gateway.asgi import ASGIApp
from fluxlit.gateway.server.context import Context
from fluxlit.gateway.server.limits import BODY_RATE, LINGER_BYTES, READ_BYTES, Limits
from fluxlit.gateway.server.plain import PlainHttp1
from fluxlit.gateway.server.tasks import Tasks
from fluxlit.gateway.server.transport import Offered, Transport

SERVICE_RESTART = 1012
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Phase(Enum):
    """Where a connection stands."""

    IDLE = auto()
    HEAD = auto()
    BUSY = auto()
    LINGERING = auto()
    CLOSED = auto()


class Connection:
    """A client's connection from accept to close."""

    def __init__(
        self, sock: socket.socket, app: ASGIApp, config: Config, context: Context, limits: Limits
    ) -> None:
        self._limits = limits
        self._transport = Transport(sock, limits.write)
        self._tasks = Tasks(self._transport.abort)
        self._lingered = 0
        self._credit = limits.body
        self._blocked = False
        self._reading = anyio.CancelScope()
        self.closed: Callable[[Connection], None] = nothing
        self.phase = Phase.IDLE
        self.since = monotonic()
        self.deadline = self.since + limits.idle
        self._http = PlainHttp1(
            app,
            config,
            context,
            self._tasks,
            client=address(sock.getpeername),
            server=address(sock.getsockname),
            wire=self,
        )

    async def run(self) -> None:
        """Serve it until the client leaves or the last exchange is over, and all its tasks have ended."""
        try:
            async with self._tasks:
                with self._reading:
                    await self._read()
                await self._http.lost()
                self.close()
        finally:
            self.close()

    def busy(self) -> None:
        """A request has begun."""
        self.phase = Phase.BUSY
        self.deadline = inf
        self._credit = self._limits.body

    def idle(self) -> None:
        """The exchange is over, the next may come."""
        self.phase = Phase.IDLE
        self.since = monotonic()
        self.deadline = self.since + self._limits.idle

    def finish(self, *, linger: bool) -> None:
        """Nothing more will be sent. With ``linger`` the client is read until it closes too."""
        if self.phase in {Phase.LINGERING, Phase.CLOSED}:
            return
        self.phase = Phase.LINGERING
        self.deadline = monotonic() + self._limits.linger
        if linger:
            self._transport.finish()
        else:
            self._transport.abort()

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Send to the client; a broken connection is lost for both directions."""
        if not await self._transport.send(*pieces) and self.phase is not Phase.CLOSED:
            self._transport.abort()
            await self._http.lost()

    def try_write(self, *pieces: bytes) -> bool:
        """Send to the client if it takes at least a part now; the rest follows by itself."""
        match self._transport.offer(*pieces):
            case Offered.REFUSED:
                return False
            case Offered.BEGUN:
                self._tasks.spawn(self.write)
            case Offered.SENT:
                pass
        return True

    def stop(self) -> None:
        """End it now unless an exchange is going on."""
        if self.phase in {Phase.IDLE, Phase.HEAD}:
            self._transport.abort()

    def cancel(self) -> None:
        """End it now, whatever is going on; a WebSocket is told 1012."""
        self._say_goodbye()
        self._tasks.cancel()

    def look(self, now: float) -> None:
        """Keep its deadlines, and a WebSocket awake."""
        if now >= self._transport.write_deadline:
            self._transport.reset()
        elif now >= self.deadline:
            if self.phase is Phase.BUSY and self._http.is_unanswered:
                self._transport.try_send(TOO_SLOW)
            self._transport.abort()
        elif self._blocked and self._transport.has_left():
            # Its end stands behind bytes that the application does not take.
            self._blocked = False
            self._reading.cancel()
        elif self._http.websocket is not None:
            self._keep_awake(now)

    def _keep_awake(self, now: float) -> None:
        websocket = self._http.websocket
        if websocket is None:
            return
        try:
            ping = websocket.look(now, self._limits)
        except TimeoutError:
            self._transport.try_send(websocket.farewell(1011, "no answer to a ping"))
            self._transport.abort()
        else:
            if ping is not None:
                self._transport.try_send(ping)

    async def _read(self) -> None:
        """Everything the client sends, until its end or ours."""
        while data := await self._transport.receive(READ_BYTES):
            match self.phase:
                case Phase.IDLE:
                    self.phase = Phase.HEAD
                    self.deadline = monotonic() + self._limits.head
                case Phase.LINGERING:
                    self._lingered += len(data)
                    if self._lingered > LINGER_BYTES:
                        return
                    continue
                case Phase.BUSY if self.deadline < inf:
                    self._credit = max(self.deadline - monotonic(), 0)
                    self.deadline = inf
                case _:
                    pass
            self._blocked = True
            await self._http.receive(data)
            self._blocked = False
            if self._http.expects_body and self.phase is Phase.BUSY:
                self._wait_for_body(len(data))

    def _wait_for_body(self, received: int) -> None:
        """The time that was waited for a body comes back only as fast as the body does."""
        self._credit = min(self._limits.body, self._credit + received / BODY_RATE)
        self.deadline = monotonic() + self._credit

    def _say_goodbye(self) -> None:
        websocket = self._http.websocket
        if websocket is not None and self.phase is Phase.BUSY:
            self._transport.try_send(websocket.farewell(SERVICE_RESTART, "the server is stopping"))
            self._transport.finish()
            self._transport.discard()

    def close(self) -> None:
        """Give its socket back, at once and once."""
        if self.phase is Phase.CLOSED:
            return
        self._say_goodbye()
        self.phase = Phase.CLOSED
        self.deadline = inf
        self._transport.close()
        self.closed(self)


def nothing(_: Connection) -> None:
    """Nobody asked to be told."""


def address(name: Callable[[], Any]) -> tuple[str, int] | None:
    """The host and port of one end; None when it is gone already, and on a Unix socket."""
    try:
        found: tuple[Any, ...] | str | bytes = name()
    except OSError:
        return None
    # The name of a Unix socket is its path, a str, or bytes for an abstract one.
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None
