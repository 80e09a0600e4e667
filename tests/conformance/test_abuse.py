"""Clients that mean harm, against the whole stack: memory stays bounded and a good client is served."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from resource import getpagesize

import anyio
import pytest

from fluxlit.gateway import websocket
from fluxlit.gateway.server import connection
from fluxlit.gateway.server.limits import Limits
from tests.conformance.stack import STREAM, Stack, request, stack
from tests.conformance.test_bodies import reset, statuses
from tests.conformance.test_websockets import BINARY, CLOSE, PING, code, frame_up
from tests.conformance.upstream import OK, Talk
from tests.gateway.server.served import Client, frame, handshake

MIB = 1024 * 1024
ROOM = 32 * MIB
"""What the process may grow by: socket buffers of both ends, and what an allocator keeps."""
QUICK = Limits(idle=0.4, head=0.3, body=0.3, write=0.3, linger=0.3, tick=0.02)
PATIENT = Limits(idle=20.0, tick=0.02)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deaf upstream is not waited for as long as usual."""
    monkeypatch.setattr(websocket, "GOODBYE", 0.2)


def resident() -> int:
    """Bytes of memory that the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


@asynccontextmanager
async def unharmed(served: Stack) -> AsyncGenerator[None]:
    """Meanwhile a good client is answered, again and again; memory stays bounded."""

    async def ask() -> None:
        while True:
            with anyio.fail_after(5):
                assert (await served.ask(request("GET /good"))).endswith(b"ok")
            answered.set()
            await anyio.sleep(0.05)

    before, answered = resident(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        yield
        await answered.wait()
        tasks.cancel_scope.cancel()
    assert resident() - before < ROOM


async def pour(client: Client, data: bytes, seconds: float = 0.12) -> int:
    """Write ``data`` again and again without reading; how many bytes were taken."""
    taken = 0
    with anyio.move_on_after(seconds), suppress(anyio.BrokenResourceError):
        while True:
            await client.stream.send(data)
            taken += len(data)
    return taken


async def kind(talk: Talk) -> None:
    """Serve requests; agree to a WebSocket and read nothing of it."""
    while (heard := await talk.head()) is not None:
        if heard.values("upgrade"):
            await talk.upgrade(heard=heard)
        if heard.values("upgrade") or heard.target == b"/deaf":
            await talk.without_reading()
            return
        await talk.body(heard)
        size = 64 * MIB if heard.target == b"/large" else 2
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        with suppress(anyio.BrokenResourceError):
            for _ in range(size // 65_536):
                await talk.stream.send(bytes(65_536))
        await talk.send(b"ok" if size == 2 else b"")


SLOW = {
    "head": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ",
    "body": request("POST /", "Content-Length: 99999", body=b"half"),
    "chunked body": request("POST /", "Transfer-Encoding: chunked", body=b"5\r\nhel"),
    "websocket head": handshake(STREAM)[:-2],
    "read": request("GET /large"),
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
async def test_slow_clients_are_let_go(sent: bytes) -> None:
    """Twenty that stop in the middle: all are closed within their time."""
    async with stack(kind, limits=QUICK) as served, unharmed(served):
        clients = [await served.connect() for _ in range(20)]
        for client in clients:
            await client.send(sent)
        with anyio.fail_after(10):
            while served.server.connections > 1:
                await anyio.sleep(0.02)
        for client in clients:
            await client.stream.aclose()


async def test_a_trickle_of_a_body_gets_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then does not keep the connection; a body at the least rate does."""
    monkeypatch.setattr(connection, "BODY_RATE", 100)
    async with stack(limits=QUICK) as served:
        async with await served.connect() as client:
            await client.send(request("POST /", "Content-Length: 9999"))
            with anyio.fail_after(3), suppress(anyio.BrokenResourceError):
                while served.server.connections:
                    await client.stream.send(b"x")
                    await anyio.sleep(0.05)
        async with await served.connect() as client:
            await client.send(request("POST /", "Content-Length: 160"))
            for _ in range(16):
                await client.send(bytes(10))
                await anyio.sleep(0.05)
            assert statuses(await client.rest()) == [200]


