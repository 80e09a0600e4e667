"""Rows R1 to R27: what the upstream hears of a request's head, and what the client is answered.

A row is one or more cases: raw bytes of the client, the status it is answered, and what is true of
the request that the upstream heard; a refused one was not heard at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fluxlit.gateway.server.limits import Limits
from tests.conformance import judge
from tests.conformance.judge import Heard
from tests.conformance.stack import request, stack
from tests.gateway.server.served import handshake

LIMITS = Limits(idle=5.0, linger=0.3, tick=0.02)


@dataclass(frozen=True)
class Case:
    """What is sent, the status of each answer, and a law about what was heard (None: nothing)."""

    row: str
    sent: bytes
    statuses: tuple[int, ...]
    law: Callable[[Heard], bool] | None = None


def lacks(*names: str) -> Callable[[Heard], bool]:
    """None of these fields is there."""
    return lambda heard: not any(heard.values(name) for name in names)


def has(name: str, *values: bytes) -> Callable[[Heard], bool]:
    """The field is there with exactly these values."""
    return lambda heard: heard.values(name) == list(values)


def target(raw: bytes) -> Callable[[Heard], bool]:
    """The request's target is this one, byte for byte."""
    return lambda heard: heard.target == raw


def refused(row: str, status: int, *fields: str, line: str = "GET /") -> Case:
    """A request that the upstream does not hear of."""
    return Case(row, request(line, *fields, close=status not in SEVERED), (status,))


def passed(row: str, law: Callable[[Heard], bool], *fields: str, line: str = "GET /") -> Case:
    """A request that is answered by the upstream, which has heard it according to ``law``."""
    return Case(row, request(line, *fields), (200,), law)


SEVERED = frozenset({400, 414, 417, 421, 431, 501, 505})
"""Refusals after which the rest of the connection cannot be believed."""
HOP = (
    "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "HTTP2-Settings",
    "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Authentication-Info",
)  # fmt: skip
CLAIMS = (
    "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP",
    "X-Original-URL", "X-Original-Host", "X-Rewrite-URL", "Front-End-Https",
    "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Ssl",
)  # fmt: skip
UNTOUCHED = {
    "Range": "bytes=0-1", "If-None-Match": '"a"', "If-Modified-Since": "x", "If-Range": '"a"',
    "Accept-Encoding": "br;q=1, gzip", "Authorization": "Bearer a.b", "X-Xsrftoken": "2|a",
    "Origin": "http://a", "Referer": "http://a/b?c", "Sec-Fetch-Site": "same-origin",
}  # fmt: skip
PEER = b"127.0.0.1"


def cases() -> list[Case]:
    """Every case of the table."""
    return [*_hops(), *_hosts(), *_methods(), *_claims(), *_heads(), *_bodies()]


def _hops() -> list[Case]:
    nominated = ("Connection: X-A, x-b", "Connection: x-C", "X-A: 1", "X-B: 1", "x-c: 1", "X-D: 1")
    protected = (
        "Host", "Content-Length", "Transfer-Encoding", "Cookie", "Authorization", "Origin",
        "Sec-Fetch-Site", "X-Xsrftoken", "Via", "Forwarded", "X-Forwarded-For",
    )  # fmt: skip
    return [
        passed("R1 nominated", lacks("x-a", "x-b", "x-c"), *nominated),
        passed("R1 the others stay", has("x-d", b"1"), *nominated),
        *(refused(f"R1 nominates {name}", 400, f"Connection: {name}") for name in protected),
        *(passed(f"R2 {name}", lacks(name.lower()), f"{name}: x") for name in HOP),
    ]


def _hosts() -> list[Case]:
    def raw(line: str, *hosts: str) -> bytes:
        return "\r\n".join((line, *hosts, "Connection: close", "", "")).encode("latin-1")

    bad = ("", "u@a", "a/b", "a b", "a\x01", "\xe4")
    unchanged = raw("GET / HTTP/1.1", "Host: App.example:8000")
    return [
        Case("R3 unchanged", unchanged, (200,), has("host", b"App.example:8000")),
        Case("R3 missing on 1.0", raw("GET / HTTP/1.0"), (400,)),
        Case("R3 twice", raw("GET / HTTP/1.1", "Host: a", "Host: a"), (400,)),
        *(Case(f"R3 {host!r}", raw("GET / HTTP/1.1", f"Host: {host}"), (400,)) for host in bad),
        passed("R5 absolute-form", target(b"/p?q=1"), line="GET http://a/p?q=1"),
        passed("R5 default port", target(b"/p"), line="GET http://A:80/p"),
        refused("R5 other authority", 421, line="GET http://b/p"),
        refused("R5 other scheme", 400, line="GET ftp://a/p"),
    ]


