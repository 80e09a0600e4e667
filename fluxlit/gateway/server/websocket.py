"""One WebSocket: Hypercorn's stream with the close codes, limits and deadlines it lacks."""

from collections.abc import Awaitable, Callable
from math import inf
from time import monotonic
from typing import Any, Protocol, cast
from urllib.parse import unquote

from anyio.lowlevel import checkpoint
from hypercorn.protocol.events import Body, Data, EndBody, Event, Request, Response, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState as State
from hypercorn.protocol.ws_stream import WebsocketBuffer, WSStream
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason, Opcode

from fluxlit.gateway.asgi import OFFER
from fluxlit.gateway.server.frames import message_head
from fluxlit.gateway.server.handshake import Opening
from fluxlit.gateway.server.limits import Limits
from fluxlit.protocol.whole import is_between_messages, message

ABNORMAL = CloseReason.ABNORMAL_CLOSURE.value
INTERNAL = CloseReason.INTERNAL_ERROR.value
NO_STATUS = CloseReason.NO_STATUS_RCVD.value
NORMAL = CloseReason.NORMAL_CLOSURE.value


class Write(Protocol):
    """Sends pieces to the client, one after the other and nothing between them."""

    def __call__(self, *pieces: bytes | bytearray | memoryview) -> Awaitable[None]:
        """Send them all."""
        ...


class TryWrite(Protocol):
    """Sends pieces to the client at once, or nothing of them."""

    def __call__(self, *pieces: bytes) -> bool:
        """Whether they are sent."""
        ...


