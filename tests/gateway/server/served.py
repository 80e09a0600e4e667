"""A server on a free port with an application for provoking it, and a raw client."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs

import anyio
from anyio.abc import SocketStream, TaskGroup, TaskStatus

from fluxlit.config.settings import Gateway
from fluxlit.gateway.asgi import ASGIApp, Message, Receive, Scope, Send
from fluxlit.gateway.server.limits import Limits
from fluxlit.gateway.server.listen import bind
from fluxlit.gateway.server.serve import Server

Handler = Callable[[Scope, Receive, Send, "Application"], Any]


@dataclass
class Application:
    """The test application: dispatches by path, counts its live tasks, keeps what it was told."""

    routes: dict[str, Handler]
    live: int = 0
    told: list[Message] = field(default_factory=list[Message])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the handler of the path; it counts as live until it ends."""
        self.live += 1

        async def listening() -> Message:
            message = await receive()
            self.told.append(message)
            return message

        try:
            await self.routes[scope["path"]](scope, listening, send, self)
        finally:
            self.live -= 1

    def disconnects(self) -> list[tuple[int, str]]:
        """Code and reason of every websocket.disconnect received."""
        kind = "websocket.disconnect"
        return [(m["code"], m["reason"]) for m in self.told if m["type"] == kind]


@dataclass
class Served:
    """A running server."""

    server: Server
    app: Application
    port: int
    tasks: TaskGroup

    async def connect(self) -> "Client":
        """A new client connection."""
        return Client(await anyio.connect_tcp("127.0.0.1", self.port))

    async def status(self) -> bytes:
        """What another client is answered now."""
        async with await self.connect() as client:
            await client.send(b"GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return await client.rest()

    async def quiet_after_start(self) -> None:
        """As quiet(), once a connection has been there."""
        with anyio.fail_after(5):
            while not self.server.connections:
                await anyio.sleep(0.005)
        await self.quiet()

    async def quiet(self) -> None:
        """Return when no application task and no connection is left; fails after five seconds."""
        with anyio.fail_after(5):
            while self.app.live or self.server.connections:
                await anyio.sleep(0.005)


class Client:
    """A raw connection to the server."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stream.aclose()

    async def send(self, data: bytes) -> None:
        """Write; a connection the server has reset already is no error."""
        with suppress(anyio.BrokenResourceError):
            await self.stream.send(data)

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and including the mark."""
        with anyio.fail_after(5):
            while mark not in self.buffer:
                self.buffer += await self.stream.receive()
        head, _, self.buffer = self.buffer.partition(mark)
        return head + mark

    async def exactly(self, count: int) -> bytes:
        """So many bytes."""
        with anyio.fail_after(30):
            parts, have = [self.buffer], len(self.buffer)
            while have < count:
                parts.append(await self.stream.receive(262_144))
                have += len(parts[-1])
        whole = b"".join(parts)
        self.buffer = whole[count:]
        return whole[:count]

    async def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        with anyio.fail_after(8):
            try:
                while True:
                    self.buffer += await self.stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return self.buffer

    async def websocket(self, path: str = "/ws", *more: str) -> bytes:
        """Open a WebSocket; the head of the answer."""
        await self.send(handshake(path, *more))
        return await self.until(b"\r\n\r\n")

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of the server: opcode with FIN, and payload."""
        first, length = await self.exactly(2)
        if length == 126:
            length = int.from_bytes(await self.exactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.exactly(8), "big")
        return first, await self.exactly(length)


def handshake(path: str, *more: str) -> bytes:
    """The head of a WebSocket handshake."""
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: a",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        *more,
    )
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A client's frame, masked with zeros; opcode with FIN."""
    length = len(payload)
    if length < 126:
        head = bytes((opcode, 0x80 | length))
    elif length < 65_536:
        head = bytes((opcode, 0xFE)) + length.to_bytes(2, "big")
    else:
        head = bytes((opcode, 0xFF)) + length.to_bytes(8, "big")
    return head + bytes(4) + payload


def query(scope: Scope) -> dict[str, str]:
    """The query's last values."""
    return {k: v[-1] for k, v in parse_qs(scope["query_string"].decode()).items()}


@asynccontextmanager
async def serving(
    routes: dict[str, Handler], *, limits: Limits | None = None, **settings: Any
) -> AsyncGenerator[Served]:
    """Serve the routes on a free port; at the end the server closes and nothing may be left of it."""
    app = Application(routes)
    gateway = Gateway(port=0, **settings)
    listeners = bind(gateway)
    port = listeners[0].getsockname()[1]
    server = Server(as_asgi(app), listeners, gateway, limits=limits or quick())

    async def serve(*, task_status: TaskStatus[None]) -> None:
        await server.serve(task_status=task_status)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            await tasks.start(serve)
            yield Served(server, app, port, tasks)
            await server.close(0.0)
    assert (app.live, server.connections) == (0, 0)
    assert all(listener.fileno() < 0 for listener in listeners)


def as_asgi(app: ASGIApp) -> ASGIApp:
    """The application, checked to be one by the type checker."""
    return app


def quick(**more: float) -> Limits:
    """Limits with a watcher that looks often."""
    return Limits(**{"idle": 30.0, "tick": 0.01, **more})
