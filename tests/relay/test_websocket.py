"""The upstream side of a WebSocket, in memory on clocks that jump."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason

from fluxlit.config.settings import Relay as Settings
from fluxlit.errors import UpstreamClosed
from fluxlit.protocol.closing import Closed, Message
from fluxlit.protocol.handshake import Accepted
from fluxlit.relay.websocket import OFFERED, ROOM, UpstreamSocket
from tests.doubles.streams import PipeEnd, WebSocketPeer, pipe

pytestmark = pytest.mark.autojump

SETTINGS = Settings(
    websocket_ping_interval=20, websocket_ping_timeout=60, websocket_close_timeout=2
)
MOST = 100_000


def socket_on(stream: PipeEnd, leftover: bytes = b"") -> UpstreamSocket:
    """Our side, as after the handshake."""
    return UpstreamSocket(stream, Accepted([], b"streamlit", leftover), SETTINGS, MOST)


@asynccontextmanager
async def connected(room: int = 65536) -> AsyncGenerator[tuple[UpstreamSocket, WebSocketPeer]]:
    """Our side, running, and the upstream's end."""
    ours, theirs = pipe(room)
    socket = socket_on(ours)
    async with socket.running():
        yield socket, WebSocketPeer(theirs)
    assert ours.closed


async def answer_close(peer: WebSocketPeer) -> None:
    """Read to the Close, answer it, end the connection; as a well-behaved server."""
    while event := await peer.next():
        if isinstance(event, CloseConnection):
            await peer.send(event.response())
            peer.stream.close()


async def test_messages_go_both_ways() -> None:
    """Text stays text, binary stays binary."""
    async with connected() as (socket, peer), anyio.create_task_group() as tasks:
        await peer.send(TextMessage("é"), BytesMessage(b"\xff"))
        received = [await socket.receive(), await socket.receive()]
        await socket.send("€")
        await socket.send(b"\x00")
        sent = [await peer.next(), await peer.next()]
        assert received == [Message("é"), Message(b"\xff")]
        assert sent == [TextMessage("€"), BytesMessage(bytearray(b"\x00"))]
        tasks.start_soon(answer_close, peer)
        await socket.close(1000)


async def test_frames_that_came_with_the_handshake() -> None:
    """A message that came in one piece with the 101 is the first."""
    ours, theirs = pipe()
    socket = socket_on(ours, b"\x81\x02hi")
    async with socket.running(), anyio.create_task_group() as tasks:
        assert await socket.receive() == Message("hi")
        tasks.start_soon(answer_close, WebSocketPeer(theirs))
        await socket.close()


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1000, "bye", CloseConnection(1000, "bye")),
        (1001, "", CloseConnection(1001, "")),
        (4321, "x" * 200, CloseConnection(4321, "x" * 123)),
        (None, "", CloseConnection(CloseReason.NO_STATUS_RCVD, "")),
        (1006, "never", CloseConnection(CloseReason.NO_STATUS_RCVD, "")),
    ],
)
async def test_closing_from_our_side(code: int | None, reason: str, told: CloseConnection) -> None:
    """The upstream reads our code and reason; its answer ends it, at once."""
    start = anyio.current_time()
    heard: list[object] = []

    async def serve(peer: WebSocketPeer) -> None:
        event = await peer.next()
        heard.append(event)
        assert isinstance(event, CloseConnection)
        await peer.send(event.response())

    async with connected() as (socket, peer), anyio.create_task_group() as tasks:
        tasks.start_soon(serve, peer)
        await socket.close(code, reason)
        end = await socket.receive()
        assert isinstance(end, Closed)
        assert end.clean
    assert heard == [told]
    assert anyio.current_time() == start


@pytest.mark.parametrize(
    ("event", "closed"),
    [
        (CloseConnection(1000, "bye"), Closed(1000, "bye", clean=True)),
        (CloseConnection(4000, "é"), Closed(4000, "é", clean=True)),
        (CloseConnection(CloseReason.NO_STATUS_RCVD), Closed(None, "", clean=True)),
    ],
)
async def test_closing_from_the_upstream(event: CloseConnection, closed: Closed) -> None:
    """What the upstream says is delivered behind its last message, and echoed to it."""
    async with connected() as (socket, peer):
        await peer.send(TextMessage("last"), event)
        received = [await socket.receive() for _ in range(3)]
        echo = await peer.next()
        assert isinstance(echo, CloseConnection)
        assert echo.code == event.code
        with pytest.raises(UpstreamClosed):
            await socket.send("late")
        assert received == [Message("last"), closed, closed]
        peer.stream.close()


