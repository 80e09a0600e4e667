"""Rows B1 to B24: bodies and time, seen from both ends of the relay."""

import socket
import struct

import anyio
import pytest
from anyio.abc import SocketAttribute

from fluxlit.gateway.server.limits import Limits
from tests.conformance import judge
from tests.conformance.stack import Stack, request, stack
from tests.conformance.upstream import OK, Talk, answering, ending
from tests.gateway.server.served import Client

CUT = Limits(idle=5.0, linger=0.3, body=0.2, tick=0.02)


async def reset(client: Client) -> None:
    """Leave with a reset."""
    sock = client.stream.extra(SocketAttribute.raw_socket)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await client.stream.aclose()


def statuses(answer: bytes, *, head: bool = False) -> list[int]:
    """The statuses of the whole answers."""
    heads = frozenset({0}) if head else frozenset[int]()
    return [status for status, _, _ in judge.answers(answer, heads)]


async def heard(served: Stack) -> Talk:
    """The first connection of the upstream, once there is one."""
    with anyio.fail_after(5):
        while not served.upstream.talks:
            await anyio.sleep(0.005)
    return served.upstream.talks[0]


async def test_b1_a_body_is_passed_on_as_it_comes() -> None:
    """The upstream has the first piece before the client has sent the second."""

    async def script(talk: Talk) -> None:
        begun = await talk.head()
        assert begun is not None
        assert await talk.exactly(3) == b"abc"
        first.set()
        assert await talk.exactly(3) == b"def"
        await talk.send(OK + b"ok")

    first = anyio.Event()
    async with stack(script) as served, await served.connect() as client:
        await client.send(request("POST /", "Content-Length: 6", body=b"abc"))
        with anyio.fail_after(5):
            await first.wait()
        await client.send(b"def")
        assert statuses(await client.rest()) == [200]


@pytest.mark.parametrize("framing", ["declared", "chunked"])
async def test_b1_over_the_limit_is_413_and_never_whole(framing: str) -> None:
    """A length above the limit is refused unread; chunks are cut where they pass it."""
    async with stack(max_body=1000, limits=CUT) as served:
        if framing == "declared":
            answer = await served.ask(request("POST /", "Content-Length: 1001", close=False))
            assert served.upstream.raw == b""
        else:
            body = b"".join(b"100\r\n" + bytes(256) + b"\r\n" for _ in range(8))
            answer = await served.ask(
                request("POST /", "Transfer-Encoding: chunked", body=body, close=False)
            )
            assert not any(one.complete for one in served.upstream.requests)
        assert statuses(answer) == [413]
        assert b"connection: close" in answer


async def test_b1_a_body_that_stalls_is_408_and_never_completed() -> None:
    """The upstream's request is cut off, not ended."""
    async with stack(limits=CUT) as served:
        answer = await served.ask(request("POST /", "Content-Length: 10", body=b"half"))
        assert statuses(answer) == [408]
        with anyio.fail_after(5):
            await (await heard(served)).ended.wait()
        assert not served.upstream.only.complete


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("way", ["close", "reset"])
async def test_b2_a_client_that_leaves_leaves_the_request_unfinished(
    framing: str, way: str
) -> None:
    """No terminating chunk, no padding: the upstream sees the connection end."""
    async with stack() as served:
        async with await served.connect() as client:
            body = b"4\r\nhalf\r\n" if "chunked" in framing else b"half"
            await client.send(request("POST /", framing, body=body))
            talk = await heard(served)
            if way == "reset":
                await reset(client)
        with anyio.fail_after(5):
            await talk.ended.wait()
        assert not any(one.complete for one in served.upstream.requests)


async def test_b3_an_early_answer_goes_down_at_once() -> None:
    """The client has it while its body is half sent; the upstream's connection is not used again."""

    async def script(talk: Talk) -> None:
        if await talk.head() is not None:
            await talk.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
            await talk.until_end()

    async with (
        stack(script, limits=CUT, relay={"keep_alive": 2.0}) as served,
        await served.connect() as client,
    ):
        await client.send(request("POST /", "Content-Length: 100000", close=False, body=b"half"))
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 403")
        assert await client.exactly(2) == b"no"
        await client.send(bytes(100_000 - 4))
        with anyio.fail_after(5):
            await (await heard(served)).ended.wait()
        assert not served.upstream.only.complete


