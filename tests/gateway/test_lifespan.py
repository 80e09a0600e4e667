"""The API's lifespan: startup before serving, its state on every request, shutdown after."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request

from fluxlit.gateway.asgi import Message, Receive, Scope, Send
from fluxlit.gateway.lifespan import StartupFailed, lifespan


async def ask(app: Any, path: str) -> bytes:
    """The body of one GET."""
    body = b""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal body
        body += message.get("body", b"")

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    return body


async def test_startup_and_shutdown_run_once_around_the_requests() -> None:
    """What startup yields is on every request; shutdown runs after the block."""
    story: list[str] = []

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncGenerator[dict[str, str], None]:
        story.append("up")
        yield {"pool": "p1"}
        story.append("down")

    api = FastAPI(lifespan=life)

    @api.get("/pool")
    async def pool(request: Request) -> str:
        return str(request.state.pool)

    async with lifespan(api) as app:
        assert await ask(app, "/pool") == b'"p1"'
        assert await ask(app, "/pool") == b'"p1"'
        assert story == ["up"]
    assert story == ["up", "down"]


def _connect() -> None:
    raise ConnectionError("no database at db:5432")


async def test_a_failing_startup_names_the_apps_own_error() -> None:
    """StartupFailed carries the last line of what the app said."""

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncGenerator[None, None]:
        _connect()
        yield

    with pytest.raises(StartupFailed, match="no database at db:5432"):
        async with lifespan(FastAPI(lifespan=life)):
            pytest.fail("served an app that did not start")


def _give_up() -> None:
    sys.exit("no database")


async def test_sys_exit_at_the_startup_is_a_failure_like_others() -> None:
    """On asyncio it would else leave through the loop and pass every task group."""

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncGenerator[None, None]:
        _give_up()
        yield

    with pytest.raises(StartupFailed, match="SystemExit: no database"):
        async with lifespan(FastAPI(lifespan=life)):
            pytest.fail("served an app that did not start")


async def test_an_app_without_lifespan_is_served() -> None:
    """An app that raises on the lifespan scope has none; it is served all the same."""

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"plain"})

    async with lifespan(plain) as app:
        assert await ask(app, "/") == b"plain"


async def test_a_failing_shutdown_ends_nothing() -> None:
    """Shutdown errors are logged, not raised: the process is about to end anyway."""

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncGenerator[None, None]:
        yield
        raise RuntimeError("cannot flush")

    async with lifespan(FastAPI(lifespan=life)):
        pass
