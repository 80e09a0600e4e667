"""WebSockets through the relay: opened, refused, large, left in any way."""

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.abc import SocketStream
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from fluxlit.config.settings import Relay as Settings
from fluxlit.protocol.handshake import accept_key
from fluxlit.relay.client import (
    Closed,
    HandshakeRefused,
    Message,
    Relay,
    RequestHead,
    UpstreamSocket,
)
from fluxlit.status import Endpoint
from tests.doubles.streams import (
    WebSocketPeer,
    read_request,
    serving,
)
from tests.relay.test_client import BIG, HOST, answering


async def agree(stream: SocketStream, extra: bytes = b"") -> WebSocketPeer:
    """Answer a handshake as a server does, with more headers or frames."""
    request = await read_request(stream)
    key = request.split(b"sec-websocket-key: ")[1].split(b"\r\n")[0]
    await stream.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key) + b"\r\n" + extra + b"\r\n"
    )
    return WebSocketPeer(stream)  # type: ignore[arg-type]  # a SocketStream has what it needs


async def echo(stream: SocketStream) -> None:
    """A WebSocket server that sends back what it gets, and answers a Close."""
    peer = await agree(stream, b"Set-Cookie: a=b\r\nSec-WebSocket-Protocol: streamlit\r\n")
    parts: list[str | bytes | bytearray] = []
    while event := await peer.next():
        if isinstance(event, CloseConnection):
            await peer.send(event.response())
            await stream.aclose()
            return
        assert isinstance(event, (TextMessage, BytesMessage))
        parts.append(event.data)
        if event.message_finished:
            await peer.send(whole(parts))
            parts = []


def whole(parts: list[str | bytes | bytearray]) -> TextMessage | BytesMessage:
    """One message of its parts."""
    if isinstance(parts[0], str):
        return TextMessage("".join(str(part) for part in parts))
    return BytesMessage(b"".join(bytes(part) for part in parts if not isinstance(part, str)))


OPEN = RequestHead(
    b"GET", b"/_stcore/stream", [HOST, (b"sec-websocket-protocol", b"streamlit, xsrf")]
)


async def test_a_websocket() -> None:
    """It opens with the upstream's choice and headers, carries messages, closes with both codes."""
    relay = Relay(Settings(), max_message=1000)
    async with serving(echo) as served:
        async with relay.websocket(served.endpoint, OPEN) as socket:
            assert socket.subprotocol == b"streamlit"
            assert (b"set-cookie", b"a=b") in socket.headers
            await socket.send("é")
            await socket.send(b"\xff")
            assert [await socket.receive(), await socket.receive()] == [
                Message("é"),
                Message(b"\xff"),
            ]
            await socket.close(4000, "bye")
            assert await socket.receive() == Closed(4000, "bye", clean=True)
        await served.all_closed()


@pytest.mark.parametrize("data", ["é" * (BIG // 2), b"\xff\x00" * (BIG // 2)], ids=["str", "bytes"])
async def test_a_large_message_goes_up_and_down(data: str | bytes) -> None:
    """Tens of megabytes both ways in one message."""
    relay = Relay(Settings(), max_message=BIG)
    async with serving(echo) as served:
        async with relay.websocket(served.endpoint, OPEN) as socket:
            await socket.send(data)
            message = await socket.receive()
            assert isinstance(message, Message)
            assert message.data == data
        await served.all_closed()


async def test_a_refused_websocket() -> None:
    """The upstream's answer is raised, and the connection closed."""
    relay = Relay(Settings(), max_message=1000)
    refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"
    async with serving(answering(refusal)) as served:
        with pytest.raises(HandshakeRefused) as caught:
            async with relay.websocket(served.endpoint, OPEN):
                pytest.fail("it was refused")
        assert (caught.value.head.status, caught.value.body) == (403, b"no")
        await served.all_closed()


async def lose(socket: UpstreamSocket) -> None:
    """Fail in the block."""
    raise KeyError("mine")


async def wait(socket: UpstreamSocket) -> None:
    """Wait for a message that never comes."""
    await socket.receive()


@pytest.mark.parametrize(("block", "code"), [(lose, 1011), (wait, 1001)])
async def test_a_websocket_left_in_whatever_way_is_closed(
    block: Callable[[UpstreamSocket], Awaitable[None]], code: int
) -> None:
    """After an error or a cancellation the upstream is told, and no connection stays."""
    told: list[object] = []
    opened = anyio.Event()

    async def listen(stream: SocketStream) -> None:
        peer = await agree(stream)
        opened.set()
        told.append(await peer.next())

    async def run(relay: Relay, endpoint: Endpoint) -> None:
        async with relay.websocket(endpoint, RequestHead(b"GET", b"/", [HOST])) as socket:
            await block(socket)

    async def run_to_the_error(relay: Relay, endpoint: Endpoint) -> None:
        try:
            await run(relay, endpoint)
        except KeyError:
            return

    relay = Relay(Settings(), max_message=1000)
    async with serving(listen) as served:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_to_the_error, relay, served.endpoint)
            await opened.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        await served.all_closed()
    assert told == [CloseConnection(code, "")]
