"""The public server: accepts, serves, keeps deadlines, drains, on asyncio, uvloop and trio alike."""

import socket
from collections.abc import Sequence
from functools import partial
from time import monotonic

import anyio
from anyio.abc import TaskGroup, TaskStatus

from fluxlit.config.settings import Gateway
from fluxlit.gateway.asgi import ASGIApp
from fluxlit.gateway.server.accept import Acceptor
from fluxlit.gateway.server.addresses import Addresses
from fluxlit.gateway.server.connection import Connection, Phase
from fluxlit.gateway.server.context import Context, Flag
from fluxlit.gateway.server.limits import Limits, hypercorn_config
from fluxlit.gateway.server.tasks import contained


class Server:
    """Serves an ASGI application on listening sockets, which it owns and closes."""

    def __init__(
        self,
        app: ASGIApp,
        listeners: Sequence[socket.socket],
        gateway: Gateway,
        *,
        limits: Limits | None = None,
    ) -> None:
        self._app = app
        self._listeners = list(listeners)
        self._limits = limits or Limits(idle=gateway.keep_alive_timeout)
        self._config = hypercorn_config(gateway)
        self._context = Context()
        self._most = gateway.max_connections
        self._addresses = Addresses(gateway)
        self._open: set[Connection] = set()
        self._live: set[Connection] = set()
        self._some = Flag()
        self._none = Flag()
        self._done = Flag()
        self._serving = False
        self._acceptor = Acceptor()

    def __repr__(self) -> str:
        return f"<Server {self.connections} connections, {len(self._listeners)} listeners>"

    @property
    def connections(self) -> int:
        """Client connections that are open now."""
        return len(self._open)

    async def serve(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until close() is done; reports itself started once it accepts."""
        try:
            async with anyio.create_task_group() as tasks:
                self._serving = True
                for listener in self._listeners:
                    tasks.start_soon(self._acceptor.run, listener, partial(self._take, tasks))
                tasks.start_soon(self._watch)
                task_status.started()
                await self._done.wait()
                tasks.cancel_scope.cancel()
        finally:
            self._serving = False
            self.stop_accepting()
            for connection in list(self._open):
                connection.close()

    def stop_accepting(self) -> None:
        """Close the listeners; what is open lives on, each connection to the end of its exchange."""
        self._context.terminated.up()
        for listener in self._listeners:
            if listener.fileno() >= 0:
                if self._serving:
                    anyio.notify_closing(listener)
                listener.close()
        self._listeners.clear()
        self._acceptor.close()

    async def close(self, grace: float) -> None:
        """Stop accepting, wait up to ``grace`` seconds for exchanges, then end what is left."""
        self.stop_accepting()
        for connection in list(self._open):
            connection.stop()
        with anyio.move_on_after(grace):
            await self._empty()
        for connection in list(self._live):
            connection.cancel()
        await self._empty()
        self._done.up()

    async def _empty(self) -> None:
        """Wait until no connection has a task left."""
        while self._live:
            self._none.down()
            await self._none.wait()

    def _take(self, tasks: TaskGroup, client: socket.socket) -> None:
        """A client has connected."""
        address = self._addresses.enter(client)
        if address is None:
            self._acceptor.refuse(client, "too many connections of one address")
            return
        if len(self._open) >= self._most and not self._make_room():
            self._addresses.leave(address)
            self._acceptor.refuse(client, "too many connections")
            return
        connection = Connection(client, self._app, self._config, self._context, self._limits)
        connection.closed = partial(self._closed, address)
        self._open.add(connection)
        self._live.add(connection)
        self._some.up()
        tasks.start_soon(self._contain, connection, name="connection")

    def _closed(self, address: str, connection: Connection) -> None:
        self._open.discard(connection)
        self._addresses.leave(address)

    def _make_room(self) -> bool:
        """End the connection that has been idle longest, if one is, to take another in its place."""
        idle = [connection for connection in self._open if connection.phase is Phase.IDLE]
        if not idle:
            return False
        oldest = min(idle, key=lambda connection: connection.since)
        oldest.stop()
        self._open.discard(oldest)
        self._acceptor.warn("too many connections, the longest idle one is closed")
        return True

    async def _contain(self, connection: Connection) -> None:
        """Serve one connection; whatever goes wrong ends it alone."""
        try:
            await contained(connection.run(), "gateway.connection_failed")
        finally:
            self._live.discard(connection)
            if not self._live:
                self._some.down()
                self._none.up()

    async def _watch(self) -> None:
        """Look at every connection's deadlines while there are any."""
        while True:
            await self._some.wait()
            await anyio.sleep(self._limits.tick)
            now = monotonic()
            for connection in list(self._open):
                connection.look(now)
