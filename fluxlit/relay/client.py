"""Relay: HTTP exchanges and WebSockets with the services, as the gateway asks for them."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_bytes

from fluxlit.config.settings import Relay as Settings
from fluxlit.errors import UpstreamClosed
from fluxlit.log import get_logger
from fluxlit.protocol.closing import Closed, Message
from fluxlit.protocol.exchange import RequestHead, ResponseHead
from fluxlit.relay.connection import Answer, Connection
from fluxlit.relay.lane import Lane
from fluxlit.relay.stream import Connector, open_stream, tcp
from fluxlit.relay.upgrade import HandshakeRefused, upgrade
from fluxlit.relay.websocket import UpstreamSocket
from fluxlit.status import Endpoint

__all__ = [
    "Answer",
    "Closed",
    "HandshakeRefused",
    "Message",
    "Relay",
    "RequestHead",
    "ResponseHead",
    "UpstreamSocket",
]

log = get_logger("fluxlit.relay")

# Safe to send again although the first may have arrived (RFC 9110 9.2.2); PUT and DELETE are
# idempotent too, but a second answer to them may differ.
_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS"})


class Relay:
    """The client side towards every service; ``max_message`` bounds a WebSocket message in bytes.

    No cookies are kept, no proxies of the environment are used, nothing is changed in what passes.
    """

    def __init__(self, settings: Settings, *, max_message: int, connector: Connector = tcp) -> None:
        self._settings = settings
        self._max_message = max_message
        self._connector = connector
        self._lanes: dict[Endpoint, Lane] = {}

    @asynccontextmanager
    async def exchange(
        self, endpoint: Endpoint, head: RequestHead, body: AsyncIterator[bytes] | None = None
    ) -> AsyncGenerator[Answer]:
        """Ask ``endpoint``; the block runs once the answer has begun.

        A block that is left before the body is read to its end, in whatever way, closes the
        connection. Raises ConnectFailed, UpstreamTimeout, UpstreamProtocolError, UpstreamClosed;
        ValueError if ``head`` cannot be sent as it stands or ``body`` has not its Content-Length;
        and whatever ``body`` raises.
        """
        lane = self._lane(endpoint)
        try:
            connection = await lane.acquire()
            try:
                if body is None:
                    yield await self._ask(lane, connection, head)
                else:
                    async with connection.upload(head, body) as answer:
                        yield answer
            finally:
                lane.release(connection)
        finally:
            self._drop_if_empty(endpoint, lane)

    @asynccontextmanager
    async def websocket(
        self, endpoint: Endpoint, head: RequestHead
    ) -> AsyncGenerator[UpstreamSocket]:
        """Open a WebSocket at ``endpoint``; the block runs once the upstream has agreed.

        Leaving the block ends it, with the closing handshake unless the block failed or was
        cancelled. WebSockets do not count among ``max_connections``: sessions would starve requests.
        Raises HandshakeRefused, ConnectFailed, UpstreamTimeout, UpstreamProtocolError,
        UpstreamClosed; ValueError if ``head`` cannot be sent as it stands.
        """
        settings = self._settings
        stream = await open_stream(self._connector, endpoint, settings.connect_timeout)
        try:
            nonce = token_bytes(16)
            accepted = await upgrade(stream, head, nonce, settings.websocket_open_timeout)
            socket = UpstreamSocket(stream, accepted, settings, self._max_message)
            async with socket.running():
                yield socket
        finally:
            stream.close()

    async def forget(self, endpoint: Endpoint) -> None:
        """An instance is gone: close its idle connections; those in use close after their exchange."""
        lane = self._lanes.pop(endpoint, None)
        if lane is not None:
            lane.retire()

    async def expire(self) -> None:
        """Close connections that have idled past their time, for all endpoints."""
        for endpoint, lane in list(self._lanes.items()):
            lane.expire()
            self._drop_if_empty(endpoint, lane)

    async def aclose(self) -> None:
        """Close every idle connection, and the others as soon as their exchange is over."""
        for endpoint in list(self._lanes):
            await self.forget(endpoint)

    async def _ask(self, lane: Lane, connection: Connection, head: RequestHead) -> Answer:
        try:
            return await connection.ask(head)
        except UpstreamClosed:
            # The upstream may close an idle connection just when it is used again: then nothing
            # was answered, and a repeatable request may be sent once more (RFC 9112 9.3.1).
            stale = connection.reused and not connection.heard
            if not stale or head.method not in _REPEATABLE:
                raise
        log.debug("relay.retried", connection=connection.slot)
        await lane.renew(connection)
        return await connection.ask(head)

    def _lane(self, endpoint: Endpoint) -> Lane:
        lane = self._lanes.get(endpoint)
        if lane is None:
            lane = self._lanes[endpoint] = Lane(endpoint, self._settings, self._connector)
        return lane

    def _drop_if_empty(self, endpoint: Endpoint, lane: Lane) -> None:
        # Each start of a service brings a new port: a lane kept for each would be a leak.
        if lane.empty and self._lanes.get(endpoint) is lane:
            del self._lanes[endpoint]
