"""HTTP/1.1 over one connection: Hypercorn's H11Protocol with strict heads, no h2c, and fewer writes."""

from email.utils import formatdate
from time import time
from typing import Any, Protocol, cast

import h11
from hypercorn.config import Config
from hypercorn.events import Event
from hypercorn.protocol.events import (
    Body,
    Data,
    EndBody,
    Request,
    Response,
    StreamClosed,
)
from hypercorn.protocol.events import (
    Event as StreamEvent,
)
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.typing import ConnectionState

from fluxlit.gateway.asgi import ASGIApp
from fluxlit.gateway.server.context import Context, Flag
from fluxlit.gateway.server.exchange import Exchange, Pairs
from fluxlit.gateway.server.head import Kind, examine
from fluxlit.gateway.server.tasks import Tasks
from fluxlit.gateway.server.websocket import WebSocket

HELD_BYTES = 65_536
"""An answer announced to be this short has its head sent together with its body."""

COMPLETE = frozenset({h11.DONE, h11.MUST_CLOSE, h11.CLOSED})
"""States of the client in which it has nothing more to send for this exchange."""

Address = tuple[str, int]


class Wire(Protocol):
    """What the protocol needs of its connection."""

    def busy(self) -> None:
        """A request has begun."""
        ...

    def idle(self) -> None:
        """The exchange is over, the next may come."""
        ...

    def finish(self, *, linger: bool) -> None:
        """Nothing more will be sent; linger if the client may still be sending."""
        ...

    def try_write(self, *pieces: bytes) -> bool:
        """Send to the client if it takes it now; False if nothing of it is sent."""
        ...

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Send to the client; never raises for a broken connection."""
        ...


class Http1(H11Protocol):
    """The server side of HTTP/1.1 for one connection."""

    connection: h11.Connection | H11WSConnection
    can_read: Flag

    def __init__(
        self,
        app: ASGIApp,
        config: Config,
        context: Context,
        tasks: Tasks,
        *,
        client: Address | None,
        server: Address | None,
        wire: Wire,
    ) -> None:
        super().__init__(
            app,  # type: ignore[arg-type]
            config,
            context,  # type: ignore[arg-type]
            tasks,  # type: ignore[arg-type]
            ConnectionState({}),
            False,
            client,
            server,
            self._no_event,
        )
        self._wire = wire
        self._held = b""
        self._over = False

    @property
    def websocket(self) -> WebSocket | None:
        """The open WebSocket of this connection, if it has become one."""
        return self.stream if isinstance(self.stream, WebSocket) else None

    @property
    def expects_body(self) -> bool:
        """Whether the client still owes a part of its request's body."""
        return self.connection.their_state is h11.SEND_BODY

    @property
    def is_unanswered(self) -> bool:
        """Whether not a byte of the answer to the current request has been made."""
        return self.connection.our_state is h11.SEND_RESPONSE

    async def receive(self, data: bytes) -> None:
        """Bytes of the client, in order."""
        if isinstance(self.connection, H11WSConnection):
            if self.stream is not None:
                await self.stream.handle(Data(stream_id=STREAM_ID, data=data))
            return
        self.connection.receive_data(data)
        await self._handle_events()

    async def lost(self) -> None:
        """The client is gone: the application is told."""
        self._over = True
        self.can_read.up()
        await self._close_stream()

    async def stream_send(self, event: StreamEvent) -> None:
        """Write what a stream has to say."""
        match event:
            case Response():
                await self.send_head(event.status_code, event.headers)
            case Body():
                await self._send(h11.Data(data=event.data))
            case EndBody():
                await self._send(h11.EndOfMessage())
            case Data():
                await self._wire.write(event.data)
            case StreamClosed():
                await self._maybe_recycle()
            case _:
                pass

    async def send_head(self, status: int, headers: Pairs) -> None:
        """The head of an answer; a short answer's head waits for its body, so that one write carries both."""
        if status < 200:
            await self._send(h11.InformationalResponse(status_code=status, headers=headers))
            return
        names = {name.lower(): value for name, value in headers}
        headers = list(headers)
        if b"date" not in names:
            headers.append((b"date", date()))
        if b"connection" not in names and self._is_last():
            headers.append((b"connection", b"close"))
        head = self._encode(h11.Response(headers=headers, status_code=status))
        length = names.get(b"content-length", b"")
        if length.isdigit() and int(length) <= HELD_BYTES:
            self._held = head
        elif head:
            await self._wire.write(head)

    async def send_body(self, data: bytes, *, is_last: bool) -> None:
        """A piece of the answer's body, with a head that waits and the end that follows in one write."""
        pieces = [self._held]
        if data:
            pieces.append(self._encode(h11.Data(data=bytes(data))))
        if is_last:
            pieces.append(self._encode(h11.EndOfMessage()))
        self._held = b""
        pieces = [piece for piece in pieces if piece]
        if pieces:
            await self._wire.write(*pieces)

    async def _no_event(self, event: Event) -> None:
        """Hypercorn's way to its own worker; every use of it is overridden here."""

    async def _handle_events(self) -> None:
        """Take what h11 has understood so far."""
        while not self._over:
            try:
                event: Any = self.connection.next_event()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint)
                return
            if event is h11.PAUSED:
                self.can_read.down()
                await self.can_read.wait()
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return
            else:
                await self._take(event)
                if type(event) is h11.EndOfMessage and not self.connection.trailing_data[0]:
                    # Nothing can follow: spares h11 from finding that out in most requests.
                    return

    async def _take(self, event: Any) -> None:  # noqa: ANN401 - any of h11's events, or Hypercorn's Data
        """One event of the client."""
        if isinstance(event, h11.Request):
            await self._open(event)
        elif self.stream is None:
            self._over = True
        elif isinstance(event, h11.Data):
            await self.stream.handle(Body(stream_id=STREAM_ID, data=event.data))
        elif isinstance(event, h11.EndOfMessage):
            await self.stream.handle(EndBody(stream_id=STREAM_ID))
        elif isinstance(event, Data):
            await self.stream.handle(event)

    async def _open(self, request: h11.Request) -> None:
        """A request has arrived: refuse it or start the application."""
        self._wire.busy()
        verdict = examine(request)
        if isinstance(verdict, int):
            await self._refuse(verdict)
            return
        if verdict is Kind.WEBSOCKET:
            self.connection = H11WSConnection(self.connection)  # type: ignore[arg-type]
            self.stream = WebSocket(
                *self._parts(), write=self._wire.write, try_write=self._wire.try_write
            )
        else:
            self.stream = Exchange(*self._parts(), answer=self)
            if self.connection.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        method = request.method.decode("ascii").upper()
        version = request.http_version.decode()
        await self._start(list(request.headers), version, method, request.target)

    def _parts(self) -> tuple[Any, ...]:
        """What Hypercorn's streams are made of."""
        return (
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )

    async def _start(self, headers: Pairs, version: str, method: str, target: bytes) -> None:
        """Hand the request's head to the stream."""
        assert self.stream is not None  # noqa: S101 - it has just been made
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=version,
                method=method,
                raw_path=target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1

    async def _refuse(self, status: int) -> None:
        """Answer without the application, as far as an answer can still be given, and close."""
        if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self._send_error_response(status)
        self._over = True
        await self._close_stream()
        self._wire.finish(linger=True)

    async def _send_error_response(self, status_code: int) -> None:
        headers = [(b"content-length", b"0"), (b"connection", b"close"), (b"date", date())]
        await self._send(h11.Response(status_code=status_code, headers=headers))
        await self._send(h11.EndOfMessage())

    def _is_last(self) -> bool:
        """Whether no further request is taken on this connection."""
        return (
            self.context.terminated.is_set()
            or isinstance(self.connection, H11WSConnection)
            or self.keep_alive_requests >= self.config.keep_alive_max_requests
        )

    async def _send(self, event: Any) -> None:  # noqa: ANN401 - any event h11 sends
        """Encode and write, together with a head that waits."""
        data = self._encode(event)
        if self._held:
            pieces = (self._held, data) if data else (self._held,)
            self._held = b""
            await self._wire.write(*pieces)
        elif data:
            await self._wire.write(data)

    def _encode(self, event: Any) -> bytes:  # noqa: ANN401 - any event h11 sends
        """The bytes of an event; none once the client has broken the protocol."""
        try:
            data: bytes | None = cast("Any", self.connection).send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return b""
        return data or b""

    async def _maybe_recycle(self) -> None:
        """An exchange is over: take the next on this connection, or close it."""
        websocket = self.websocket
        await self._close_stream()
        ours, theirs = self.connection.our_state, self.connection.their_state
        if self._held:
            held, self._held = self._held, b""
            await self._wire.write(held)
        if (
            not self._over
            and ours is h11.DONE
            and theirs is h11.DONE
            and not self.context.terminated.is_set()
        ):
            self.connection.start_next_cycle()
            self._wire.idle()
        else:
            self._over = True
            complete = websocket.is_complete if websocket else theirs in COMPLETE
            self._wire.finish(linger=not complete)
        self.can_read.up()


class _Date:
    """The Date field, made once a second."""

    second = 0
    text = b""


def date() -> bytes:
    """Now, as the Date field wants it (RFC 9110 6.6.1)."""
    second = int(time())
    if second != _Date.second:
        _Date.second = second
        _Date.text = formatdate(second, usegmt=True).encode()
    return _Date.text
