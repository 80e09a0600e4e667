"""Bytes over real loopback sockets, and how the errors of the system are told."""

import errno
import socket
import struct
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from fluxlit.errors import ConnectFailed, UpstreamTimeout
from fluxlit.relay import stream as module
from fluxlit.relay.stream import LARGEST_PIECE, Stream, StreamBroken, open_stream, tcp
from fluxlit.status import Endpoint
from tests.doubles.streams import NOWHERE, Dialer, Fault, serving


async def nothing(_stream: SocketStream) -> None:
    """Only reads."""


async def reset(stream: SocketStream) -> None:
    """Ends the connection with a reset."""
    await stream.receive()
    linger = struct.pack("ii", 1, 0)
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await stream.aclose()


def free_port() -> int:
    """A port that was free a moment ago and that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_bytes_go_both_ways() -> None:
    """What is sent arrives, in order, whole; pieces are bounded; the end is empty."""
    size = 20_000_000

    async def echo_length(stream: SocketStream) -> None:
        got = 0
        while got < size:
            got += len(await stream.receive())
        await stream.send(b"x" * size)
        await stream.aclose()

    async with serving(echo_length) as served:
        stream = await tcp(served.endpoint)
        await stream.send(memoryview(b"y" * size))
        pieces = [piece async for piece in pieces_of(stream)]
        stream.close()
    assert (sum(map(len, pieces)), max(map(len, pieces))) == (size, LARGEST_PIECE)


async def pieces_of(stream: Stream) -> AsyncIterator[bytes]:
    """Everything up to the end."""
    while piece := await stream.receive():
        yield piece


async def test_nagle_is_off() -> None:
    """A small request is not held back for an acknowledgement."""
    async with serving(nothing) as served:
        stream = await tcp(served.endpoint)
        assert isinstance(stream, module.TcpStream)
        assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        stream.close()


async def test_nobody_listens() -> None:
    """A refused connection is ConnectFailed and names the address."""
    endpoint = Endpoint("127.0.0.1", free_port())
    with pytest.raises(ConnectFailed, match=str(endpoint)):
        await tcp(endpoint)


@pytest.mark.parametrize("host", ["localhost", "", "example.com", "127.1"])
async def test_names_are_not_looked_up(host: str) -> None:
    """Only literal addresses are connected to."""
    with pytest.raises(ConnectFailed):
        await tcp(Endpoint(host, 80))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_our_own_shortage(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor or memory left is ConnectFailed with the system's word as its cause."""

    def refuse(*_arguments: object) -> socket.socket:
        raise OSError(number, "none left")

    with monkeypatch.context() as patch:
        patch.setattr("fluxlit.relay.stream.socket.socket", refuse)
        with pytest.raises(ConnectFailed) as caught:
            await tcp(NOWHERE)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == number


async def test_a_socket_connected_to_itself_is_nobody() -> None:
    """A free ephemeral port may answer itself: TCP then joins the socket with itself."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await module._connect(sock, Endpoint(*sock.getsockname()))


async def test_a_reset_is_told() -> None:
    """A reset by the other side is StreamBroken, for the reader and then the writer."""
    async with serving(reset) as served:
        stream = await tcp(served.endpoint)
        await stream.send(b"x")
        with pytest.raises(StreamBroken):
            await stream.receive()
        with pytest.raises(StreamBroken):
            await stream.send(b"x")
        assert stream.has_ended()
        stream.close()


async def test_an_idle_connection_is_seen_to_end() -> None:
    """Nothing to read is alive; bytes nobody asked for, or the end, are not."""
    go = anyio.Event()

    async def speak(stream: SocketStream) -> None:
        await go.wait()
        await stream.send(b"unasked")

    async with serving(speak) as served:
        stream = await tcp(served.endpoint)
        quiet = stream.has_ended()
        go.set()
        assert isinstance(stream, module.TcpStream)
        await anyio.wait_readable(stream._socket)
        assert (quiet, stream.has_ended()) == (False, True)
        stream.close()


@pytest.mark.parametrize("blocked", ["receive", "send"])
async def test_closing_wakes_who_waits(blocked: str) -> None:
    """A task that waits on a connection closed by another gets StreamBroken, and so does the next."""
    filled = anyio.Event()

    async def block(stream: Stream) -> None:
        filled.set()
        if blocked == "receive":
            await stream.receive()
        else:
            await stream.send(b"x" * 100_000_000)

    async def wait(stream: Stream) -> None:
        with pytest.raises(StreamBroken):
            await block(stream)

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        stream = await tcp(Endpoint(*deaf.getsockname()))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, stream)
            await filled.wait()
            await anyio.wait_all_tasks_blocked()
            stream.close()
        for again in (stream.receive(), stream.send(b"x")):
            with pytest.raises(StreamBroken):
                await again
        stream.close()


@pytest.mark.autojump
async def test_connecting_has_its_time() -> None:
    """An upstream that never answers the connection is a timeout of "connect", exactly then."""
    start = anyio.current_time()
    with pytest.raises(UpstreamTimeout, match="connect"):
        await open_stream(Dialer(Fault.STALL), NOWHERE, 2.0)
    assert anyio.current_time() - start == pytest.approx(2.0)


async def test_a_connection_that_hangs_is_given_up() -> None:
    """A listener whose queue is full answers nothing: the timeout closes the half-open socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        endpoint = Endpoint(*full.getsockname())
        first.connect(full.getsockname())
        with pytest.raises(UpstreamTimeout, match="connect"):
            await open_stream(tcp, endpoint, 0.05)


async def test_what_the_kernel_does_not_take_is_said() -> None:
    """try_send never waits: a part, nothing, or all; and a closed connection is broken."""
    async with serving(nothing) as served:
        stream = await tcp(served.endpoint)
        assert stream.try_send(b"abc") == 3
        stream.close()
        with pytest.raises(StreamBroken):
            stream.try_send(b"abc")
