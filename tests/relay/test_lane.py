"""The connections to one endpoint, over scripted streams."""

import anyio
import pytest

from fluxlit.config.settings import Relay as Settings
from fluxlit.errors import ConnectFailed, UpstreamTimeout
from fluxlit.protocol.exchange import RequestHead
from fluxlit.relay.connection import Connection
from fluxlit.relay.lane import Lane
from tests.doubles.streams import NOWHERE, Dialer, Fault, ScriptedStream

pytestmark = pytest.mark.autojump

GET = RequestHead(b"GET", b"/", [(b"host", b"a")])
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def lane(*streams: ScriptedStream | Exception | Fault, most: int = 2) -> Lane:
    """A lane that dials ``streams`` in turn."""
    settings = Settings(max_connections=most, keep_alive=2, connect_timeout=1, head_timeout=30)
    return Lane(NOWHERE, settings, Dialer(*streams))


async def used(lane: Lane) -> Connection:
    """A connection whose exchange is over."""
    connection = await lane.acquire()
    await connection.ask(GET)
    return connection


async def test_a_released_connection_is_used_again() -> None:
    """The second exchange goes over the stream of the first."""
    stream = ScriptedStream(OK, OK)
    one = lane(stream)
    first = await used(one)
    one.release(first)
    second = await used(one)
    assert (first.stream, first.reused, second.stream, second.reused) == (
        stream,
        False,
        stream,
        True,
    )


async def test_an_unfinished_exchange_closes_its_connection() -> None:
    """What was left early is closed at once, and nothing remains."""
    stream = ScriptedStream()
    one = lane(stream)
    one.release(await one.acquire())
    assert stream.closed
    assert one.empty


async def test_a_connection_that_ended_while_idle_is_not_used() -> None:
    """A readable idle connection is discarded and a new one opened in its place."""
    stale, fresh = ScriptedStream(OK), ScriptedStream(OK)
    one = lane(stale, fresh, most=1)
    one.release(await used(one))
    stale.ended = True
    connection = await one.acquire()
    assert (stale.closed, connection.stream, connection.reused) == (True, fresh, False)


async def test_idle_connections_expire() -> None:
    """After keep_alive an idle connection is closed by the next who comes, or by tidying up."""
    first, second = ScriptedStream(OK), ScriptedStream(OK)
    one = lane(first, second)
    one.release(await used(one))
    await anyio.sleep(2)
    one.release(await used(one))
    assert (first.closed, second.closed) == (True, False)
    await anyio.sleep(2)
    one.expire()
    assert second.closed
    assert one.empty


async def test_waiting_for_a_turn() -> None:
    """At the limit the next waits, and gets the connection of the first that is done."""
    one = lane(ScriptedStream(OK, OK), most=1)
    first = await used(one)
    got: list[Connection] = []

    async def wait() -> None:
        got.append(await one.acquire())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert got == []
        one.release(first)
    assert got[0].stream is first.stream


async def test_waiting_has_an_end() -> None:
    """Nobody waits for a turn longer than for an answer; the place in the line is given up."""
    one = lane(ScriptedStream(OK), most=1)
    first = await used(one)
    start = anyio.current_time()
    with pytest.raises(UpstreamTimeout, match="connect"):
        await one.acquire()
    assert anyio.current_time() - start == pytest.approx(30)
    one.release(first)
    assert not first.stream.has_ended()


async def test_a_cancelled_turn_passes_on() -> None:
    """Who is cancelled just when its turn has come does not take the connection along."""
    one = lane(ScriptedStream(OK, OK), most=1)
    first = await used(one)
    got: list[Connection] = []

    async def wait(scope: anyio.CancelScope) -> None:
        with scope:
            got.append(await one.acquire())

    gone, stays = anyio.CancelScope(), anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, gone)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(wait, stays)
        await anyio.wait_all_tasks_blocked()
        gone.cancel()
        one.release(first)
    assert [connection.stream for connection in got] == [first.stream]


@pytest.mark.parametrize("failure", [ConnectFailed("refused"), Fault.STALL])
async def test_a_failed_connection_frees_its_place(failure: Exception | Fault) -> None:
    """An error or a timeout of connecting leaves room for the next."""
    one = lane(failure, ScriptedStream(), most=1)
    with pytest.raises((ConnectFailed, UpstreamTimeout)):
        await one.acquire()
    assert one.empty
    await one.acquire()


async def test_a_renewed_connection_keeps_its_place() -> None:
    """A dead connection is closed and replaced; if that fails, releasing it still frees the place."""
    dead = ScriptedStream()
    one = lane(dead, ScriptedStream(), ConnectFailed("gone"), most=1)
    connection = await one.acquire()
    await one.renew(connection)
    assert dead.closed
    with pytest.raises(ConnectFailed):
        await one.renew(connection)
    one.release(connection)
    assert one.empty


async def test_retirement() -> None:
    """What idles closes at once, what is in use when it is released."""
    idle, busy = ScriptedStream(OK), ScriptedStream(OK)
    one = lane(idle, busy)
    first, second = await used(one), await used(one)
    one.release(first)
    one.retire()
    assert (idle.closed, busy.closed) == (True, False)
    one.release(second)
    assert busy.closed
    assert one.empty
