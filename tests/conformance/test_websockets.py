"""Rows W1 to W23: a WebSocket seen from both ends of the relay, in raw frames."""

import base64
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from fluxlit.gateway import parking
from fluxlit.gateway.server.limits import Limits
from tests.conformance.stack import STREAM, Stack, stack
from tests.conformance.upstream import Script, Talk, ending
from tests.gateway.server.served import Client, frame, handshake

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
LIMITS = Limits(idle=5.0, linger=0.3, tick=0.02)
BASE = frozenset(
    {"host", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"}
)
HANDSHAKE = frozenset({"connection", "upgrade", "sec-websocket-key", "sec-websocket-version"})


def code(number: int, reason: str = "") -> bytes:
    """The payload of a Close frame."""
    return struct.pack("!H", number) + reason.encode()


async def echo(talk: Talk) -> None:
    """Agree, send every message back as one frame, answer a Close."""
    await talk.upgrade()
    while True:
        first, payload = await talk.frame()
        await talk.send(frame_up(first, payload))
        if first == CLOSE:
            return


def frame_up(first: int, payload: bytes = b"") -> bytes:
    """A server's frame, without a mask."""
    whole = frame(first, payload)
    mask = len(whole) - len(payload) - 4
    return whole[:1] + bytes((whole[1] & 0x7F,)) + whole[2:mask] + payload


def then(*frames: bytes) -> Script:
    """Agree, send these frames, and read up to a Close, which is answered if it is the first."""

    async def script(talk: Talk) -> None:
        await talk.upgrade()
        await talk.send(b"".join(frames))
        while not any(first == CLOSE for first, _ in told):
            told.append(await talk.frame())
        if not any(sent[0] == CLOSE for sent in frames):
            await talk.send(frame_up(CLOSE, told[-1][1]))

    told: list[tuple[int, bytes]] = []
    script.told = told  # type: ignore[attr-defined]
    return script


@asynccontextmanager
async def opened(
    script: Script = echo, *fields: str, **settings: object
) -> AsyncGenerator[tuple[Stack, Client, bytes]]:
    """A stack and a client that has asked for the stream; also the head of what it was answered."""
    async with (
        stack(script, **{"limits": LIMITS, **settings}) as served,  # type: ignore[arg-type]
        await served.connect() as client,
    ):
        yield served, client, await client.websocket(STREAM, *fields)


async def told_up(served: Stack) -> list[tuple[int, bytes]]:
    """The frames that the upstream was sent, once its connection has ended."""
    (talk,) = served.upstream.talks
    with anyio.fail_after(5):
        await talk.ended.wait()
    assert served.upstream.violations == []
    told: list[tuple[int, bytes]] = served.upstream.script.told  # type: ignore[attr-defined]
    return told


@pytest.mark.parametrize(
    "path",
    ["/", "/_stcore/health", "/_stcore/%73tream", "/_stcore%2fstream", "/_stcore/stream/", "/_STCORE/stream", "//_stcore/stream"],
)  # fmt: skip
async def test_w1_one_path_only(path: str) -> None:
    """404 (400 for a path of two readings), the upstream hears nothing."""
    async with stack(limits=LIMITS) as served:
        answer = await served.ask(handshake(path))
        assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))
        assert served.upstream.raw == b""


async def test_w2_the_upstream_is_asked_first() -> None:
    """No 101 before its 101; its cookies and its choice come along."""

    async def script(talk: Talk) -> None:
        heard = await talk.head()
        asked.set()
        await go.wait()
        cookies = b"Set-Cookie: a=1\r\nSet-Cookie: b=2"
        await talk.upgrade(b"Sec-WebSocket-Protocol: streamlit", cookies, heard=heard)
        await talk.until_end()

    asked, go = anyio.Event(), anyio.Event()
    async with stack(script) as served, await served.connect() as client:
        await client.send(handshake(STREAM, "Sec-WebSocket-Protocol: streamlit, x"))
        with anyio.fail_after(5):
            await asked.wait()
        with anyio.move_on_after(0.05) as early:
            await client.until(b"\r\n\r\n")
        assert early.cancelled_caught
        go.set()
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        lines = head.lower().split(b"\r\n")
        assert [line for line in lines if line.startswith(b"set-cookie")] == [
            b"set-cookie: a=1",
            b"set-cookie: b=2",
        ]
        assert b"sec-websocket-protocol: streamlit" in lines


async def test_w2_a_refusal_keeps_its_status_and_body() -> None:
    """And its fields."""
    refusal = b"HTTP/1.1 401 No\r\nContent-Length: 4\r\nWWW-Authenticate: x\r\n\r\nnope"
    async with stack(ending(refusal), limits=LIMITS) as served:
        answer = await served.ask(handshake(STREAM))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nwww-authenticate: x\r\n" in answer.lower()
    assert answer.endswith(b"\r\n\r\nnope")


