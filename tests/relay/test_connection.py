"""One exchange over a scripted stream, on clocks that jump."""

from collections.abc import AsyncIterator

import anyio
import pytest

from fluxlit.config.settings import Relay as Settings
from fluxlit.errors import UpstreamClosed, UpstreamProtocolError, UpstreamTimeout
from fluxlit.protocol.exchange import BodyLengthError, RequestHead
from fluxlit.relay.connection import Answer, Connection
from tests.doubles.streams import Fault, ScriptedStream, Until

pytestmark = pytest.mark.autojump

SETTINGS = Settings(head_timeout=30, idle_timeout=10)
HOST = (b"host", b"a")
GET = RequestHead(b"GET", b"/", [HOST])
POST = RequestHead(b"POST", b"/", [HOST])
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def on(stream: ScriptedStream) -> Connection:
    """A connection over ``stream``."""
    return Connection(stream, SETTINGS)


async def all_of(answer: Answer) -> bytes:
    """The whole body."""
    return b"".join([piece async for piece in answer.body])


async def chunks(*steps: bytes | float | Exception) -> AsyncIterator[bytes]:
    """A request body that comes in pieces, after pauses, or fails."""
    for step in steps:
        if isinstance(step, Exception):
            raise step
        if isinstance(step, bytes):
            yield step
        else:
            await anyio.sleep(step)


async def upload(connection: Connection, *steps: bytes | float | Exception) -> bytes:
    """The body of the answer to an upload."""
    async with connection.upload(POST, chunks(*steps)) as answer:
        return await all_of(answer)


async def test_a_question_and_its_answer() -> None:
    """The request goes out as it is, the answer comes in, and the connection may be used again."""
    stream = ScriptedStream(HEAD + b"bo", b"dy")
    connection = on(stream)
    answer = await connection.ask(GET)
    assert (answer.head.status, await all_of(answer)) == (200, b"body")
    assert bytes(stream.sent) == b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    assert connection.reusable


async def test_an_answer_without_a_body_needs_no_reading() -> None:
    """Whoever ignores the body of a HEAD answer leaves a usable connection."""
    connection = on(ScriptedStream(HEAD))
    await connection.ask(RequestHead(b"HEAD", b"/", [HOST]))
    assert connection.reusable


@pytest.mark.parametrize(
    ("script", "waiting_for", "seconds"),
    [
        ([], "head", 30),
        ([29.0, b"HTTP/1.1 200 OK\r\n"], "head", 30),
        ([5.0, b"HTTP/1.1 100 Continue\r\n\r\n"], "head", 30),
        ([20.0, HEAD, 9.0, b"b"], "body", 39),
    ],
)
async def test_each_wait_has_its_time(
    script: list[bytes | float], waiting_for: str, seconds: float
) -> None:
    """The whole head within head_timeout, each piece of the body within idle_timeout."""
    start = anyio.current_time()
    connection = on(ScriptedStream(*script))
    with pytest.raises(UpstreamTimeout) as caught:
        await all_of(await connection.ask(GET))
    assert caught.value.waiting_for == waiting_for
    assert anyio.current_time() - start == pytest.approx(seconds)
    assert not connection.reusable


@pytest.mark.parametrize("end", [Fault.END, Fault.RESET])
@pytest.mark.parametrize(
    ("script", "received_head"),
    [([], False), ([b"HTTP/1.1 200"], False), ([HEAD], True), ([HEAD + b"bod"], True)],
)
async def test_an_answer_cut_off(script: list[bytes], received_head: bool, end: Fault) -> None:
    """The end or a reset before the answer is complete is UpstreamClosed, and says how far it was."""
    connection = on(ScriptedStream(*script, end))
    with pytest.raises(UpstreamClosed) as caught:
        await all_of(await connection.ask(GET))
    assert caught.value.received_head is received_head
    assert connection.heard is bool(script)


async def test_a_broken_answer() -> None:
    """What is not HTTP is UpstreamProtocolError."""
    with pytest.raises(UpstreamProtocolError):
        await on(ScriptedStream(b"hello\r\n\r\n")).ask(GET)


async def test_nothing_is_read_ahead() -> None:
    """A consumer that does not ask for more stops the reading: one piece at a time."""
    stream = ScriptedStream(HEAD.replace(b"4", b"6") + b"ab", b"cd", b"ef")
    answer = await on(stream).ask(GET)
    left = [len(stream.script)]
    async for _ in answer.body:
        await anyio.sleep(100)
        left.append(len(stream.script))
    assert left == [2, 2, 1, 0]


async def test_chunks_that_came_together_go_on_together() -> None:
    """Many small chunks of one read are one piece."""
    connection = on(ScriptedStream(CHUNKED + b"1\r\na\r\n1\r\nb\r\n", b"1\r\nc\r\n0\r\n\r\n"))
    answer = await connection.ask(GET)
    assert [piece async for piece in answer.body] == [b"ab", b"c"]


