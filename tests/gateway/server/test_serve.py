"""The public server: serving, limits on connections, and the drain."""

import anyio
import pytest

from fluxlit.gateway.server.limits import Limits
from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import Client, frame, quick, serving

POST_HALF = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab"
GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_serves_http_and_keeps_the_connection() -> None:
    """Two requests on one connection get two answers."""
    async with serving(ROUTES) as served, await served.connect() as client:
        for _ in range(2):
            await client.send(GET % b"/status")
            assert (await client.until(b"fine")).startswith(b"HTTP/1.1 200")
        assert served.server.connections == 1


async def test_serves_websockets() -> None:
    """A text and a binary message come back as they were."""
    async with serving(ROUTES) as served, await served.connect() as client:
        assert (await client.websocket()).startswith(b"HTTP/1.1 101")
        await client.send(frame(0x81, b"text") + frame(0x82, b"\xff"))
        assert await client.frame() == (0x81, b"text")
        assert await client.frame() == (0x82, b"\xff")


async def test_drain_closes_idle_connections_at_once() -> None:
    """close() ends an idle connection and does not wait its grace out."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(GET % b"/status")
        await client.until(b"fine")
        with anyio.fail_after(2):
            await served.server.close(60)
        assert await client.rest() == b""


async def test_stop_accepting_refuses_new_clients_and_ends_connections_after_their_exchange() -> (
    None
):
    """An open connection gets one more answer, which says close; a new one is refused."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(GET % b"/status")
        await client.until(b"fine")
        served.server.stop_accepting()
        with pytest.raises(OSError, match="connect"):
            await served.connect()
        await client.send(GET % b"/status")
        assert b"connection: close" in (await client.rest()).lower()


async def test_drain_waits_for_a_streaming_answer_and_then_cuts_it() -> None:
    """At the end of the grace an endless answer ends without its last chunk, and its task with it."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(GET % b"/stream?size=10")
        await client.until(b"\r\n\r\n")
        start = anyio.current_time()
        body = b""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(served.server.close, 0.2)
            body = await client.rest()
        assert anyio.current_time() - start >= 0.2
        assert not body.endswith(b"0\r\n\r\n")
        assert served.app.live == 0


async def test_drain_lets_an_exchange_finish() -> None:
    """A request whose body is still arriving is answered within the grace."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        while not served.app.told:
            await anyio.sleep(0.005)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(served.server.close, 5)
            await anyio.sleep(0.02)
            await client.send(b"cd")
            assert (await client.rest()).endswith(b"abcd")


async def test_drain_tells_an_open_websocket_1012() -> None:
    """A WebSocket that its application leaves open is closed with 1012 at the deadline."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket()
        await served.server.close(0.05)
        opcode, payload = await client.frame()
        assert (opcode, payload[:2]) == (0x88, (1012).to_bytes(2, "big"))


async def test_cancelled_server_leaves_nothing() -> None:
    """Cancelling serve() from outside closes listeners and connections and tells WebSockets 1012."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket()
        served.tasks.cancel_scope.cancel()
        opcode, payload = 0, b""
        with anyio.CancelScope(shield=True):
            while served.server.connections:
                await anyio.sleep(0.005)
            opcode, payload = await client.frame()
        assert (opcode, payload[:2]) == (0x88, (1012).to_bytes(2, "big"))


async def test_a_client_above_the_limit_is_told_503_unless_an_idle_one_can_go() -> None:
    """With every connection busy the next is refused; an idle one makes room instead."""
    async with serving(ROUTES, max_connections=1) as served, await served.connect() as first:
        await first.send(GET % b"/status")
        await first.until(b"fine")
        async with await served.connect() as second:
            await second.send(GET % b"/wait")
            assert await first.rest() == b""
            while not served.app.live:
                await anyio.sleep(0.005)
            async with await served.connect() as third:
                assert (await third.rest()).startswith(b"HTTP/1.1 503")
        await served.quiet()


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        pytest.param(quick(idle=0.05), b"", id="idle"),
        pytest.param(quick(head=0.05), b"GET / HT", id="slow head"),
        pytest.param(quick(body=0.05), POST_HALF, id="slow body"),
    ],
)
async def test_deadlines_close_a_connection(limits: Limits, sent: bytes) -> None:
    """A client that sends nothing, half a head or half a body is not waited for."""
    async with serving(ROUTES, limits=limits) as served, await served.connect() as client:
        await client.send(sent)
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 408 ") if sent == POST_HALF else answer == b""
        await served.quiet()


async def test_trickled_head_gets_no_more_time() -> None:
    """Further bytes of a head do not move its deadline: a byte now and then keeps nothing open."""

    async def trickle(client: Client) -> None:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        while True:
            await client.send(b"X-A: b\r\n")
            await anyio.sleep(0.01)

    async with (
        serving(ROUTES, limits=quick(head=0.1)) as served,
        await served.connect() as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(trickle, client)
        await served.quiet_after_start()
        tasks.cancel_scope.cancel()


async def test_write_deadline_ends_a_client_that_does_not_read() -> None:
    """An answer of which nothing is taken for the write limit is given up, and its task ends."""
    async with serving(ROUTES, limits=quick(write=0.1)) as served, await served.connect() as client:
        await client.send(GET % b"/stream?size=65536")
        while not served.app.live:
            await anyio.sleep(0.005)
        await served.quiet()
