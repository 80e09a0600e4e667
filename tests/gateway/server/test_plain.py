"""The short way of the listener: the same answers, also where it ends in the middle."""

import anyio
from anyio.lowlevel import checkpoint
from structlog.testing import capture_logs

from fluxlit.gateway.asgi import WATCH, Receive, Scope, Send
from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import Application, serving

PLAIN = b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_plain_and_other_requests_share_a_connection() -> None:
    """In any order: h11 knows nothing of the plain ones and misses nothing."""
    post = b"POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    async with serving(ROUTES) as served, await served.connect() as client:
        for request in (PLAIN, post, PLAIN, PLAIN, post, post, PLAIN):
            await client.send(request)
            assert (await client.until(b"fine")).startswith(b"HTTP/1.1 200")


async def test_what_comes_during_a_plain_exchange_waits() -> None:
    """A pipelined request is answered second, and the first one is not disturbed (RFC 9112 9.3.2)."""
    go = anyio.Event()
    begun: list[str] = []

    async def slow(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
        begun.append(scope["query_string"].decode())
        await go.wait()
        body = scope["query_string"]
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with serving({"/slow": slow}) as served, await served.connect() as client:
        await client.send(b"GET /slow?1 HTTP/1.1\r\nHost: a\r\n\r\n")
        while not begun:
            await checkpoint()
        await client.send(b"GET /slow?2 HTTP/1.1\r\nHost: a\r\n\r\n")
        go.set()
        assert (await client.until(b"\r\n\r\n1")).startswith(b"HTTP/1.1 200")
        assert (await client.until(b"\r\n\r\n2")).startswith(b"HTTP/1.1 200")
        assert begun == ["1", "2"]


async def test_an_answer_that_is_not_plain_goes_the_long_way() -> None:
    """Without a length it is chunked, as ever; the connection lives on."""

    async def stream(_: Scope, receive: Receive, send: Send, app: Application) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async with serving({**ROUTES, "/stream": stream}) as served, await served.connect() as client:
        await client.send(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await client.until(b"0\r\n\r\n")
        assert b"1\r\na\r\n1\r\nb\r\n" in answer
        await client.send(PLAIN)
        assert (await client.until(b"fine")).startswith(b"HTTP/1.1 200")


async def test_a_body_of_another_length_ends_the_connection() -> None:
    """Too long or too short: never a second answer on the same connection."""

    async def wrong(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": scope["query_string"]})

    for body in (b"a", b"abc"):
        async with serving({"/wrong": wrong}) as served, await served.connect() as client:
            with capture_logs() as logs:
                await client.send(b"GET /wrong?%b HTTP/1.1\r\nHost: a\r\n\r\n" % body)
                assert not (await client.rest()).endswith(body)
            assert [line["event"] for line in logs] == ["gateway.app_failed"]


async def test_whoever_watches_is_told_that_the_client_left() -> None:
    """Once, and without reading; whoever asks late is told at once."""
    told: list[str] = []
    over = anyio.Event()

    async def watching(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
        watch, gone = scope["extensions"][WATCH], anyio.Event()
        watch(gone.set)
        await gone.wait()
        told.append("first")
        watch(lambda: told.append("late"))
        over.set()

    async with serving({"/watch": watching}) as served:
        async with await served.connect() as client:
            await client.send(b"GET /watch HTTP/1.1\r\nHost: a\r\n\r\n")
            while served.server.connections == 0:
                await checkpoint()
        with anyio.fail_after(5):
            await over.wait()
    assert told == ["first", "late"]
