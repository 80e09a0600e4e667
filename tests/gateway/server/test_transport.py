"""The socket of one client: back-pressure, cut frames, ends."""

import contextlib
import socket
from collections.abc import Iterator

import anyio
import pytest

from fluxlit.gateway.server.transport import Offered, Transport, remaining


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected non-blocking sockets: the server's and the client's."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    with near, far:
        yield near, far


Pair = tuple[socket.socket, socket.socket]


async def take(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes of the client's side."""
    data = b""
    with anyio.fail_after(5):
        while len(data) < count:
            await anyio.wait_readable(sock)
            data += sock.recv(count - len(data))
    return data


async def test_send_waits_for_a_slow_client(pair: Pair) -> None:
    """More than the kernel holds arrives whole and in order once the client reads."""
    transport = Transport(pair[0], 30)
    whole = bytes(range(256)) * 8192
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.send, b"head", whole)
        assert await take(pair[1], len(whole) + 4) == b"head" + whole
    transport.close()


async def test_cancelled_send_leaves_its_rest_to_the_next(pair: Pair) -> None:
    """A frame half written when its sender is cancelled is finished before anything else is sent."""
    transport = Transport(pair[0], 30)
    whole = bytes(4_000_000)
    with anyio.move_on_after(0.05):
        await transport.send(whole)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.send, b"next")
        assert await take(pair[1], len(whole) + 4) == whole + b"next"
    transport.close()


async def test_senders_take_turns(pair: Pair) -> None:
    """Two senders at once never mix their pieces."""
    transport = Transport(pair[0], 30)
    first, second = b"a" * 2_000_000, b"b" * 2_000_000
    got = b""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.send, first)
        tasks.start_soon(transport.send, second)
        got = await take(pair[1], 4_000_000)
    assert got in {first + second, second + first}
    transport.close()


async def test_try_send_never_cuts_into_a_frame(pair: Pair) -> None:
    """While a send is half done, what is tried is dropped."""
    transport = Transport(pair[0], 30)
    with anyio.move_on_after(0.05):
        await transport.send(bytes(4_000_000))
    transport.try_send(b"ping")
    transport.close()
    got = b""
    while data := pair[1].recv(1_000_000):
        got += data
    assert b"ping" not in got


async def test_broken_connection_is_an_end_not_an_error(pair: Pair) -> None:
    """Reading gives the end, sending says no."""
    transport = Transport(pair[0], 30)
    pair[1].close()
    assert await transport.receive(10) == b""
    assert await transport.send(b"x") is False
    transport.close()


async def test_close_wakes_reader_and_writer(pair: Pair) -> None:
    """Who waits on the socket returns when it is closed."""
    transport = Transport(pair[0], 30)
    got: list[object] = []

    async def read() -> None:
        got.append(await transport.receive(10))

    async def write() -> None:
        got.append(await transport.send(bytes(8_000_000)))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            tasks.start_soon(write)
            await anyio.wait_all_tasks_blocked()
            transport.close()
    assert sorted(got, key=repr) == [False, b""]
    assert pair[0].fileno() < 0


async def test_fast_peer_does_not_keep_the_turn(pair: Pair) -> None:
    """Others run while one connection moves data without ever having to wait."""
    transport = Transport(pair[0], 30)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        for _ in range(100):
            await transport.send(bytes(60_000))
            while len(pair[1].recv(60_000)) == 60_000:
                break
        tasks.cancel_scope.cancel()
    assert turns >= 1
    transport.close()


@pytest.mark.parametrize(
    ("written", "left"),
    [(0, [b"ab", b"cd"]), (1, [b"b", b"cd"]), (2, [b"cd"]), (3, [b"d"]), (4, [])],
)
def test_remaining(written: int, left: list[bytes]) -> None:
    """What is left after a partial write of two pieces."""
    assert [bytes(view) for view in remaining([b"ab", b"cd"], written)] == left


async def test_what_is_offered_is_sent_begun_or_refused(pair: Pair) -> None:
    """A part that the client did not take goes first; meanwhile nothing else is taken."""
    transport = Transport(pair[0], 30)
    whole = bytes(4_000_000)
    assert transport.offer(b"a", b"b") is Offered.SENT
    assert transport.offer(whole) is Offered.BEGUN
    assert transport.offer(b"c") is Offered.REFUSED
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.send)
        assert await take(pair[1], len(whole) + 2) == b"ab" + whole
    assert transport.offer(b"d") is Offered.SENT
    transport.close()
    assert transport.offer(b"e") is Offered.REFUSED


async def test_a_full_client_takes_no_offer(pair: Pair) -> None:
    """Nothing of it is sent then, so that it may go another way."""
    transport = Transport(pair[0], 30)
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[0].send(bytes(65_536))
    assert transport.offer(b"a") is Offered.REFUSED
    assert not transport._rest
    transport.close()


async def test_has_left_looks_past_unread_bytes(pair: Pair) -> None:
    """The end of the client's side is seen while its bytes are still there to be read."""
    transport = Transport(pair[0], 30)
    assert not transport.has_left()
    pair[1].send(b"unread")
    assert not transport.has_left()
    pair[1].shutdown(socket.SHUT_WR)
    assert transport.has_left()
    assert await transport.receive(100) == b"unread"
    transport.close()
    assert not transport.has_left()
