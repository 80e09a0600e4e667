"""The one reader: back-pressure, limits, and a client that leaves."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from fluxlit.errors import ClientLeft
from fluxlit.gateway.asgi import Message
from fluxlit.gateway.inbox import SETTLE_TIME, Bare, Body, Inbox

pytestmark = pytest.mark.autojump


def piece(body: bytes, *, more: bool = True) -> Message:
    """A part of the request."""
    return {"type": "http.request", "body": body, "more_body": more}


class Source:
    """A receive() over a list; blocks when the list is at its end."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.read = 0

    async def __call__(self) -> Message:
        """The next message."""
        await anyio.lowlevel.checkpoint()
        if self.read == len(self.messages):
            await anyio.sleep_forever()
        self.read += 1
        return self.messages[self.read - 1]


@asynccontextmanager
async def reading(source: Callable[[], object], limit: int = 100) -> AsyncGenerator[Inbox]:
    """An inbox whose reader runs while the block does."""
    async with anyio.create_task_group() as tasks:
        inbox = Inbox(source, limit, everything=tasks.cancel_scope)  # type: ignore[arg-type]
        tasks.start_soon(inbox.run)
        try:
            yield inbox
        finally:
            tasks.cancel_scope.cancel()
            inbox.close()


async def test_pieces_come_in_order_and_end() -> None:
    """Whole, once."""
    async with reading(Source(piece(b"a"), piece(b""), piece(b"b", more=False))) as inbox:
        body = inbox.body()
        assert body is not None
        assert [part async for part in body] == [b"a", b"b"]
        assert inbox.complete


async def test_the_reader_waits_for_whoever_takes() -> None:
    """One piece waits, one is in hand; the third is not read."""
    source = Source(*[piece(b"x")] * 10)
    async with reading(source) as inbox:
        await anyio.wait_all_tasks_blocked()
        assert source.read == 2
        body = inbox.body()
        assert body is not None
        await anext(body)
        await anyio.wait_all_tasks_blocked()
        assert source.read == 3
        await body.aclose()


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([piece(b"", more=False)], Body.NONE),
        ([piece(b"a", more=False)], Body.UNTOUCHED),
        ([piece(b"")], Body.UNTOUCHED),
        ([{"type": "http.disconnect"}], Body.UNTOUCHED),
    ],
)
async def test_the_first_event_tells_whether_there_is_a_body(
    messages: list[Message], expected: Body
) -> None:
    """Only an empty end is no body."""
    async with anyio.create_task_group() as tasks:
        inbox = Inbox(Source(*messages), 100, everything=tasks.cancel_scope)
        inbox.peeked(messages[0])
        assert inbox.phase is expected
        inbox.close()


async def test_a_cut_body_raises() -> None:
    """Its end must not look like a whole one."""
    source = Source(piece(b"a"), {"type": "http.disconnect"})
    ended: list[bool] = []
    async with reading(source) as inbox:
        body = inbox.body()
        assert body is not None
        with anyio.CancelScope(shield=True), pytest.raises(ClientLeft):
            async for _ in body:
                pass
        ended.append(inbox.left)
    assert ended == [True]


async def test_too_long_a_body_stops_the_exchange() -> None:
    """And says so; what follows is thrown away."""
    async with reading(Source(piece(b"a" * 101)), 100) as inbox:
        with inbox.exchange:
            await anyio.sleep_forever()
        assert inbox.too_large
        assert inbox.phase is Body.UNWANTED


async def test_settling_is_bounded_in_time() -> None:
    """A client that stalls is not waited for."""
    async with reading(Source(piece(b"a"))) as inbox:
        began = anyio.current_time()
        await inbox.settle()
        assert anyio.current_time() - began == pytest.approx(SETTLE_TIME)


async def test_settling_takes_a_body_that_nobody_reads() -> None:
    """The reader that waits to hand a piece over is freed."""
    messages = [piece(b"a"), piece(b"b"), piece(b"c"), piece(b"d", more=False)]
    async with reading(Source(*messages)) as inbox:
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        await inbox.settle()
        assert inbox.complete
        assert anyio.current_time() == began


async def test_a_bare_request_ends_with_its_client() -> None:
    """Without a task: the server's own word stops the exchange, unless the answer is over."""
    watchers: list[Callable[[], None]] = []
    bare = Bare(watchers.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_after_a_second, watchers[0])
        with bare.exchange:
            await anyio.sleep_forever()
    assert bare.left
    done = Bare(watchers.append)
    done.over = True
    watchers[1]()
    assert (done.left, done.exchange.cancel_called) == (False, False)


async def _after_a_second(call: Callable[[], None]) -> None:
    await anyio.sleep(1)
    call()
