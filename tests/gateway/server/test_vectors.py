"""Single connections that end, leak or confuse plain Hypercorn 0.18.0, and what ours answers.

Measured on plain Hypercorn: vectors 1, 3, 4, 6, 16 and 17 end the whole process on trio; vectors 2
and 10 leave a task or a client waiting on every backend.
"""

import socket
import struct
from dataclasses import dataclass

import anyio
import pytest
from anyio.abc import SocketAttribute

from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import frame, handshake, serving

X = frame(0x81, b"x")
WS13 = b"Sec-WebSocket-Version: 13\r\n"


@dataclass(frozen=True)
class Vector:
    """What is sent in one write, how the answer begins, and what must not be in it."""

    sent: bytes
    answer: bytes
    absent: bytes = b"\x00never\x00"


def request(line: str, *fields: str) -> bytes:
    """The head of a request."""
    return "\r\n".join((f"{line} HTTP/1.1", "Host: a", *fields, "", "")).encode()


OK = b"HTTP/1.1 200"
BAD = b"HTTP/1.1 400"
FAILED = b"HTTP/1.1 500"
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=x"
H2C = ("Upgrade: h2c", "Connection: close")

VECTORS = {
    "V01 handshake with a body": Vector(handshake("/ws", "Content-Length: 5") + b"hello", BAD),
    "V02 frame before the accept": Vector(handshake("/ws-slow?delay=0.5") + X, BAD),
    "V03 frame before the denial": Vector(handshake("/ws-deny") + X, b"HTTP/1.1 4"),
    "V06 subprotocol not offered": Vector(
        handshake("/ws?subprotocol=zz", "Sec-WebSocket-Protocol: a"), FAILED
    ),
    "V07 line break in a field of the accept": Vector(handshake("/ws?val=a%0D%0Ab"), FAILED),
    "V08 upgrade to websocket and h2c": Vector(
        handshake("/ws-close?code=1000", "Upgrade: h2c"), b"HTTP/1.1 ", b"h2c"
    ),
    "V13 answer too short": Vector(request("GET /cl?n=10&m=5"), OK),
    "V13 answer too long": Vector(request("GET /cl?n=5&m=10"), OK, bytes(6)),
    "V13 line feed in a field": Vector(request("GET /hdr?val=a%0Ab"), FAILED),
    "V14 informational start": Vector(request("GET /1xx"), FAILED),
    "V15 h2c with bad settings": Vector(
        request("GET /status", "Upgrade: h2c", "HTTP2-Settings: !!!") + b"GARBAGE\r\n\r\n",
        OK,
        b" 101",
    ),
    "V16 h2c with bad base64": Vector(
        request("GET /status", *H2C, "HTTP2-Settings: A"), OK, b" 101"
    ),
    "V17 h2c with a bad value": Vector(
        request("GET /status", *H2C, "HTTP2-Settings: AAIAAAAF"), OK, b" 101"
    ),
    "V18 h2c on the way to a websocket": Vector(
        request(
            "GET /status", "Connection: Upgrade, close", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"
        ),
        OK,
        b" 101",
    ),
    "V19 CONNECT with h2c": Vector(
        request("CONNECT a:1", *H2C, "HTTP2-Settings: AAMAAABk"), b"HTTP/1.1 501"
    ),
    "h2c by prior knowledge": Vector(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 "),
    "HTTP/9.9": Vector(b"GET /status HTTP/9.9\r\nHost: a\r\n\r\n", b"HTTP/1.1 505"),
    "length beside chunked": Vector(
        request("POST /body", "Content-Length: 1", "Transfer-Encoding: chunked") + b"0\r\n\r\n", BAD
    ),
    "chunked on HTTP/1.0": Vector(
        b"POST /body HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD
    ),
    "control character in a value": Vector(request("GET /status", "X-A: a\x01b"), BAD),
    "upgrade by POST": Vector(handshake("/ws").replace(b"GET", b"POST", 1), BAD),
    "upgrade on HTTP/1.0": Vector(handshake("/ws").replace(b"/1.1", b"/1.0", 1), BAD),
    "websocket version": Vector(
        handshake("/ws").replace(b"Version: 13", b"Version: 12"), b"HTTP/1.1 426"
    ),
    "websocket key": Vector(handshake("/ws").replace(b"AAAA==", b"=="), BAD),
    "many fields": Vector(
        request("GET /status", *[f"X-{n}: 1" for n in range(200)]), b"HTTP/1.1 431"
    ),
    "large head": Vector(
        request("GET /status", *[f"X-{n}: {'a' * 7000}" for n in range(12)]), b"HTTP/1.1 431"
    ),
    "garbage": Vector(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", BAD),
    "application fails": Vector(request("GET /broken", "Connection: close"), FAILED),
    "application fails with a group": Vector(
        request("GET /broken-group", "Connection: close"), FAILED
    ),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS.keys())
async def test_vector(vector: Vector) -> None:
    """The answer is as demanded, no task is left, and another client is served."""
    async with serving(ROUTES) as served:
        async with await served.connect() as client:
            await client.send(vector.sent)
            answer = await client.rest()
        assert answer.startswith(vector.answer)
        assert vector.absent not in answer
        await served.quiet()
        assert (await served.status()).endswith(b"fine")


async def test_v02_application_is_told_of_the_end() -> None:
    """Bytes before the 101 end the handshake for the application too: 1006."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(handshake("/ws-slow?delay=0.05") + X)
        await client.rest()
        await client.stream.aclose()
        await served.quiet()
        assert served.app.disconnects() == [(1006, "")]


@pytest.mark.parametrize("offer", [DEFLATE, "Sec-WebSocket-Extensions: permessage-deflate"])
async def test_v04_no_extension_is_accepted(offer: str) -> None:
    """An offer of compression, sound or not, is answered by a plain 101."""
    async with serving(ROUTES) as served, await served.connect() as client:
        head = await client.websocket("/ws", offer)
        assert head.startswith(b"HTTP/1.1 101")
        assert b"extensions" not in head.lower()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(0x81, b"\xff"), 1007, id="V10 bad UTF-8"),
        pytest.param(frame(0xC1, b"x"), 1002, id="reserved bit"),
        pytest.param(b"\x81\x01x", 1002, id="unmasked"),
        pytest.param(frame(0x83), 1002, id="unknown opcode"),
        pytest.param(frame(0x82, bytes(1025)), 1009, id="T18 message too big"),
        pytest.param(frame(0x02, bytes(600)) + frame(0x80, bytes(600)), 1009, id="T18 in pieces"),
        pytest.param(
            b"\x82\xff" + (1 << 62).to_bytes(8, "big") + bytes(4), 1009, id="T18 by its head"
        ),
    ],
)
async def test_breach_of_the_websocket_protocol_is_closed_with_its_code(
    sent: bytes, code: int
) -> None:
    """The client is told by a Close frame; for the application it ended without one (RFC 6455 7.1.5)."""
    async with serving(ROUTES, max_websocket_message=1024) as served:
        async with await served.connect() as client:
            await client.websocket()
            await client.send(sent)
            opcode, payload = await client.frame()
            assert (opcode, int.from_bytes(payload[:2], "big")) == (0x88, code)
            await client.stream.send_eof()
        await served.quiet()
        assert [told for told, _ in served.app.disconnects()] == [1006]


async def test_v09_code_that_cannot_be_sent() -> None:
    """70000 from the application becomes a code that a Close frame may carry."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket("/ws-close?code=70000")
        assert (await client.frame())[1][:2] == (1011).to_bytes(2, "big")


async def test_v11_nothing_is_answered_after_the_close() -> None:
    """Close is echoed; frames after it are ignored."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.websocket()
        await client.send(frame(0x88, (1000).to_bytes(2, "big")) + X)
        assert await client.frame() == (0x88, (1000).to_bytes(2, "big"))
        await client.send(X)
        assert await client.rest() == b""
        await served.quiet()


async def test_v12_reset_during_a_stream_ends_its_task() -> None:
    """A client that resets the connection in mid-answer leaves no task."""
    async with serving(ROUTES) as served:
        async with await served.connect() as client:
            await client.send(request("GET /stream?size=65536"))
            await client.until(b"\r\n\r\n")
            raw = client.stream.extra(SocketAttribute.raw_socket)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await served.quiet()
        assert (await served.status()).endswith(b"fine")


async def test_t01_application_that_never_reads_ends() -> None:
    """Twenty pieces of a body that nobody reads do not keep the answer or the task."""
    async with serving(ROUTES) as served:
        async with await served.connect() as client:
            await client.send(request("POST /noread", "Transfer-Encoding: chunked"))
            for _ in range(20):
                await client.send(b"1\r\na\r\n")
                await anyio.lowlevel.checkpoint()
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
        await served.quiet()


async def test_t33_early_answer_to_a_large_upload_is_not_destroyed() -> None:
    """A client that goes on sending 4 MB after its 413 can still read it."""
    async with serving(ROUTES) as served:
        async with await served.connect() as client:
            await client.send(request("POST /noread", "Content-Length: 4000000"))
            for _ in range(40):
                await client.stream.send(bytes(100_000))
            assert (await client.rest()).startswith(b"HTTP/1.1 413")
        await served.quiet()


async def test_t28_one_date_and_no_server_field() -> None:
    """Date is there once, Server never."""
    async with serving(ROUTES) as served:
        answer = (await served.status()).lower()
        assert answer.count(b"\r\ndate: ") == 1
        assert b"\r\nserver:" not in answer


async def test_t32_half_close_is_a_disconnect() -> None:
    """A client that closes its half is gone for the application."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(request("GET /wait"))
        await client.stream.send_eof()
        await served.quiet()
        assert served.app.told[-1]["type"] == "http.disconnect"


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Three requests in one write get three answers."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(request("GET /status") * 3)
        for _ in range(3):
            assert (await client.until(b"fine")).startswith(OK)


async def test_expect_continue() -> None:
    """A client that waits for 100 gets it and then its answer."""
    async with serving(ROUTES) as served, await served.connect() as client:
        await client.send(request("POST /body", "Content-Length: 2", "Expect: 100-continue"))
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await client.send(b"ab")
        assert (await client.until(b"\r\n\r\nab")).startswith(OK)
