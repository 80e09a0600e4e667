"""Containment: an error inside the server ends one connection only."""

import pytest
from structlog.testing import capture_logs

from fluxlit.gateway.asgi import Receive, Scope, Send
from fluxlit.gateway.server.plain import PlainHttp1
from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import Application, serving


async def test_t00_error_in_the_protocol_ends_one_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bug of ours costs the connection that met it, one line in the log, and nothing else."""
    receive = PlainHttp1.receive

    async def fail(self: PlainHttp1, data: bytes) -> None:
        if b"/bug" in data:
            message = "a bug"
            raise RuntimeError(message)
        await receive(self, data)

    monkeypatch.setattr(PlainHttp1, "receive", fail)
    async with serving(ROUTES) as served, await served.connect() as other:
        await other.websocket()
        with capture_logs() as logs:
            async with await served.connect() as client:
                await client.send(b"GET /bug HTTP/1.1\r\nHost: a\r\n\r\n")
                assert await client.rest() == b""
        assert [line["event"] for line in logs] == ["gateway.connection_failed"]
        assert served.server.connections == 1
        assert (await served.status()).endswith(b"fine")


async def test_error_with_an_application_running_cancels_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The application of a broken connection does not live on."""
    async with serving(ROUTES) as served:
        with capture_logs():
            async with await served.connect() as client:
                await client.websocket()

                async def fail(self: PlainHttp1, data: bytes) -> None:
                    message = "a bug"
                    raise RuntimeError(message)

                monkeypatch.setattr(PlainHttp1, "receive", fail)
                await client.send(b"x")
                await client.rest()
            await served.quiet()


async def test_scope_names_both_ends() -> None:
    """The application sees the client's and the server's address."""
    seen: list[Scope] = []

    async def look(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
        seen.append(scope)

    async with serving({"/": look}) as served, await served.connect() as client:
        with capture_logs():
            await client.send(b"GET /?q=%20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await client.rest()).startswith(b"HTTP/1.1 500")
        (scope,) = seen
        assert scope["server"] == ("127.0.0.1", served.port)
        assert scope["client"][0] == "127.0.0.1"
        assert (scope["raw_path"], scope["query_string"]) == (b"/", b"q=%20")
