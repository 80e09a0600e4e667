"""The rows W10 to W21: what passes through an open WebSocket, and how it ends."""

import socket
import struct
from dataclasses import replace

import anyio
import pytest
from anyio.abc import SocketAttribute

from fluxlit.gateway import websocket
from fluxlit.gateway.server.limits import Limits
from fluxlit.status import DaemonPhase, InstancePhase
from tests.conformance.stack import request
from tests.conformance.test_websockets import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    code,
    frame_up,
    opened,
    then,
    told_up,
)
from tests.conformance.upstream import Talk
from tests.gateway.server.served import frame

MESSAGES = {
    "text": (TEXT, "häß".encode()),
    "binary": (BINARY, b"\x00\xff"),
    "empty": (BINARY, b""),
    "126": (BINARY, bytes(126)),
    "64 KiB": (BINARY, bytes(65_536)),
    "1 MiB": (BINARY, bytes(range(256)) * 4096),
}


@pytest.mark.parametrize(("first", "payload"), MESSAGES.values(), ids=MESSAGES.keys())
async def test_w11_w13_messages_pass_in_their_kind(first: int, payload: bytes) -> None:
    """Masked up, bare down, text as text and binary as binary."""
    async with opened() as (served, client, _):
        await client.send(frame(first, payload))
        assert await client.frame() == (first, payload)
        assert served.upstream.violations == []


async def test_w12_fragments_arrive_as_one_frame() -> None:
    """With a ping in between, which is answered at once."""
    async with opened() as (_, client, _):
        await client.send(frame(0x01, b"ab") + frame(0x00, b"cd"))
        await client.send(frame(PING, b"p"))
        assert await client.frame() == (PONG, b"p")
        await client.send(frame(0x80, b"ef"))
        assert await client.frame() == (TEXT, b"abcdef")


BAD = {
    "W11 unmasked": (b"\x81\x01x", 1002),
    "W14 text": (frame(TEXT, b"\xff"), 1007),
    "reserved bit": (frame(0xC1, b"x"), 1002),
    "reserved opcode": (frame(0x83, b"x"), 1002),
    "long ping": (frame(PING, bytes(126)), 1002),
    "cut ping": (frame(0x09, b"x"), 1002),
    "continuation of nothing": (frame(0x80, b"x"), 1002),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "W15 too big": (frame(BINARY, bytes(1001)), 1009),
    "W15 too big in pieces": (frame(0x02, bytes(600)) + frame(0x80, bytes(600)), 1009),
    "W15 announced": (b"\x82\xff" + (1 << 62).to_bytes(8, "big") + bytes(4), 1009),
}


@pytest.mark.parametrize(("sent", "number"), BAD.values(), ids=BAD.keys())
async def test_a_client_that_breaks_the_rules(sent: bytes, number: int) -> None:
    """It is told which; the upstream is told 1001."""
    async with opened(then(), max_websocket_message=1000) as (served, client, _):
        await client.send(sent)
        first, payload = await client.frame()
        assert (first, payload[:2]) == (CLOSE, code(number))
        await client.rest()
        assert await told_up(served) == [(CLOSE, code(1001))]


UNSOUND = {
    "W11 masked": (frame(TEXT, b"x"), 1002),
    "W14 text": (frame_up(TEXT, b"\xff"), 1007),
    "W6 reserved bit": (frame_up(0xC1, b"x"), 1002),
    "W15 too big": (frame_up(BINARY, bytes(1001)), 1009),
    "W15 pieces": (frame_up(0x02, bytes(600)) + frame_up(0x80, bytes(600)), 1009),
    "close 999": (frame_up(CLOSE, code(999)), 1002),
    "close 1014": (frame_up(CLOSE, code(1014)), 1002),
}


@pytest.mark.parametrize(("sent", "number"), UNSOUND.values(), ids=UNSOUND.keys())
async def test_an_upstream_that_breaks_the_rules(sent: bytes, number: int) -> None:
    """It is told which (W23: and nothing more is read); the client is told 1011."""
    async with opened(then(sent), max_websocket_message=1000) as (served, client, _):
        first, payload = await client.frame()
        assert (first, payload[:2]) == (CLOSE, code(1011))
        await client.send(frame(CLOSE, payload[:2]))
        await client.rest()
        assert await told_up(served) == [(CLOSE, code(number))]


PASSED = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 4999]


@pytest.mark.parametrize("number", PASSED)
async def test_w18_w19_codes_and_reasons_pass_both_ways(number: int) -> None:
    """The browser reads what Streamlit said, and the other way round; each Close is answered."""
    async with opened(then(frame_up(CLOSE, code(number, "warum")))) as (served, client, _):
        assert await client.frame() == (CLOSE, code(number, "warum"))
        await client.send(frame(CLOSE, code(number)))
        assert await client.rest() == b""
        assert await told_up(served) == [(CLOSE, code(number))]
    async with opened(then()) as (served, client, _):
        await client.send(frame(CLOSE, code(number, "warum")))
        assert (await client.frame())[1][:2] == code(number)
        await client.rest()
        (told,) = await told_up(served)
        assert told == (CLOSE, code(number, "warum"))