BOMBS = {
    "one field": (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a" * 65_536),
    "many fields": (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n" * 10_000),
    "folded": (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n", b" y\r\n" * 10_000),
    "target": (b"GET /", b"a" * 65_536),
    "empty lines": (b"", b"\r\n" * 30_000),
    "chunk extension": (request("POST /", "Transfer-Encoding: chunked") + b"5;", b"a" * 65_536),
    "chunk size": (request("POST /", "Transfer-Encoding: chunked"), b"0" * 65_536),
    "trailers": (request("POST /", "Transfer-Encoding: chunked", body=b"0\r\n"), b"X: y\r\n" * 9999),
}  # fmt: skip


@pytest.mark.parametrize(("start", "more"), BOMBS.values(), ids=BOMBS.keys())
async def test_endless_heads_and_chunks(start: bytes, more: bytes) -> None:
    """Refused after some 64 KiB, whatever it is that does not end."""
    limits = Limits(idle=2.0, head=2.0, body=2.0, linger=0.1, tick=0.02)
    async with stack(limits=limits) as served, unharmed(served):
        async with await served.connect() as client:
            await client.send(start)
            await pour(client, more, 2.0)
            assert (await client.rest()).startswith((b"HTTP/1.1 4", b""))
        assert not any(one.complete for one in served.upstream.requests if one.method == b"POST")


FLOODS = {
    "messages": frame(BINARY, bytes(16_384)),
    "large messages": frame(BINARY, bytes(4 * MIB)),
    "empty messages": frame(BINARY) * 1000,
    "fragments": (frame(0x02, b"x") + frame(0x00, b"x") * 998 + frame(0x80, b"x")),
    "pings": frame(PING, bytes(125)) * 100,
    "pongs": frame(0x8A, bytes(125)) * 100,
}


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("data", FLOODS.values(), ids=FLOODS.keys())
async def test_websocket_floods(data: bytes) -> None:
    """Nobody reads at the other end: the flood is held up, not stored."""
    async with stack(kind, limits=PATIENT) as served, unharmed(served):
        async with await served.connect() as client:
            assert (await client.websocket(STREAM)).startswith(b"HTTP/1.1 101 ")
            assert await pour(client, data)
            assert served.server.connections


async def test_pings_of_the_upstream_are_bounded() -> None:
    """It floods and does not read the answers."""

    async def script(talk: Talk) -> None:
        heard = await talk.head()
        if heard is not None and heard.values("upgrade"):
            await talk.upgrade(heard=heard)
            with anyio.move_on_after(0.6):
                while True:
                    await talk.stream.send(frame_up(PING, bytes(125)) * 100)
        else:
            await talk.send(OK + b"ok")

    async with stack(script, limits=PATIENT) as served, unharmed(served):
        async with await served.connect() as client:
            await client.websocket(STREAM)
            assert (await client.frame())[0] == CLOSE


@pytest.mark.usefixtures("hasty")
async def test_t18_after_1009_nothing_is_stored() -> None:
    """What follows a message that is too large is thrown away, and the connection ends."""
    async with stack(kind, limits=QUICK, max_websocket_message=1000) as served, unharmed(served):
        async with await served.connect() as client:
            await client.websocket(STREAM)
            await client.send(frame(BINARY, bytes(1001)))
            assert (await client.frame())[1][:2] == code(1009)
            await pour(client, frame(BINARY, bytes(65_536)), 3.0)
            await client.rest()


@pytest.mark.usefixtures("hasty")
async def test_t9_deflate_is_not_agreed_to() -> None:
    """A bomb of compressed zeros is a frame with a reserved bit: 1002."""
    async with stack(kind, limits=QUICK) as served, unharmed(served):
        async with await served.connect() as client:
            offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15"
            assert b"xtensions" not in await client.websocket(STREAM, offer)
            await client.send(frame(0xC2, bytes(60_000)))
            assert (await client.frame())[1][:2] == code(1002)


async def test_w17_a_client_that_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """1013 behind what it has not read, 1001 up; another session goes on all the time."""

    async def script(talk: Talk) -> None:
        heard = await talk.head()
        assert heard is not None
        await talk.upgrade(heard=heard)
        if heard.value("x-role") == b"good":
            while True:
                await talk.send(frame_up(*await talk.frame()))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flood, talk)
            told.append(await talk.frame())
            tasks.cancel_scope.cancel()

    async def flood(talk: Talk) -> None:
        while True:
            await talk.stream.send(frame_up(BINARY, bytes(16_384)))

    monkeypatch.setattr(websocket, "SLOW", 0.3)
    monkeypatch.setattr(websocket, "GOODBYE", 1.0)
    told: list[tuple[int, bytes]] = []
    async with stack(script, limits=PATIENT) as served:
        before = resident()
        async with await served.connect() as slow, await served.connect() as good:
            await slow.websocket(STREAM)
            await good.websocket(STREAM, "X-Role: good")
            with anyio.fail_after(5):
                while not told:
                    await good.send(frame(BINARY, b"x"))
                    assert await good.frame() == (BINARY, b"x")
                    await anyio.sleep(0.01)
            assert resident() - before < ROOM
            assert told == [(CLOSE, code(1001))]
            while (last := await slow.frame())[0] == BINARY:
                pass
            assert (last[0], last[1][:2]) == (CLOSE, code(1013))


LEAVING: dict[str, Callable[[Client], Awaitable[object]]] = {
    "upload": lambda client: client.send(
        request("POST /deaf", "Content-Length: 99999999", body=bytes(300_000))
    ),
    "websocket": lambda client: client.websocket(STREAM),
}


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("begin", LEAVING.values(), ids=LEAVING.keys())
async def test_a_client_that_leaves_is_noticed_behind_its_own_bytes(
    begin: Callable[[Client], Awaitable[object]],
) -> None:
    """The upstream reads nothing, so nor do we: a reset is seen all the same, at the next look."""
    async with stack(kind, limits=PATIENT) as served:
        async with await served.connect() as client:
            await begin(client)
            await pour(client, frame(BINARY, bytes(65_536)))
            await reset(client)
        with anyio.fail_after(4):
            while served.server.connections:
                await anyio.sleep(0.02)
