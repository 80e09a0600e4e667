"""The real listener, gateway and relay before a recording upstream, without a supervisor."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio

from fluxlit.config.settings import Log, Relay, Settings
from fluxlit.gateway.app import build_gateway
from fluxlit.gateway.asgi import ASGIApp
from fluxlit.gateway.server.limits import Limits
from fluxlit.gateway.server.listen import bind
from fluxlit.gateway.server.serve import Server
from fluxlit.relay.client import Relay as Client_
from fluxlit.status import (
    DaemonPhase,
    Endpoint,
    InstancePhase,
    InstanceStatus,
    Snapshot,
    StatusBoard,
)
from tests.conformance.upstream import Script, Upstream, serve
from tests.gateway.server.served import Client

STREAM = "/_stcore/stream"


@dataclass
class Stack:
    """A running stack."""

    server: Server
    upstream: Upstream
    board: StatusBoard
    instance: InstanceStatus
    port: int
    place: str
    """Host and port of the upstream."""

    async def connect(self, address: str = "127.0.0.1") -> Client:
        """A new client connection, from an address of the loopback network."""
        return Client(await anyio.connect_tcp("127.0.0.1", self.port, local_host=address))

    async def ask(self, data: bytes) -> bytes:
        """Everything that a client is answered who sends ``data``, up to the end of the connection."""
        async with await self.connect() as client:
            await client.send(data)
            return await client.rest()

    async def quiet(self) -> None:
        """Return when no connection is left on either side; fails after five seconds."""
        with anyio.fail_after(5):
            while self.server.connections or self.upstream.open:
                await anyio.sleep(0.005)

    def publish(self, phase: DaemonPhase, *instances: InstanceStatus) -> None:
        """Change what the board says."""
        self.board.publish(Snapshot(daemon=phase, instances=instances or (self.instance,)))


def request(line: str, *fields: str, body: bytes = b"", close: bool = True) -> bytes:
    """A request to ``Host: a``, the last of its connection unless told otherwise."""
    last = ("Connection: close",) if close else ()
    lines = (f"{line} HTTP/1.1", "Host: a", *last, *fields, "", "")
    return "\r\n".join(lines).encode("latin-1") + body


@asynccontextmanager
async def stack(
    script: Script = serve,
    *,
    api: ASGIApp | None = None,
    limits: Limits | None = None,
    relay: dict[str, Any] | None = None,
    **gateway: Any,
) -> AsyncGenerator[Stack]:
    """Serve on a free port; ``relay`` and ``gateway`` are settings. At the end nothing may be left.

    Unless told otherwise nothing is pooled, so that a request heard is the work of one client.
    """
    settings = Settings(
        log=Log(access=False, level="error"),
        relay=replace(
            Relay(keep_alive=0, park_timeout=0, websocket_close_timeout=0.3), **(relay or {})
        ),
    )
    settings = replace(settings, gateway=replace(settings.gateway, port=0, **gateway))
    upstream = Upstream(script)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    board, client = (
        StatusBoard(),
        Client_(settings.relay, max_message=settings.gateway.max_websocket_message),
    )
    place = Endpoint("127.0.0.1", listener.extra(anyio.abc.SocketAttribute.local_port))
    instance = InstanceStatus("ui-1", "ui", 0, 1, InstancePhase.READY, 0.0, place)
    board.publish(Snapshot(daemon=DaemonPhase.READY, instances=(instance,)))
    listeners = bind(settings.gateway)
    port = listeners[0].getsockname()[1]
    app = build_gateway(settings, board, api, client, random=lambda: 0.0)
    limits = limits or Limits(idle=20.0, tick=0.02)
    server = Server(app, listeners, settings.gateway, limits=limits)
    with anyio.fail_after(50):
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, upstream.handle)
            await tasks.start(server.serve)
            served = Stack(server, upstream, board, instance, port, str(place))
            yield served
            await server.close(0.0)
            await client.aclose()
            upstream.over.set()
            await served.quiet()
            tasks.cancel_scope.cancel()
