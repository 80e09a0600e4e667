"""The servers that are measured, each in a process of its own: `python -m tests.bench.peers NAME …` prints its port."""

import contextlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import anyio

CONSTANT = b"ok"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A constant for HTTP, an echo for WebSockets."""
    if scope["type"] == "lifespan":
        while (kind := (await receive())["type"]) != "lifespan.shutdown":
            await send({"type": f"{kind}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": CONSTANT})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send(
                {
                    "type": "websocket.send",
                    "bytes": message.get("bytes"),
                    "text": message.get("text"),
                }
            )


async def hypercorn(backend: str) -> None:
    """Hypercorn as it is installed, with its own server loop."""
    from hypercorn.config import Config, Sockets

    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = None
    config.errorlog = None
    config.websocket_max_message_size = 1 << 28
    sockets: Sockets = config.create_sockets()
    listener = sockets.insecure_sockets[0]
    print(listener.getsockname()[1], flush=True)
    config.bind = [f"fd://{listener.detach()}"]
    worker: Any = import_module("hypercorn.trio" if backend == "trio" else "hypercorn.asyncio")
    await worker.serve(app, config, shutdown_trigger=anyio.sleep_forever)


async def echo(_backend: str) -> None:
    """The upstream of the relay: a constant and an echo from a fast server."""
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.datastructures import Headers
    from websockets.exceptions import ConnectionClosed
    from websockets.http11 import Request, Response

    def constant(_connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        return Response(
            200, "OK", Headers({"Content-Type": "text/plain", "Content-Length": "2"}), CONSTANT
        )

    async def repeat(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                await connection.send(message)

    async with serve(
        repeat, "127.0.0.1", 0, process_request=constant, compression=None, max_size=None
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


async def upstream(backend: str) -> None:
    """A keep-alive HTTP upstream: our own listener under the constant app."""
    from fluxlit.config.settings import Gateway
    from fluxlit.gateway.server.listen import bind
    from fluxlit.gateway.server.serve import Server

    del backend
    gateway = Gateway(port=0)
    listeners = bind(gateway)
    server = Server(app, listeners, gateway)  # type: ignore[arg-type]
    print(listeners[0].getsockname()[1], flush=True)
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.serve)


async def relay(backend: str, port: int) -> None:
    """Listener, gateway and relay of the daemon in front of any upstream, without a supervisor."""
    from fluxlit import log
    from fluxlit.config.settings import Log, Settings
    from fluxlit.gateway.app import build_gateway
    from fluxlit.gateway.server.listen import bind
    from fluxlit.gateway.server.serve import Server
    from fluxlit.relay.client import Relay
    from fluxlit.status import (
        DaemonPhase,
        Endpoint,
        InstancePhase,
        InstanceStatus,
        Snapshot,
        StatusBoard,
    )

    del backend
    settings = Settings(log=Log(access=False, level="warning"))
    log.configure(settings.log)
    board = StatusBoard()
    instance = InstanceStatus(
        "ui-1", "ui", 0, 1, InstancePhase.READY, 0.0, Endpoint("127.0.0.1", port)
    )
    board.publish(Snapshot(daemon=DaemonPhase.READY, instances=(instance,)))
    gateway = replace(settings.gateway, port=0)
    listeners = bind(gateway)
    client = Relay(settings.relay, max_message=gateway.max_websocket_message)
    server = Server(build_gateway(settings, board, app, client), listeners, gateway)  # type: ignore[arg-type]
    print(listeners[0].getsockname()[1], flush=True)
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.serve)


def main() -> None:
    """Run one peer until it is killed."""
    name, backend, *rest = sys.argv[1:]
    peers: dict[str, Callable[..., Awaitable[None]]] = {
        "hypercorn": hypercorn,
        "echo": echo,
        "upstream": upstream,
        "relay": relay,
    }
    options = {"use_uvloop": True} if backend == "uvloop" else {}
    anyio.run(
        peers[name],
        backend,
        *map(int, rest),
        backend="trio" if backend == "trio" else "asyncio",
        backend_options=options,
    )


if __name__ == "__main__":
    main()