@pytest.mark.parametrize("answers", [True, False])
async def test_b4_an_upstream_that_stops_reading_may_still_have_answered(answers: bool) -> None:
    """Its answer is read after a write has failed; without one it is 502."""

    async def script(talk: Talk) -> None:
        await talk.head()
        if answers:
            await talk.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        await talk.stream.send_eof()
        await anyio.sleep(0.05)

    async with stack(script, limits=CUT) as served:
        body = bytes(4_000_000)
        answer = await served.ask(request("POST /", f"Content-Length: {len(body)}", body=body))
        assert answer.startswith(b"HTTP/1.1 413" if answers else b"HTTP/1.1 502")


SHORT = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(70_000),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe",
    "chunked, no end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
}


@pytest.mark.parametrize("answer", SHORT.values(), ids=SHORT.keys())
async def test_b5_a_cut_answer_never_looks_complete(answer: bytes) -> None:
    """The client's connection ends without the rest, or it is told 502 if nothing had been sent."""
    async with stack(ending(answer)) as served:
        told = await served.ask(request("GET /"))
    assert statuses(told) in ([], [502])


async def test_b6_an_answer_that_ends_with_the_connection_is_chunked() -> None:
    """Whole for the client, whose connection may live on."""
    async with stack(ending(b"HTTP/1.0 200 OK\r\n\r\nhello")) as served:
        ((status, head, body),) = judge.answers(await served.ask(request("GET /")))
    assert (status, body) == (200, b"hello")
    assert b"transfer-encoding: chunked" in head.lower()


async def test_b7_bytes_behind_an_answer_answer_nobody() -> None:
    """Not the next request on the same client connection, and not one of the pool."""
    poison = OK + b"ok" + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    async with (
        stack(answering(poison), relay={"keep_alive": 2.0, "max_connections": 1}) as served,
    ):
        one = request("GET /", close=False)
        answer = await served.ask(one + one + request("GET /"))
        assert [body for _, _, body in judge.answers(answer)] == [b"ok"] * 3
        assert len(served.upstream.talks) == 3


BARE = {
    "HEAD": (b"200 OK\r\nContent-Length: 9", "HEAD", b"content-length: 9"),
    "304": (b"304 Not Modified\r\nETag: 1", "GET", b"etag: 1"),
    "204": (b"204 No Content\r\nX-A: 1", "GET", b"x-a: 1"),
    "205": (b"205 Reset Content\r\nContent-Length: 0", "GET", b"205"),
}


@pytest.mark.parametrize(("answer", "method", "mark"), BARE.values(), ids=BARE.keys())
async def test_b8_answers_without_a_body(answer: bytes, method: str, mark: bytes) -> None:
    """Nothing follows the head, and a 204 announces nothing."""
    async with stack(answering(b"HTTP/1.1 " + answer + b"\r\n\r\n")) as served:
        told = (await served.ask(request(f"{method} /"))).lower()
    head, _, rest = told.partition(b"\r\n\r\n")
    assert mark in head
    assert rest in (b"", b"0\r\n\r\n") if b" 205" in head else rest == b""
    assert b" 204" not in head or (b"content-length" not in head and b"chunked" not in head)


INTERIM = b"HTTP/1.1 %d X\r\nLink: </a>\r\n\r\n"


@pytest.mark.parametrize(
    ("interim", "status"),
    [
        (INTERIM % 100, 200),
        (INTERIM % 102, 200),
        (INTERIM % 103, 200),
        (INTERIM % 199, 200),
        (INTERIM % 102 * 10, 200),
        (INTERIM % 102 * 11, 502),
        (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 502),
    ],
)
async def test_b9_interim_answers_are_swallowed(interim: bytes, status: int) -> None:
    """A handful; more of them, or a switch of protocols that nobody asked for, is 502."""
    async with stack(answering(interim + OK + b"ok")) as served:
        answer = await served.ask(request("GET /"))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert statuses(answer) == [status]


