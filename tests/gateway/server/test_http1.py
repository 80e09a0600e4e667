"""What an HTTP/1.1 answer looks like on the wire."""

from email.utils import parsedate_to_datetime
from pathlib import Path

import anyio

from fluxlit.gateway.asgi import Receive, Scope, Send
from fluxlit.gateway.server.http1 import date
from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import Application, serving


async def test_short_answer_is_one_write() -> None:
    """Head and body of a short answer arrive in one read, so that they leave in one segment."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.stream.receive()).endswith(b"\r\n\r\nfine")


async def test_head_of_an_open_ended_answer_does_not_wait_for_its_body() -> None:
    """A stream's head arrives although no byte of its body has been sent."""

    async def events(_: Scope, receive: Receive, send: Send, app: Application) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serving({"/events": events}) as served, await served.connect() as client:
        await client.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_head_request_gets_the_length_and_no_body() -> None:
    """HEAD: the fields of GET, then the next answer on the same connection."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(b"HEAD /status HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"content-length: 4" in (await client.until(b"\r\n\r\n")).lower()
        await client.send(b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.until(b"fine")).startswith(b"HTTP/1.1 200")


async def test_date_of_the_application_stands() -> None:
    """A Date that the application sends is not doubled."""

    async def dated(_: Scope, receive: Receive, send: Send, app: Application) -> None:
        fields = [(b"Date", b"then"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    async with serving({"/": dated}) as served, await served.connect() as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = (await client.until(b"\r\n\r\n")).lower()
        assert (head.count(b"date:"), b"date: then" in head) == (1, True)


def test_date_is_as_http_wants_it() -> None:
    """RFC 9110 5.6.7: IMF-fixdate in GMT."""
    text = date().decode()
    assert text.endswith("GMT")
    assert parsedate_to_datetime(text).tzinfo is not None


async def test_large_upload_waits_for_the_application() -> None:
    """A body far above the queue's limit arrives whole."""
    size = 3_000_000
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(
            f"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
        )
        await client.stream.send(bytes(size))
        await client.until(b"\r\n\r\n")
        assert await client.exactly(size) == bytes(size)


def descriptors() -> int:
    """File descriptors open in this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_socket_is_left_open() -> None:
    """After closing, the server has given every descriptor back."""
    async with serving(ROUTES) as served:
        await served.status()
    before = descriptors()
    async with serving(ROUTES) as served:
        for _ in range(10):
            await served.status()
        await served.quiet()
    with anyio.fail_after(5):
        while descriptors() > before:
            await anyio.lowlevel.checkpoint()