class WebSocket(WSStream):
    """The server side of one WebSocket, from the handshake to the close."""

    app_put: Callable[[Any], Awaitable[None]] | None
    opening: Opening

    def __init__(self, *args: Any, write: Write, try_write: TryWrite) -> None:  # noqa: ANN401 - as the class it extends
        super().__init__(*args)
        self.write = write
        self.try_write = try_write
        self.buffer = WebsocketBuffer(self.config.websocket_max_message_size)
        self.heard = monotonic()
        self.pinged = -inf
        self.closing = inf
        self._ended: tuple[int, str] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether both sides have sent their Close."""
        opened = self.state in {State.CONNECTED, State.CLOSED}
        return opened and self.connection.state is ConnectionState.CLOSED

    async def handle(self, event: Event) -> None:
        """Something of the client, or the end of the stream."""
        if self.closed:
            return
        match event:
            case Request():
                await self._open(event)
            case Data() | Body():
                await self._receive(event.data)
            case StreamClosed():
                await self._over()
            case _:
                pass

    async def app_send(self, message: Any) -> None:  # noqa: ANN401 - Hypercorn's own event types
        """Take a message of the application; None when it has ended. Quiet after the client has left."""
        if self.closed:
            await checkpoint()
            return
        kind = "" if message is None else message["type"]
        if self.state is State.CONNECTED and kind == "websocket.send":
            await self._send_message(message)
        elif self.state is State.CONNECTED and kind == "websocket.close":
            await self._close(message)
        else:
            if message is not None and kind == "websocket.http.response.start":
                message.setdefault("headers", [])
            await super().app_send(message)
            if self.state is State.HTTPCLOSED and message is not None:
                await self.send(StreamClosed(stream_id=self.stream_id))

    def offer(self, data: str | bytes) -> bool:
        """Send a message if the client takes it at once; False if nothing of it is sent."""
        if self.closed or self.state is not State.CONNECTED:
            return False
        if self.connection.state is not ConnectionState.OPEN:
            return False
        text = isinstance(data, str)
        payload = data.encode() if isinstance(data, str) else data
        head = message_head(Opcode.TEXT if text else Opcode.BINARY, len(payload))
        return self.try_write(head, payload)

    def look(self, now: float, limits: Limits) -> bytes | None:
        """The ping that is due, if one is.

        Raises TimeoutError when the last ping, or our Close, has been left unanswered for too long.
        """
        if self.state is State.CLOSED and now - self.closing >= limits.linger:
            raise TimeoutError
        if self.state is not State.CONNECTED:
            return None
        if self.pinged > self.heard:
            if now - self.pinged >= limits.pong:
                raise TimeoutError
            return None
        if now - self.heard < limits.ping:
            return None
        self.pinged = now
        return bytes(self.connection.send(Ping()))

    def farewell(self, code: int, reason: str) -> bytes:
        """The Close frame to send if we must end it now; nothing if one has been sent or it never opened."""
        if self.state is not State.CONNECTED or self.closed:
            return b""
        if self.connection.state is not ConnectionState.OPEN:
            return b""
        return bytes(self.connection.send(CloseConnection(code=code, reason=reason)))

    async def _open(self, request: Request) -> None:
        self.start_time = self.context.time()
        self.opening = Opening(request.headers, request.http_version)
        self.scope = self._scope(request)
        refusal = self.opening.objection()
        if refusal is not None:
            await self._refuse(refusal)
            return
        self.app_put = await self.task_group.spawn_app(
            self.app, self.config, self.scope, self.app_send
        )
        await self.app_put({"type": "websocket.connect"})

    def _scope(self, request: Request) -> Any:  # noqa: ANN401 - Hypercorn's WebsocketScope
        path, _, query = request.raw_path.partition(b"?")
        return {
            "type": "websocket",
            "asgi": {"spec_version": "2.3", "version": "3.0"},
            "scheme": self.scheme,
            "http_version": request.http_version,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": self.config.root_path,
            "headers": request.headers,
            "client": self.client,
            "server": self.server,
            "state": request.state.copy(),
            "subprotocols": self.opening.subprotocols or [],
            "extensions": {"websocket.http.response": {}, OFFER: self.offer},
        }

    async def _refuse(self, status: int) -> None:
        """End an opening handshake with a status, and the connection with it."""
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        if status == 426:
            headers += [(b"sec-websocket-version", b"13"), (b"upgrade", b"websocket")]
        await self.send(Response(stream_id=self.stream_id, status_code=status, headers=headers))
        await self.send(EndBody(stream_id=self.stream_id))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _accept(self, message: Any) -> None:  # noqa: ANN401 - Hypercorn's own event types
        """Send the 101; the state changes only once all of it has proved sound."""
        status, headers, connection = self.opening.answer(
            message.get("subprotocol"),
            message.get("headers") or [],
            self.config.websocket_max_message_size,
        )
        self.connection = connection
        await self.send(Response(stream_id=self.stream_id, status_code=status, headers=headers))
        self.heard = monotonic()
        self.state = State.CONNECTED

    async def _receive(self, data: bytes) -> None:
        """Bytes of the client. Before the 101 there must be none (RFC 6455 4.1)."""
        self.heard = monotonic()
        if self.state in {State.CONNECTED, State.CLOSED}:
            if await self._took_whole(data):
                return
            self.connection.receive_data(data)
            await self._handle_events()
        elif self.state is State.HANDSHAKE:
            await self._refuse(400)
        else:
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _took_whole(self, data: bytes) -> bool:
        """Whether ``data`` was exactly one message, and is on its way to the application."""
        if self.state is not State.CONNECTED or self.app_put is None:
            return False
        if not is_between_messages(self.connection):
            return False
        whole = message(data, masked=True, most=self.config.websocket_max_message_size)
        if whole is None:
            return False
        text, binary = (whole, None) if isinstance(whole, str) else (None, whole)
        await self.app_put({"type": "websocket.receive", "bytes": binary, "text": text})
        return True

    async def _handle_events(self) -> None:
        event: Any
        for event in self.connection.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                await self._take_message(event)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                await self._take_close(event)
                return

    async def _take_message(self, event: TextMessage | BytesMessage) -> None:
        """A piece of a message; whole ones go to the application unless it has closed."""
        if self.state is not State.CONNECTED or self.app_put is None:
            return
        self.buffer.extend(event)
        if event.message_finished:
            message = cast("Any", self.buffer).to_message()
            self.buffer.clear()
            await self.app_put(message)

    async def _take_close(self, event: CloseConnection) -> None:
        """The client's Close, or its breach of the protocol, which wsproto reports the same way."""
        self._ended = (int(event.code), event.reason or "")
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            await self._send_wsproto_event(event.response())
        elif self.connection.state is ConnectionState.OPEN:
            # No Close of the client's: what we tell it is not what it has said (RFC 6455 7.1.5).
            self._ended = (ABNORMAL, event.reason or "")
            await self._send_wsproto_event(CloseConnection(event.code, event.reason))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_message(self, message: Any) -> None:  # noqa: ANN401 - Hypercorn's own event types
        """One message as one frame; a large payload is not copied."""
        data, opcode = message.get("bytes"), Opcode.BINARY
        if data is None:
            data, opcode = message["text"].encode(), Opcode.TEXT
        if self.connection.state is ConnectionState.OPEN:
            await self.write(message_head(opcode, len(data)), data)

    async def _close(self, message: Any) -> None:  # noqa: ANN401 - Hypercorn's own event types
        """The application closes; the client's answer is waited for by the connection's deadline."""
        code, reason = sendable(message.get("code")), message.get("reason") or ""
        self.state = State.CLOSED
        self.closing = monotonic()
        self._ended = (code, reason)
        await self._send_wsproto_event(CloseConnection(code=code, reason=reason))

    async def _over(self) -> None:
        """Tell the application how it ended."""
        self.closed = True
        if self.app_put is None:
            return
        code, reason = self._ended or (NORMAL if self.state is State.HTTPCLOSED else ABNORMAL, "")
        await self.app_put({"type": "websocket.disconnect", "code": code, "reason": reason})


def sendable(code: int | None) -> int:
    """The code as it may stand in a Close frame (RFC 6455 7.4); others become 1000 or 1011."""
    if code is None or code in {NO_STATUS, NORMAL}:
        return NORMAL
    if 1001 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999:
        return code
    return INTERNAL