BROKEN = {
    "two framings": b"200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip": b"200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "two lengths": b"200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "NUL": b"200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "control character": b"200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok",
    "status 600": b"600 X\r\nContent-Length: 2\r\n\r\nok",
    "status 999": b"999 X\r\nContent-Length: 2\r\n\r\nok",
    "status 99": b"99 X\r\nContent-Length: 2\r\n\r\nok",
    "name": b"200 OK\r\nX Y: a\r\nContent-Length: 2\r\n\r\nok",
    "endless head": b"200 OK\r\nX: " + b"a" * 200_000,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_b10_b14_b17_an_unsound_answer_is_502(answer: bytes) -> None:
    """Nothing of it reaches the client."""
    async with stack(ending(b"HTTP/1.1 " + answer)) as served:
        assert statuses(await served.ask(request("GET /"))) == [502]


async def test_b10_chunked_in_an_answer_of_http_1_0_is_502() -> None:
    """RFC 9112 6.1."""
    answer = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    async with stack(ending(answer)) as served:
        assert statuses(await served.ask(request("GET /"))) == [502]


async def test_b11_the_upstream_s_hop_is_its_own() -> None:
    """Its Connection, what that nominates, and the fixed list stay; the client's connection lives."""
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: close, X-A\r\nX-A: 1\r\nKeep-Alive: 1\r\nUpgrade: h2c\r\n"
        b"Proxy-Authenticate: x\r\nTrailer: X\r\nTE: x\r\nProxy-Connection: x\r\nContent-Length: 2\r\n\r\nok"
    )
    async with stack(ending(answer)) as served:
        told = await served.ask(request("GET /", close=False) + request("GET /"))
    (_, head, _), (_, _, _) = judge.answers(told)
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
    assert names == {b"content-length", b"x-request-id", b"date"}


@pytest.mark.parametrize("given", [b"", b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: up\r\n"])
async def test_b12_date_and_server_are_there_once(given: bytes) -> None:
    """Date is added where it lacks, Server never."""
    async with stack(answering(OK[:-2] + given + b"\r\nok")) as served:
        told = (await served.ask(request("GET /"))).lower()
    assert told.count(b"\r\ndate: ") == 1
    assert told.count(b"\r\nserver: ") == (1 if given else 0)


async def test_b13_b15_b16_fields_that_pass_as_they_are() -> None:
    """Cookies one by one in order, codings, tags and ranges untouched, Location as it is."""
    kept = (
        b'Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nSet-Cookie: a=3\r\nContent-Encoding: br\r\nETag: W/"1"\r\n'
        b"Content-Range: bytes 0-1/9\r\nVary: Accept-Encoding\r\nLocation: https://else.example/x?y#z\r\n"
    )
    answer = b"HTTP/1.1 206 X\r\n" + kept + b"Content-Length: 2\r\n\r\nok"
    async with stack(answering(answer)) as served:
        ((status, head, body),) = judge.answers(await served.ask(request("GET /")))
    lines = [line.lower() for line in head.split(b"\r\n")]
    assert (status, body) == (206, b"ok")
    wanted = [line.lower() for line in kept.split(b"\r\n") if line]
    assert [line for line in lines if line in wanted] == wanted


async def test_b13_cookies_are_secure_where_the_public_scheme_is_https() -> None:
    """Streamlit does so only with a certificate of its own."""
    answer = OK[:-2] + b"Set-Cookie: _streamlit_xsrf=x; Path=/\r\n\r\nok"
    async with stack(answering(answer), public_base_url="https://a") as served:
        assert b"set-cookie: _streamlit_xsrf=x; Path=/; Secure\r\n" in await served.ask(
            request("GET /")
        )


async def test_b18_trailers_are_dropped() -> None:
    """They are no part of the answer (RFC 9110 6.5.2)."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"
    async with stack(answering(answer)) as served:
        told = await served.ask(request("GET /"))
    assert statuses(told) == [200]
    assert b"x-t" not in told.lower()