async def test_w2_a_silent_upstream_is_504() -> None:
    """Within the handshake's own time."""

    async def script(talk: Talk) -> None:
        await talk.until_end()

    relay = {"websocket_open_timeout": 0.1}
    async with stack(script, limits=LIMITS, relay=relay) as served:
        assert (await served.ask(handshake(STREAM))).startswith(b"HTTP/1.1 504 ")


async def test_w2_an_upstream_that_ends_is_502(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Retry-After, or 503 when a replacement is waited for."""
    monkeypatch.setattr(parking, "NOTICE", 0.1)

    async def script(talk: Talk) -> None:
        await talk.head()

    async with stack(script, limits=LIMITS) as served:
        answer = await served.ask(handshake(STREAM))
    assert answer.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 503 "))
    assert b"\r\nretry-after: " in answer


async def test_w3_every_connection_has_a_key_of_its_own() -> None:
    """16 random bytes, never the client's."""
    async with stack(
        ending(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), limits=LIMITS
    ) as served:
        for _ in range(2):
            await served.ask(handshake(STREAM))
        one, two = (heard.value("sec-websocket-key") or b"" for heard in served.upstream.requests)
    assert len({one, two, b"AAAAAAAAAAAAAAAAAAAAAA=="}) == 3
    assert len(base64.b64decode(one)) == len(base64.b64decode(two)) == 16


ACCEPTED = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
WRONG = {
    "W3 wrong accept": ACCEPTED + b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    "W3 no accept": ACCEPTED + b"\r\n",
    "W3 fake 101": b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "W22 endless head": b"HTTP/1.1 101 X\r\nX: " + b"a" * 100_000,
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
async def test_w3_w22_an_unsound_101_is_502(answer: bytes) -> None:
    """No tunnel is opened."""
    async with stack(ending(answer), limits=LIMITS) as served:
        told = await served.ask(handshake(STREAM))
    assert told.startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize(
    "extra",
    [b"Sec-WebSocket-Extensions: permessage-deflate", b"Sec-WebSocket-Protocol: other"],
    ids=["W6 extension", "W5 subprotocol"],
)
async def test_w5_w6_what_was_not_offered_is_502(extra: bytes) -> None:
    """The proof is right, the choice is not."""

    async def script(talk: Talk) -> None:
        await talk.upgrade(extra)
        await talk.until_end()

    async with opened(script, "Sec-WebSocket-Protocol: streamlit") as (_, _, head):
        assert head.startswith(b"HTTP/1.1 502 ")


ILL = {
    "W3 short key": (b"AAAAAAAAAAAAAAAAAAAAAA==", b"short", 400),
    "W4 version": (b"Version: 13", b"Version: 12", 426),
    "W8 length": (b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello", 400),
    "W8 chunked": (b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "W8 method": (b"GET", b"POST", 400),
    "W8 HTTP/1.0": (b"HTTP/1.1", b"HTTP/1.0", 400),
    "W9 early data": (b"\r\n\r\n", b"\r\n\r\n" + frame(TEXT, b"x"), 400),
    "W7 fields": (b"\r\n\r\n", b"\r\n" + b"X: y\r\n" * 120 + b"\r\n", 431),
}


@pytest.mark.parametrize(("old", "new", "status"), ILL.values(), ids=ILL.keys())
async def test_handshakes_that_are_none(old: bytes, new: bytes, status: int) -> None:
    """Refused, and if the upstream was asked at all it sees the connection end."""
    async with stack(limits=LIMITS) as served:
        answer = await served.ask(handshake(STREAM).replace(old, new, 1))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert status != 426 or b"sec-websocket-version: 13" in answer.lower()


async def test_w5_subprotocols_keep_their_places() -> None:
    """One line, the order and empty items kept: Streamlit reads positions."""
    fields = ("Sec-WebSocket-Protocol: streamlit, , id", "Sec-WebSocket-Protocol: x")
    async with opened(echo, *fields) as (served, _, _):
        (heard,) = served.upstream.requests
        assert heard.values("sec-websocket-protocol") == [b"streamlit, , id, x"]


async def test_w6_w7_the_handshake_upwards_is_our_own() -> None:
    """No extension is offered, no foreign handshake field passes, a large cookie does."""
    fields = (
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Accept: x",
        "Sec-WebSocket-Evil: x",
        f"Cookie: {'a' * 9000}",
    )
    async with opened(echo, *fields) as (served, _, head):
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"extensions" not in head.lower()
        (heard,) = served.upstream.requests
        assert {name.decode() for name, _ in heard.fields} == BASE | HANDSHAKE | {"cookie"}