def _methods() -> list[Case]:
    return [
        refused("R6 OPTIONS *", 204, line="OPTIONS *"),
        refused("R6 GET *", 400, line="GET *"),
        refused("R7 CONNECT", 501, line="CONNECT a:443"),
        refused("R8 TRACE", 405, line="TRACE /"),
        refused("R9 Max-Forwards 0", 204, "Max-Forwards: 0", line="OPTIONS /"),
        passed("R9 Max-Forwards 3", has("max-forwards", b"2"), "Max-Forwards: 3", line="OPTIONS /"),
        refused("R9 Max-Forwards x", 400, "Max-Forwards: x", line="OPTIONS /"),
        passed("R9 on GET", lacks("max-forwards"), "Max-Forwards: 3"),
        passed(
            "R10 Via",
            lambda heard: (heard.value("via") or b"").startswith(b"1.0 x, 1.1 fluxlit-"),
            "Via: 1.0 x",
        ),
        refused("R19 unknown method", 501, line="BREW /"),
        refused("R19 no folding of case", 501, line="get /"),
    ]


def _claims() -> list[Case]:
    spoofs = [f"{name}: 6.6.6.6" for name in CLAIMS]
    folded = ("X_Forwarded_For: 6.6.6.6", "Transfer_Encoding: chunked", "X_Real_IP: 6.6.6.6")
    return [
        passed("R11 claims", lacks(*(name.lower() for name in CLAIMS)), *spoofs),
        passed("R11 For", has("x-forwarded-for", PEER), "X-Forwarded-For: 6.6.6.6"),
        passed("R11 Proto", has("x-forwarded-proto", b"http"), "X-Forwarded-Proto: https"),
        passed("R11 Host", has("x-forwarded-host", b"a"), "X-Forwarded-Host: evil"),
        passed(
            "R12 folded names",
            lacks("x_forwarded_for", "transfer_encoding", "x_real_ip"),
            *folded,
        ),
        passed("R12 others pass", has("x_custom_name", b"1"), "X_Custom_Name: 1"),
    ]


def _heads() -> list[Case]:
    long = "a" * 9000
    return [
        refused("R13 both framings", 400, "Content-Length: 0", "Transfer-Encoding: chunked"),
        refused("R14 gzip, chunked", 501, "Transfer-Encoding: gzip, chunked", line="POST /"),
        Case("R14 on 1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", (400,)),
        refused("R15 two lengths", 400, "Content-Length: 0", "Content-Length: 1", line="POST /"),
        passed("R16 obs-fold", has("x-a", b"1 2"), "X-A: 1\r\n 2"),
        *(refused(f"R17 {byte!r}", 400, f"X-A: a{byte}b") for byte in "\x01\x08\x0e\x1f\x7f"),
        passed("R17 8-bit bytes", has("x-a", b"\xc3\xa4\xff"), "X-A: \xc3\xa4\xff"),
        Case("R18 9.9", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", (505,)),
        passed("R20 verbatim", target(b"/a%2Fb%C3%A4;c=d/?q=%zz&+~"), line="GET /a%2Fb%C3%A4;c=d/?q=%zz&+~"),
        refused("R20 fragment", 400, line="GET /a#b"),
        refused("R21 fields", 431, *(f"X-{n}: 1" for n in range(120))),
        refused("R21 bytes", 431, *(f"X-{n}: {'a' * 8000}" for n in range(9))),
        refused("R21 target", 414, line=f"GET /{long}"),
        refused("R22 other expectation", 417, "Expect: 200-ok"),
        *(passed(f"R26 {name}", has(name.lower(), value.encode()), f"{name}: {value}") for name, value in UNTOUCHED.items()),
        passed("R25 one line", has("cookie", b"a=1; b=2; c=3"), "Cookie: a=1; b=2", "Cookie: c=3"),
    ]  # fmt: skip


def _bodies() -> list[Case]:
    def heard_whole(body: bytes) -> Callable[[Heard], bool]:
        return lambda heard: heard.complete and heard.body == body

    hidden = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    chunked = b"4\r\nbody\r\n0\r\nX-T: 1\r\nHost: b\r\n\r\n"
    return [
        Case(
            "R15 length stays",
            request("POST /", "Content-Length: 4", body=b"body"),
            (200,),
            lambda heard: heard.value("content-length") == b"4" and heard.body == b"body",
        ),
        Case(
            "R15 chunked",
            request("POST /", "Transfer-Encoding: Chunked", body=chunked),
            (200,),
            lambda heard: heard.chunked and heard.body == b"body",
        ),
        Case(
            "R22 Expect",
            request("POST /", "Expect: 100-continue", "Content-Length: 4", body=b"body"),
            (200,),
            lacks("expect"),
        ),
        *(
            Case(
                f"R23 {method}",
                request(f"{method} /", f"Content-Length: {len(hidden)}", body=hidden),
                (200,),
                heard_whole(hidden),
            )
            for method in ("GET", "HEAD", "DELETE", "OPTIONS")
        ),
        Case(
            "R24 trailers",
            request("POST /", "Transfer-Encoding: chunked", "Trailer: X-T", body=chunked),
            (200,),
            lacks("trailer", "x-t"),
        ),
    ]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.row)
