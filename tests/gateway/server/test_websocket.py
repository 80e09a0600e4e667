"""WebSockets: close codes both ways, denial, pings, large messages."""

import anyio
import pytest

from fluxlit.gateway.asgi import Receive, Scope, Send
from fluxlit.gateway.server.websocket import sendable
from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import Application, frame, quick, serving

MEGABYTE = 1_000_000


async def test_t11_close_of_the_client_reaches_the_application() -> None:
    """Code and reason arrive, and the Close is echoed."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket()
        payload = (4001).to_bytes(2, "big") + b"bye"
        await client.send(frame(0x88, payload))
        assert await client.frame() == (0x88, payload)
        await client.stream.aclose()
        await served.quiet()
        assert served.app.disconnects() == [(4001, "bye")]


@pytest.mark.parametrize(
    ("sent", "told"), [(frame(0x88), (1005, "")), (b"", (1006, ""))], ids=["no code", "no close"]
)
async def test_end_without_a_code(sent: bytes, told: tuple[int, str]) -> None:
    """An empty Close is 1005, a lost connection 1006."""
    async with serving(ROUTES) as served:
        async with await served.connect() as client:
            await client.websocket()
            await client.send(sent)
            await client.stream.send_eof()
            await client.rest()
        await served.quiet()
        assert served.app.disconnects() == [told]


async def test_close_of_the_application_carries_its_reason() -> None:
    """Code and reason go out; the application then hears what the client answered."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket("/ws-close?code=4002&reason=enough&wait=1")
        assert await client.frame() == (0x88, (4002).to_bytes(2, "big") + b"enough")
        await client.send(frame(0x88, (4002).to_bytes(2, "big")))
        assert await client.rest() == b""
        await served.quiet()
        assert served.app.disconnects() == [(4002, "")]


async def test_client_that_never_answers_a_close_is_let_go() -> None:
    """After the linger time the connection ends although the client keeps quiet."""
    async with (
        serving(ROUTES, limits=quick(linger=0.1)) as served,
        await served.connect() as client,
    ):
        await client.websocket("/ws-close?code=1000&wait=1")
        await served.quiet()


async def test_denial_has_status_cookies_and_body() -> None:
    """The application's own answer to a handshake arrives whole and ends the connection."""
    async with serving(ROUTES) as served, await served.connect() as client:
        head = (await client.websocket("/ws-deny")).lower()
        assert head.startswith(b"http/1.1 401")
        assert head.count(b"set-cookie") == 2
        assert b"connection: close" in head
        assert await client.rest() == b"no"


async def test_close_before_accept_is_403_and_the_application_is_told() -> None:
    """Refusing without an answer of its own gives 403, and receive() then ends."""
    async with serving(ROUTES) as served, await served.connect() as client:
        assert (await client.websocket("/ws-refuse")).startswith(b"HTTP/1.1 403")
        await client.stream.send_eof()
        await served.quiet()


async def test_repeated_protocol_lines_all_count() -> None:
    """A subprotocol of the first of two lines can be chosen."""
    lines = ("Sec-WebSocket-Protocol: one", "Sec-WebSocket-Protocol: two")
    async with serving(ROUTES) as served, await served.connect() as client:
        head = await client.websocket("/ws?subprotocol=one", *lines)
        assert b"sec-websocket-protocol: one" in head.lower()


async def test_ping_of_the_client_is_answered() -> None:
    """The pong carries the ping's payload."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket()
        await client.send(frame(0x89, b"hi"))
        assert await client.frame() == (0x8A, b"hi")


async def test_t10_silent_client_is_pinged_and_then_let_go() -> None:
    """No sign of life after a ping: Close 1011, and 1006 for the application."""
    limits = quick(ping=0.05, pong=0.1)
    async with serving(ROUTES, limits=limits) as served, await served.connect() as client:
        await client.websocket()
        assert await client.frame() == (0x89, b"")
        opcode, payload = await client.frame()
        assert (opcode, payload[:2]) == (0x88, (1011).to_bytes(2, "big"))
        await served.quiet()
        assert served.app.disconnects() == [(1006, "")]


async def test_t10_client_that_answers_pings_stays() -> None:
    """Pongs keep the connection beyond the deadline."""
    limits = quick(ping=0.02, pong=0.5)
    async with serving(ROUTES, limits=limits) as served, await served.connect() as client:
        await client.websocket()
        for _ in range(5):
            assert await client.frame() == (0x89, b"")
            await client.send(frame(0x8A))
        await client.send(frame(0x81, b"here"))
        assert await client.frame() == (0x81, b"here")


async def test_large_messages_both_ways() -> None:
    """20 MB go out in one frame and come in as one message."""
    size = 20 * MEGABYTE
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket(f"/ws-big?size={size}")
        opcode, payload = await client.frame()
        assert (opcode, len(payload)) == (0x82, size)
        await client.send(frame(0x82, payload))
        assert await client.frame() == (0x81, str(size).encode())


async def test_fragments_are_one_message_and_pings_between_them_are_answered() -> None:
    """Three fragments with a ping between them."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket()
        await client.send(frame(0x01, b"a") + frame(0x89) + frame(0x00, b"b") + frame(0x80, b"c"))
        assert await client.frame() == (0x8A, b"")
        assert await client.frame() == (0x81, b"abc")


async def test_messages_before_the_end_are_delivered_before_it() -> None:
    """A message and a Close in one write: the application gets both, in order."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket()
        await client.send(frame(0x81, b"last") + frame(0x88))
        await client.frame()
        await client.stream.aclose()
        await served.quiet()
        kinds = [message["type"] for message in served.app.told]
        assert kinds == ["websocket.connect", "websocket.receive", "websocket.disconnect"]


async def test_flood_to_an_application_that_does_not_read_is_held_back() -> None:
    """The client cannot send without bound while the application is busy."""

    async def deaf(_: Scope, receive: Receive, send: Send, app: Application) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await anyio.sleep_forever()

    async with serving({"/ws": deaf}) as served, await served.connect() as client:
        await client.websocket()
        sent = 0
        with anyio.move_on_after(0.5):
            while True:
                await client.stream.send(frame(0x82, bytes(65_000)))
                sent += 65_000
        assert sent < 30 * MEGABYTE


@pytest.mark.parametrize(
    ("code", "sent"),
    [
        (None, 1000),
        (1005, 1000),
        (1000, 1000),
        (1012, 1012),
        (4999, 4999),
        (999, 1011),
        (1006, 1011),
        (5000, 1011),
    ],
)
def test_sendable(code: int | None, sent: int) -> None:
    """Only codes that RFC 6455 7.4 lets stand in a frame are sent."""
    assert sendable(code) == sent