async def test_w18_a_close_without_a_code() -> None:
    """1000 for the client, an empty answer for the upstream."""
    async with opened(then(frame_up(CLOSE))) as (served, client, _):
        assert await client.frame() == (CLOSE, code(1000))
        await client.send(frame(CLOSE, code(1000)))
        assert await told_up(served) == [(CLOSE, b"")]


async def test_w19_a_client_s_empty_close() -> None:
    """Stays empty upwards."""
    async with opened(then()) as (served, client, _):
        await client.send(frame(CLOSE))
        assert (await client.frame())[0] == CLOSE
        await client.rest()
        assert await told_up(served) == [(CLOSE, b"")]


@pytest.mark.parametrize("restarting", [False, True])
@pytest.mark.parametrize("way", ["end", "reset"])
async def test_w20_an_upstream_that_drops(way: str, restarting: bool) -> None:
    """1011, or 1012 when its process is gone and another one comes."""

    async def script(talk: Talk) -> None:
        await talk.upgrade()
        await go.wait()
        if way == "reset":
            await talk.reset()

    go = anyio.Event()
    async with opened(script) as (served, client, _):
        go.set()
        if restarting:
            gone = replace(served.instance, phase=InstancePhase.STARTING, id="ui-2")
            served.publish(DaemonPhase.READY, gone)
        first, payload = await client.frame()
        assert (first, payload[:2]) == (CLOSE, code(1012 if restarting else 1011))
        await client.send(frame(CLOSE, payload[:2]))
        await client.rest()


@pytest.mark.parametrize("way", ["close", "reset"])
async def test_w20_a_client_that_drops(way: str) -> None:
    """The upstream is told 1001 and its connection ends."""
    async with opened(then()) as (served, client, _):
        if way == "reset":
            sock = client.stream.extra(SocketAttribute.raw_socket)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await client.stream.aclose()
        assert await told_up(served) == [(CLOSE, code(1001))]


async def test_w20_one_side_never_outlives_the_other_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that does not answer the Close is let go after the linger time."""
    monkeypatch.setattr(websocket, "GOODBYE", 0.3)
    async with opened(then(frame_up(CLOSE, code(1000)))) as (_, client, _):
        await client.frame()
        with anyio.fail_after(4):
            await client.rest()


async def test_w21_a_daemon_that_drains_says_1012() -> None:
    """Clients are invited to come again; the upstream is told 1001."""
    async with opened(then()) as (served, client, _):
        served.publish(DaemonPhase.DRAINING)
        first, payload = await client.frame()
        assert (first, payload[:2]) == (CLOSE, code(1012))
        await client.send(frame(CLOSE, payload[:2]))
        assert await told_up(served) == [(CLOSE, code(1001))]


async def test_w16_pings_are_answered_hop_by_hop() -> None:
    """The upstream's by the relay, each and in order; the client's by the listener."""

    async def script(talk: Talk) -> None:
        await talk.upgrade()
        await talk.send(b"".join(frame_up(PING, b"%d" % n) for n in range(10)))
        pongs.extend([await talk.frame() for _ in range(10)])
        done.set()
        await talk.until_end()

    pongs: list[tuple[int, bytes]] = []
    done = anyio.Event()
    async with opened(script) as (_, client, _):
        with anyio.fail_after(5):
            await done.wait()
        assert pongs == [(PONG, b"%d" % n) for n in range(10)]
        await client.send(frame(PING, b"q"))
        assert await client.frame() == (PONG, b"q")


async def test_w16_a_silent_peer_is_noticed_on_both_sides() -> None:
    """Each is pinged; who does not answer is gone."""

    async def silent(talk: Talk) -> None:
        await talk.upgrade()
        while True:
            pings.append(await talk.frame())

    pings: list[tuple[int, bytes]] = []
    relay = {"websocket_ping_interval": 0.05, "websocket_ping_timeout": 0.3}
    async with opened(silent, relay=relay) as (_, client, _):
        first, payload = await client.frame()
        assert (first, payload[:2]) == (CLOSE, code(1011))
        assert pings[0] == (PING, b"")
        await client.send(frame(CLOSE, payload[:2]))
        await client.rest()
    limits = Limits(idle=5.0, ping=0.05, pong=0.2, tick=0.02)
    async with opened(then(), limits=limits) as (served, client, _):
        assert await client.frame() == (PING, b"")
        assert (await client.frame())[0] == CLOSE
        assert await told_up(served) == [(CLOSE, code(1001))]


async def test_w10_w21_requests_are_served_beside_websockets() -> None:
    """A WebSocket takes no place of the pool for requests."""

    async def both(talk: Talk) -> None:
        heard = await talk.head()
        if heard is not None and heard.values("upgrade"):
            await talk.upgrade(heard=heard)
            await talk.until_end()
        else:
            await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with opened(both, relay={"max_connections": 1}) as (served, _, head):
        assert head.startswith(b"HTTP/1.1 101 ")
        assert (await served.ask(request("GET /"))).endswith(b"ok")