@pytest.mark.parametrize("who", ["we", "upstream"])
async def test_a_closing_handshake_that_never_ends(who: str) -> None:
    """The second side is closed two seconds after the first, whatever it does."""
    start = anyio.current_time()
    async with connected() as (socket, peer):
        if who == "we":
            await socket.close(1000)
            expected = Closed(None)
        else:
            await peer.send(CloseConnection(1000))
            expected = Closed(1000, clean=True)
        assert await socket.receive() == expected
    assert anyio.current_time() - start == pytest.approx(2)


async def test_a_lost_connection() -> None:
    """An end without a Close is not clean; messages before it are still delivered."""
    async with connected() as (socket, peer):
        await peer.send(TextMessage("last"))
        peer.stream.close()
        assert [await socket.receive(), await socket.receive()] == [Message("last"), Closed(None)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02\xc3\x28", 1007),
        (b"\x81\x81\x00\x00\x00\x00x", 1002),
        (b"\x88\x02\x03\xf6", 1002),
        (b"\x82\x7f" + (MOST + 1).to_bytes(8, "big") + b"x" * (MOST + 1), 1009),
    ],
    ids=["text", "masked", "1014", "big"],
)
async def test_an_upstream_that_breaks_the_rules(data: bytes, code: int) -> None:
    """It is told what it did, and the connection closes; the caller learns the same code."""
    async with connected(room=1_000_000) as (socket, peer):
        await peer.stream.send(data)
        end = await socket.receive()
        told = await peer.next()
        assert await peer.next() is None
        assert isinstance(end, Closed)
        assert (end.code, end.clean) == (code, False)
        assert isinstance(told, CloseConnection)
        assert told.code == code


async def test_pings_are_answered_while_the_browser_is_slow() -> None:
    """Nobody takes the messages, and still the upstream has its pong, at once."""
    start = anyio.current_time()
    async with connected() as (_socket, peer):
        await peer.send(TextMessage("x" * 1000), TextMessage("y" * 1000), Ping(b"p"))
        assert await peer.next() == Pong(b"p")
        assert anyio.current_time() == start
        peer.stream.close()


async def test_what_waits_for_a_slow_browser_is_bounded() -> None:
    """Whatever the upstream sends, little more than the room is read until somebody takes it."""
    size, sent = 10_000, 0

    async def flood(peer: WebSocketPeer) -> None:
        nonlocal sent
        for _ in range(100):
            await peer.send(TextMessage("x" * size))
            sent += 1

    async with connected(room=1000) as (socket, peer), anyio.create_task_group() as tasks:
        tasks.start_soon(flood, peer)
        await anyio.wait_all_tasks_blocked()
        assert sent * size <= ROOM + 3 * size
        received = [await socket.receive() for _ in range(100)]
        assert received == [Message("x" * size)] * 100
        peer.stream.close()


async def test_a_pong_never_stops_the_reading() -> None:
    """An upstream that pings while it does not read us is read on: nobody waits for each other."""
    async with connected(room=100) as (socket, peer), anyio.create_task_group() as tasks:
        tasks.start_soon(socket.send, "x" * 10_000)
        await anyio.wait_all_tasks_blocked()
        for _ in range(50):
            await peer.send(Ping(b"p" * 100))
        await peer.send(TextMessage("after"))
        assert await socket.receive() == Message("after")
        parts = [await peer.next()]
        while not isinstance(parts[-1], Pong):
            parts.append(await peer.next())
        assert sum(len(part.data) for part in parts if isinstance(part, TextMessage)) == 10_000
        peer.stream.close()


async def test_we_ping() -> None:
    """A ping of ours goes out each interval, also while messages flow."""
    start = anyio.current_time()
    at: list[float] = []

    async def serve(peer: WebSocketPeer) -> None:
        while event := await peer.next():
            if isinstance(event, Ping):
                at.append(anyio.current_time() - start)
                await peer.send(event.response())
            if len(at) == 5:
                peer.stream.close()

    async with connected() as (socket, peer), anyio.create_task_group() as tasks:
        tasks.start_soon(serve, peer)
        assert await socket.receive() == Closed(None)
    assert at == pytest.approx([20, 40, 60, 80, 100])


async def test_silence() -> None:
    """An upstream of which nothing is heard for the ping timeout counts as lost, exactly then."""
    start = anyio.current_time()
    async with connected() as (socket, peer):
        await anyio.sleep(30)
        await peer.send(Pong(b""))
        assert await socket.receive() == Closed(None)
        assert anyio.current_time() - start == pytest.approx(90)


