"""The relay as the gateway uses it: against real servers, and scripted ones for what is rare."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import anyio
import pytest
from anyio.abc import SocketStream

from fluxlit.config.settings import Relay as Settings
from fluxlit.errors import ConnectFailed, UpstreamClosed, UpstreamProtocolError, UpstreamTimeout
from fluxlit.relay.client import (
    Relay,
    RequestHead,
)
from fluxlit.relay.stream import Stream
from fluxlit.status import Endpoint
from tests.doubles.streams import (
    NOWHERE,
    Dialer,
    Fault,
    Handler,
    ScriptedStream,
    Step,
    read_request,
    serving,
)

HOST = (b"host", b"a.example")
GET = RequestHead(b"GET", b"/a?b=%2F", [HOST])
POST = RequestHead(b"POST", b"/", [HOST])
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BIG = 20_000_000


def relay_to(*streams: Stream | Exception | Fault, **settings: float) -> Relay:
    """A relay whose connections are scripted."""
    return Relay(Settings(**settings), max_message=1000, connector=Dialer(*streams))  # type: ignore[arg-type]


async def get(relay: Relay, endpoint: Endpoint = NOWHERE, head: RequestHead = GET) -> bytes:
    """The body of an answer."""
    async with relay.exchange(endpoint, head, None) as answer:
        return b"".join([piece async for piece in answer.body])


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    """A request body."""
    for piece in pieces:
        yield piece


def answering(*answers: bytes) -> Handler:
    """A server that gives each connection these answers, one to each request."""

    async def handle(stream: SocketStream) -> None:
        for answer in answers:
            await read_request(stream)
            await stream.send(answer)

    return handle


async def test_exchanges_share_a_connection() -> None:
    """Requests one after the other go over one connection, which forgetting the endpoint closes."""
    relay = Relay(Settings(), max_message=1000)
    async with serving(answering(OK, OK, OK)) as served:
        bodies = [await get(relay, served.endpoint) for _ in range(3)]
        assert (bodies, served.taken) == ([b"ok"] * 3, 1)
        await relay.forget(served.endpoint)
        await served.all_closed()


async def test_many_at_once_stay_within_the_limit() -> None:
    """At most max_connections are open; the others wait and are served."""
    relay = Relay(Settings(max_connections=3), max_message=1000)
    bodies: list[bytes] = []

    async def one(endpoint: Endpoint) -> None:
        bodies.append(await get(relay, endpoint))

    async with serving(answering(*[OK] * 20)) as served:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(one, served.endpoint)
        assert (bodies, served.taken) == ([b"ok"] * 20, 3)
        await relay.aclose()
        await served.all_closed()


async def test_a_stale_connection_is_noticed() -> None:
    """A server that closes idle connections, as uvicorn does after 5 s, costs nobody a request."""
    closing = anyio.Event()

    async def once(stream: SocketStream) -> None:
        await read_request(stream)
        await stream.send(OK)
        await stream.aclose()
        closing.set()

    relay = Relay(Settings(), max_message=1000)
    async with serving(once) as served:
        for _ in range(3):
            assert await get(relay, served.endpoint, POST) == b"ok"
            await closing.wait()
            await served.all_closed()
        assert served.taken == 3
        await relay.aclose()


async def leave_early(relay: Relay, endpoint: Endpoint) -> None:
    """Ask for a body and go before it has ended."""
    async with relay.exchange(endpoint, GET, None):
        return


async def fail(relay: Relay, endpoint: Endpoint) -> None:
    """Ask for a body and fail in the middle."""
    async with relay.exchange(endpoint, GET, None) as answer:
        await anext(answer.body)
        raise KeyError("mine")


async def be_cancelled(relay: Relay, endpoint: Endpoint) -> None:
    """Be cancelled while waiting for a body that does not come."""
    with anyio.CancelScope() as scope:
        async with relay.exchange(endpoint, GET, None) as answer:
            await anext(answer.body)
            scope.cancel()
            await anext(answer.body)


async def be_cancelled_uploading(relay: Relay, endpoint: Endpoint) -> None:
    """Be cancelled while a request body is on its way."""

    async def body(scope: anyio.CancelScope) -> AsyncIterator[bytes]:
        yield b"x"
        scope.cancel()
        await anyio.sleep_forever()

    head = RequestHead(b"POST", b"/", [HOST])
    with anyio.CancelScope() as scope:
        async with relay.exchange(endpoint, head, body(scope)) as answer:
            async for _ in answer.body:
                pass


@pytest.mark.parametrize("ending", [leave_early, fail, be_cancelled, be_cancelled_uploading])
async def test_whoever_leaves_closes_the_connection(
    ending: Callable[[Relay, Endpoint], Awaitable[None]],
) -> None:
    """However an exchange is left before its end, its connection closes at once, for good."""
    relay = Relay(Settings(), max_message=1000)
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"
    async with serving(answering(endless)) as served:
        with suppress(KeyError):
            await ending(relay, served.endpoint)
        await served.all_closed()
    assert not relay._lanes


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
        OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
    ],
    ids=["poison", "close", "1.0"],
)
async def test_such_connections_are_not_used_again(answer: bytes) -> None:
    """Bytes behind an answer never become the answer to the next request."""
    relay = Relay(Settings(), max_message=1000)
    async with serving(answering(answer)) as served:
        assert [await get(relay, served.endpoint) for _ in range(2)] == [b"ok", b"ok"]
        await served.all_closed()
        assert served.taken == 2


async def test_a_large_body_goes_up_and_down() -> None:
    """Megabytes both ways, byte for byte, and the connection may be used again."""
    length = str(BIG).encode()
    piece = bytes(range(256)) * 256

    async def echo(stream: SocketStream) -> None:
        data = bytearray((await read_request(stream)).partition(b"\r\n\r\n")[2])
        while len(data) < BIG:
            data += await stream.receive()
        await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: " + length + b"\r\n\r\n" + data)

    relay = Relay(Settings(), max_message=1000)
    head = RequestHead(b"POST", b"/", [HOST, (b"content-length", length)])
    body = [piece] * (BIG // len(piece)) + [piece[: BIG % len(piece)]]
    async with serving(echo) as served:
        async with relay.exchange(served.endpoint, head, chunks(*body)) as answer:
            pieces = [piece async for piece in answer.body]
        assert b"".join(pieces) == b"".join(body)
        assert max(map(len, pieces)) <= 65536
        assert (len(relay._lanes), served.open) == (1, 1)
        await relay.aclose()
        await served.all_closed()


async def test_an_early_answer_to_an_upload() -> None:
    """A server that refuses an upload it has not read is heard, whether it closes or not."""
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig"
    relay = Relay(Settings(), max_message=1000)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    async with serving(answering(refusal)) as served:
        async with relay.exchange(served.endpoint, POST, endless()) as answer:
            body = [piece async for piece in answer.body]
            assert (answer.head.status, body) == (413, [b"big"])
        await served.all_closed()


async def test_nobody_listens() -> None:
    """A refused connection is told as such and leaves nothing behind."""
    relay = Relay(Settings(), max_message=1000)
    async with serving(answering()) as served:
        gone = served.endpoint
    with pytest.raises(ConnectFailed):
        await get(relay, gone)
    with pytest.raises(ConnectFailed):
        async with relay.websocket(gone, GET):
            pytest.fail("nobody can have agreed")
    assert not relay._lanes


def stale(*script: Step) -> ScriptedStream:
    """A connection that answers once and then does as told."""
    return ScriptedStream(OK, *script)


@pytest.mark.autojump
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
@pytest.mark.parametrize("end", [Fault.END, Fault.RESET])
async def test_a_repeatable_request_is_sent_again(method: bytes, end: Fault) -> None:
    """A connection that ends under a second request without a byte of an answer is replaced."""
    fresh = ScriptedStream(OK)
    relay = relay_to(stale(end), fresh)
    await get(relay)
    await get(relay, head=RequestHead(method, b"/again", [HOST]))
    assert fresh.sent.startswith(method + b" /again ")


@pytest.mark.autojump
@pytest.mark.parametrize(
    ("script", "head"),
    [
        ([Fault.END], RequestHead(b"POST", b"/", [HOST])),
        ([Fault.END], RequestHead(b"DELETE", b"/", [HOST])),
        ([b"H", Fault.END], GET),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", Fault.RESET], GET),
    ],
    ids=["POST", "DELETE", "a byte", "interim"],
)
async def test_what_may_have_happened_is_not_repeated(
    script: list[Step], head: RequestHead
) -> None:
    """Neither a request that changes something nor one of whose answer a byte has come."""
    unused = ScriptedStream(OK)
    relay = relay_to(stale(*script), unused)
    await get(relay)
    with pytest.raises(UpstreamClosed):
        await get(relay, head=head)
    assert not unused.sent


@pytest.mark.autojump
async def test_a_request_with_a_body_is_not_repeated() -> None:
    """A GET with a body cannot be sent again: its body is gone."""
    unused = ScriptedStream(OK)
    relay = relay_to(stale(Fault.END), unused)
    await get(relay)
    with pytest.raises(UpstreamClosed):
        async with relay.exchange(NOWHERE, GET, chunks(b"x")):
            pytest.fail("no answer can have come")
    assert not unused.sent


@pytest.mark.autojump
@pytest.mark.parametrize(
    "scripts", [[[Fault.END]], [[OK, Fault.END], [Fault.END]]], ids=["first", "second"]
)
async def test_one_retry_is_all(scripts: list[list[Step]]) -> None:
    """A new connection that fails is an answer in itself, first or second."""
    streams = [ScriptedStream(*script) for script in scripts]
    relay = relay_to(*streams, ScriptedStream(OK))
    if len(streams) > 1:
        await get(relay)
    with pytest.raises(UpstreamClosed):
        await get(relay)
    assert [stream.closed for stream in streams] == [True] * len(streams)


@pytest.mark.autojump
async def test_a_failed_retry_leaves_nothing() -> None:
    """When the upstream is gone for good, the retry says so."""
    relay = relay_to(stale(Fault.END), ConnectFailed("gone"))
    await get(relay)
    with pytest.raises(ConnectFailed):
        await get(relay)
    assert not relay._lanes


@pytest.mark.autojump
@pytest.mark.parametrize(
    ("script", "error"),
    [
        (None, UpstreamTimeout),
        ([], UpstreamTimeout),
        ([b"nonsense\r\n\r\n"], UpstreamProtocolError),
        ([OK[:-1], Fault.RESET], UpstreamClosed),
        ([OK[:-1]], UpstreamTimeout),
    ],
)
async def test_errors_have_their_type(script: list[Step] | None, error: type[Exception]) -> None:
    """Whatever goes wrong is one of four errors, and the connection is closed."""
    relay = relay_to(Fault.STALL if script is None else ScriptedStream(*script))
    with pytest.raises(error):
        await get(relay)
    assert not relay._lanes


@pytest.mark.autojump
async def test_tidying_up() -> None:
    """Idle connections past their time close without a further request."""
    stream = ScriptedStream(OK)
    relay = relay_to(stream, keep_alive=2)
    await get(relay)
    closed = list[bool]()
    for _ in range(2):
        await relay.expire()
        closed.append(stream.closed)
        await anyio.sleep(2)
    assert closed == [False, True]
    assert not relay._lanes
