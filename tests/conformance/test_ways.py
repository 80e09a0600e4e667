"""The rows B19 to B24: how connections are opened, shared, broken off and held back."""

from dataclasses import replace

import anyio
import pytest
from anyio.abc import SocketAttribute

from fluxlit.gateway import parking
from fluxlit.status import DaemonPhase, Endpoint, InstancePhase
from tests.conformance.stack import request, stack
from tests.conformance.test_bodies import heard, reset, statuses
from tests.conformance.upstream import OK, Talk, ending


async def test_b19_we_never_half_close_upwards() -> None:
    """The upstream sees no end of stream while it is asked."""
    ends: list[bool] = []

    async def script(talk: Talk) -> None:
        await talk.request()
        with anyio.move_on_after(0.05) as waited:
            await talk.until_end()
        ends.append(not waited.cancelled_caught)
        await talk.send(OK + b"ok")

    async with stack(script) as served:
        assert statuses(await served.ask(request("GET /"))) == [200]
    assert ends == [False]


async def test_b20_refused_is_502_and_starting_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Retry-After, both."""
    monkeypatch.setattr(parking, "NOTICE", 0.1)
    async with stack() as served:
        gone = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = gone.extra(SocketAttribute.local_port)
        await gone.aclose()
        served.instance = replace(served.instance, endpoint=Endpoint("127.0.0.1", port))
        served.publish(DaemonPhase.READY)
        refused = await served.ask(request("GET /"))
        served.instance = replace(served.instance, phase=InstancePhase.STARTING)
        served.publish(DaemonPhase.STARTING)
        starting = await served.ask(request("GET /"))
    # Within the park time another instance may come: both say so, neither is a silent failure.
    assert statuses(refused) in ([502], [503])
    assert statuses(starting) == [503]
    assert b"\r\nretry-after: " in refused
    assert b"\r\nretry-after: " in starting


@pytest.mark.parametrize("part", ["head", "body"])
async def test_b20_a_silent_upstream_is_504_or_an_end(part: str) -> None:
    """504 while nothing was answered; an answer that stalls is cut."""

    async def script(talk: Talk) -> None:
        await talk.request()
        if part == "body":
            await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + bytes(70_000))
        await talk.until_end()

    async with stack(script, relay={"head_timeout": 0.1, "idle_timeout": 0.1}) as served:
        answer = await served.ask(request("GET /"))
    assert statuses(answer) == ([504] if part == "head" else [])


@pytest.mark.parametrize(
    ("again", "asked"),
    [
        (request("GET /again"), 2),
        (request("POST /again", "Content-Length: 2", body=b"hi"), 1),
        (request("DELETE /again"), 1),
    ],
    ids=["GET", "POST", "DELETE"],
)
async def test_b21_only_what_may_be_repeated_is(again: bytes, asked: int) -> None:
    """A pooled connection that closes under a request: asked once more, or 502."""

    async def script(talk: Talk) -> None:
        while (one := await talk.request()) is not None:
            tries.append(one.target)
            if one.target == b"/again" and len(tries) == 2:
                return
            await talk.send(OK + b"ok")

    tries: list[bytes] = []
    async with stack(script, relay={"keep_alive": 2.0}) as served:
        assert statuses(await served.ask(request("GET /first"))) == [200]
        assert statuses(await served.ask(again)) == ([200] if asked == 2 else [502])
    assert tries.count(b"/again") == asked


async def test_b22_a_connection_the_upstream_has_closed_is_not_used() -> None:
    """Readability is checked first: the second request is asked once, on a new connection."""
    async with stack(ending(OK + b"ok"), relay={"keep_alive": 2.0}) as served:
        assert statuses(await served.ask(request("GET /first"))) == [200]
        with anyio.fail_after(5):
            await served.upstream.talks[0].ended.wait()
        assert statuses(await served.ask(request("POST /second", "Content-Length: 0"))) == [200]
        assert [one.target for one in served.upstream.requests] == [b"/first", b"/second"]


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize("answered", ["nothing", "half"])
async def test_b23_a_client_that_leaves_ends_the_upstream_s_work(way: str, answered: str) -> None:
    """The connection up is closed at once."""

    async def script(talk: Talk) -> None:
        await talk.request()
        if answered == "half":
            await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + bytes(70_000))
        await talk.until_end()

    async with stack(script) as served:
        client = await served.connect()
        await client.send(request("GET /"))
        talk = await heard(served)
        if answered == "half":
            await client.until(b"\r\n\r\n")
        if way == "reset":
            await reset(client)
        else:
            await client.stream.aclose()
        with anyio.fail_after(2):
            await talk.ended.wait()


async def test_b24_a_slow_client_slows_the_upstream() -> None:
    """Of an endless answer only as much is taken as fits into the sockets."""
    taken = 0

    async def script(talk: Talk) -> None:
        nonlocal taken
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with anyio.move_on_after(0.5):
            while True:
                await talk.stream.send(b"10000\r\n" + bytes(65_536) + b"\r\n")
                taken += 65_536

    async with stack(script) as served, await served.connect() as client:
        await client.send(request("GET /"))
        with anyio.fail_after(5):
            await (await heard(served)).ended.wait()
        assert 0 < taken < 32 * 1024 * 1024


async def test_b24_chunks_flush_at_once() -> None:
    """The client has the first piece of an event stream before there is a second one."""

    async def script(talk: Talk) -> None:
        await talk.request()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        await talk.send(head + b"9\r\ndata: 1\n\n\r\n")
        with anyio.fail_after(5):
            await seen.wait()
        await talk.send(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    seen = anyio.Event()
    async with stack(script) as served, await served.connect() as client:
        await client.send(request("GET /"))
        await client.until(b"data: 1\n\n")
        seen.set()
        assert b"data: 2\n\n" in await client.rest()