async def test_a_slow_browser_is_not_the_silence_of_the_upstream() -> None:
    """While nobody takes messages we do not listen, and accuse nobody."""
    async with connected(room=1000) as (socket, peer), anyio.create_task_group() as tasks:
        messages = [TextMessage("x" * ROOM), TextMessage("y"), TextMessage("z")]
        tasks.start_soon(peer.send, *messages)
        await anyio.sleep(500)
        received = [await socket.receive() for _ in messages]
        assert received == [Message(message.data) for message in messages]
        peer.stream.close()


async def test_sending_waits_for_the_upstream() -> None:
    """An upstream that does not read stops the sender."""
    async with connected(room=1000) as (socket, peer):
        with anyio.move_on_after(5) as scope:
            await socket.send(b"x" * 10_000)
        assert scope.cancelled_caught
        with pytest.raises(UpstreamClosed):
            await socket.send("behind half a frame")
        peer.stream.close()


async def test_a_close_passes_a_sender_that_is_stuck() -> None:
    """An upstream that does not read cannot hold up our closing for longer than its time."""

    async def stuck(socket: UpstreamSocket) -> None:
        with pytest.raises(UpstreamClosed):
            await socket.send(b"x" * 10_000)

    async with connected(room=1000) as (socket, _peer), anyio.create_task_group() as tasks:
        tasks.start_soon(stuck, socket)
        await anyio.wait_all_tasks_blocked()
        start = anyio.current_time()
        await socket.close(1001)
        assert anyio.current_time() - start == pytest.approx(2)


async def test_leaving_the_block_closes() -> None:
    """Whoever just leaves is "going away", with the whole handshake."""
    ours, theirs = pipe()
    heard: list[object] = []

    async def serve(peer: WebSocketPeer) -> None:
        event = await peer.next()
        heard.append(event)
        assert isinstance(event, CloseConnection)
        await peer.send(event.response())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, WebSocketPeer(theirs))
        async with socket_on(ours).running():
            pass
    assert heard == [CloseConnection(1001, "")]
    assert ours.closed


@pytest.mark.parametrize(("fails", "code"), [(True, 1011), (False, 1001)])
async def test_failing_or_cancelled_blocks_say_so_and_do_not_wait(fails: bool, code: int) -> None:
    """A bug of ours is 1011, a cancellation 1001; the connection closes without waiting."""
    start = anyio.current_time()
    ours, theirs = pipe()
    peer = WebSocketPeer(theirs)

    async def run() -> None:
        async with socket_on(ours).running():
            if fails:
                raise KeyError("bug")
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        if fails:
            with pytest.raises(KeyError, match="bug"):
                await run()
        else:
            tasks.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        start = anyio.current_time()
    assert anyio.current_time() == start
    assert ours.closed
    assert await peer.next() == CloseConnection(code, "")
    assert await peer.next() is None


async def test_an_offered_message_is_sent_at_once_or_not_at_all() -> None:
    """What was begun is finished before anything else is sent; a full upstream takes nothing."""
    async with connected(room=100) as (socket, peer), anyio.create_task_group() as tasks:
        assert socket.offer("first")
        assert socket.offer(b"x" * 150)
        assert not socket.offer("refused")
        tasks.start_soon(socket.send, "sent")
        assert await peer.next() == TextMessage("first")
        data = b""
        while isinstance(event := await peer.next(), BytesMessage):
            data += event.data
        assert data == b"x" * 150
        assert event == TextMessage("sent")
        assert socket.offer("again")
        assert await peer.next() == TextMessage("again")
        tasks.start_soon(answer_close, peer)
        await socket.close(1000)
        assert not socket.offer("closed")


async def test_nothing_is_offered_that_is_large() -> None:
    """Masking much at once would stop everybody else."""
    async with connected() as (socket, peer):
        assert not socket.offer(b"x" * (OFFERED + 1))
        assert socket.offer("\U0001f600" * OFFERED)
        peer.stream.close()


async def test_a_taker_has_the_first_word_but_never_out_of_order() -> None:
    """What it does not take is held, and what follows is held too."""
    taken: list[str | bytes] = []
    willing = [True, False]

    def take(data: str | bytes) -> bool:
        taken.append(data)
        return willing.pop(0)

    async with connected() as (socket, peer):
        socket.taker = take
        await peer.send(TextMessage("a"), TextMessage("b"), TextMessage("c"))
        await anyio.wait_all_tasks_blocked()
        assert taken == ["a", "b"]
        assert [await socket.receive(), await socket.receive()] == [Message("b"), Message("c")]
        peer.stream.close()