async def test_row(case: Case) -> None:
    """The client is answered as the row says, and the upstream has heard what the row says."""
    async with stack(limits=LIMITS) as served:
        answer = await served.ask(case.sent)
        heard, violations = served.upstream.requests, served.upstream.violations
    heads = frozenset({0}) if case.sent.startswith(b"HEAD") else frozenset[int]()
    assert tuple(status for status, _, _ in judge.answers(answer, heads)) == case.statuses, answer
    assert violations == []
    assert len(heard) == (0 if case.law is None else 1)
    assert case.law is None or case.law(heard[0]), heard[0].raw
    if case.statuses[0] in SEVERED:
        assert b"\r\nconnection: close\r\n" in answer.lower()


async def test_r6_options_asterisk_says_what_is_allowed() -> None:
    """204 with Allow."""
    async with stack() as served:
        answer = await served.ask(request("OPTIONS *"))
    assert b"\r\nallow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n" in answer


async def test_r10_a_loop_is_508() -> None:
    """A request that carries our own pseudonym has been here."""
    async with stack() as served:
        await served.ask(request("GET /"))
        own = served.upstream.only.value("via") or b""
        answer = await served.ask(request("GET /", f"Via: {own.decode()}"))
        assert answer.startswith(b"HTTP/1.1 508 ")
        assert len(served.upstream.requests) == 1


async def test_r3_host_is_known_from_the_configuration() -> None:
    """HTTP/1.0 without Host is relayed under the configured public host."""
    async with stack(public_base_url="https://app.example") as served:
        await served.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert served.upstream.only.values("host") == [b"app.example"]


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("X-Forwarded-For: 6.6.6.6, 9.9.9.9", b"9.9.9.9"),
        ("X-Forwarded-For: 9.9.9.9, 127.0.0.7", b"9.9.9.9"),
        ("X-Forwarded-For: 9.9.9.9, nonsense", b"127.0.0.1"),
        ('Forwarded: for=6.6.6.6, for="[2001:db8::1]:4711"', b"2001:db8::1"),
    ],
)
async def test_r11_a_trusted_proxy_is_believed_up_to_its_own_word(said: str, client: bytes) -> None:
    """The rightmost address that is no proxy of ours, and one field only."""
    async with stack(trust_proxy=True, forwarded_allow_ips=("127.0.0.0/8",)) as served:
        await served.ask(request("GET /", said))
        assert served.upstream.only.values("x-forwarded-for") == [client]


async def test_r22_continue_is_sent_once_and_by_us() -> None:
    """The client is told to go on, the upstream is not asked."""
    async with stack() as served, await served.connect() as client:
        await client.send(request("POST /", "Expect: 100-continue", "Content-Length: 4"))
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await client.send(b"body")
        assert (await client.rest()).startswith(b"HTTP/1.1 200 ")
        assert served.upstream.only.body == b"body"


async def test_r27_a_client_cannot_name_its_own_user() -> None:
    """What the gateway says of a request is there once, whatever the client says."""
    async with stack() as served:
        await served.ask(request("GET /", "X-Request-Id: a", "X-Request-Id: b"))
        (name,) = served.upstream.only.values("x-request-id")
        assert name not in {b"a", b"b"}


@pytest.mark.parametrize(
    "path",
    [
        "/api//x", "/%2e%2e/x", "/a/%2E%2e/b", "/./x", "/a/..", "//host/x", "/a//b", "/%61pi/x", "/API/x",
        "/a%5cb", "/a\\b", "/a%00b", "/a%0d%0ab", "/a%zzb", "/a%ff", "/_stcore/metrics", "/_stcore%2fmetrics",
        "/_stcore/%6detrics", "/_STCORE/metrics", "/a/%2e%2e%2fb", "/%2e",
    ],
)  # fmt: skip
async def test_paths_that_two_readers_would_read_differently(path: str) -> None:
    """400 or 404, and the upstream hears nothing."""
    async with stack(limits=LIMITS) as served:
        answer = await served.ask(request(f"GET {path}"))
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ")), answer
        assert served.upstream.raw == b""


@pytest.mark.parametrize("host", ["a", "app.example:8000", "localhost"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:1234",
        "http://127.0.0.1:9",
        "null",
        "http://0.0.0.0",
        "",
    ],
)
@pytest.mark.parametrize("kind", ["websocket", "upload"])
async def test_origins_that_are_not_ours(host: str, origin: str, kind: str) -> None:
    """403 before any byte goes up, although Streamlit itself would let some of them in."""
    field = f"Origin: {origin}"
    data = request("PUT /_stcore/upload_file/a/b", field, "Content-Length: 0")
    if kind == "websocket":
        data = handshake("/_stcore/stream", field)
    async with stack(limits=LIMITS) as served:
        answer = await served.ask(data.replace(b"Host: a\r\n", f"Host: {host}\r\n".encode()))
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert served.upstream.raw == b""