async def test_a_slow_consumer_costs_no_time() -> None:
    """The time between pieces counts only while we wait for the upstream."""
    answer = await on(ScriptedStream(HEAD, b"bo", b"dy")).ask(GET)
    got = b""
    async for piece in answer.body:
        got += piece
        await anyio.sleep(1000)
    assert got == b"body"


async def test_an_upload() -> None:
    """The body goes out in chunks, empty ones left out, and the connection may be used again."""
    stream = ScriptedStream(Until(b"0\r\n\r\n"), HEAD + b"body")
    connection = on(stream)
    assert await upload(connection, b"abc", b"", 5.0, b"d") == b"body"
    assert stream.sent.endswith(b"\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")
    assert connection.reusable


async def test_the_time_for_the_answer_begins_when_all_is_sent() -> None:
    """A slow upload is the browser's affair; the upstream has its whole time afterwards."""
    start = anyio.current_time()
    with pytest.raises(UpstreamTimeout, match="head"):
        await upload(on(ScriptedStream()), 500.0, b"x")
    assert anyio.current_time() - start == pytest.approx(530)


async def test_an_early_answer_ends_the_sending() -> None:
    """An answer before the body is sent starts at once; the rest is not sent, the connection closes."""
    stream = ScriptedStream(Until(b"one"), HEAD + b"late")
    connection = on(stream)
    start = anyio.current_time()
    assert await upload(connection, b"one", 60.0, b"two") == b"late"
    assert anyio.current_time() == start
    assert b"two" not in stream.sent
    assert not connection.reusable


async def test_an_interim_answer_is_not_an_early_one() -> None:
    """100 Continue lets the body go on."""
    stream = ScriptedStream(b"HTTP/1.1 100 Continue\r\n\r\n", Until(b"0\r\n\r\n"), HEAD + b"done")
    assert await upload(on(stream), b"one", 1.0, b"two") == b"done"


async def test_an_answer_behind_a_broken_write_is_read() -> None:
    """An upstream that refuses an upload and closes is heard, not reported as broken."""
    stream = ScriptedStream(1.0, HEAD.replace(b"200", b"413") + b"long", takes=200)
    async with on(stream).upload(POST, chunks(b"x" * 500)) as answer:
        assert (answer.head.status, await all_of(answer)) == (413, b"long")


async def test_a_broken_write_without_an_answer() -> None:
    """The reader then finds the end, and that is what is told."""
    with pytest.raises(UpstreamClosed):
        await upload(on(ScriptedStream(1.0, Fault.RESET, takes=200)), b"x" * 500)


async def test_an_upstream_that_does_not_read() -> None:
    """A body that cannot be sent on for idle_timeout is a timeout."""
    start = anyio.current_time()
    with pytest.raises(UpstreamTimeout, match="body"):
        await upload(on(ScriptedStream(takes=200, fault=Fault.STALL)), b"x" * 500)
    assert anyio.current_time() - start == pytest.approx(10)


@pytest.mark.parametrize("script", [[], [Until(b"abc"), HEAD + b"bo", 1.0]])
async def test_errors_of_the_body_come_out_as_they_are(script: list[bytes | float]) -> None:
    """What the browser's side raises reaches the caller by type, before or during the answer."""
    with pytest.raises(KeyError, match="left"):
        await upload(on(ScriptedStream(*script)), b"ab", 1.0, KeyError("left"))


async def test_errors_of_the_caller_come_out_as_they_are() -> None:
    """An error in the block is not wrapped in a group."""
    connection = on(ScriptedStream(HEAD + b"body"))
    with pytest.raises(KeyError, match="mine"):
        async with connection.upload(POST, chunks(b"x", 100.0)):
            raise KeyError("mine")


async def test_a_body_that_breaks_its_promise() -> None:
    """A body shorter than its Content-Length is never completed."""
    head = RequestHead(b"POST", b"/", [HOST, (b"content-length", b"5")])
    stream = ScriptedStream()
    with pytest.raises(BodyLengthError):
        async with on(stream).upload(head, chunks(b"1234")):
            pytest.fail("no answer can have come")
    assert stream.sent.endswith(b"\r\n\r\n1234")


async def test_a_fresh_start() -> None:
    """After a restart nothing of the first try counts."""
    first, second = ScriptedStream(Fault.END), ScriptedStream(HEAD + b"body")
    connection = Connection(first, SETTINGS, reused=True)
    with pytest.raises(UpstreamClosed):
        await connection.ask(GET)
    connection.restart(second)
    assert not connection.reused
    assert await all_of(await connection.ask(GET)) == b"body"
    assert first.sent == second.sent
