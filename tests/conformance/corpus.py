"""137 requests on which two readers of HTTP may disagree, and what a relay may make of each.

The kinds are those of the published work on request smuggling: two framings (RFC 9112 6.1), lengths
and chunks that are no numbers, line ends that are none, targets and tunnels that only one side
understands. ``/smuggled`` stands where a request is hidden in the body of another one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

HOST = b"Host: a\r\n"
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SPOOFED = b"6.6.6.6"


@dataclass(frozen=True)
class Payload:
    """Bytes of a client, how many requests the upstream may hear of it, and what it may not see.

    ``whole`` says whether those requests must be (or must not be) complete; None leaves it open.
    """

    name: str
    data: bytes
    heard: tuple[int, ...]
    whole: bool | None = True
    absent: bytes = SPOOFED


def payloads() -> list[Payload]:
    """All of them."""
    kinds = (_plain, _two_framings, _lengths, _two_lengths, _chunks, _framing, _tunnels)
    return [payload for kind in kinds for payload in kind()]


def post(*lines: bytes, body: bytes = b"", path: bytes = b"/") -> bytes:
    """A POST with these raw lines."""
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"".join(lines) + b"\r\n" + body


def get(*lines: bytes, method: bytes = b"GET", path: bytes = b"/") -> bytes:
    """A request with these raw lines."""
    return method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"".join(lines) + b"\r\n"


def _plain() -> Iterator[Payload]:
    length = b"Content-Length: %d\r\n" % len(HIDDEN)
    yield Payload("GET", get(), (1,))
    yield Payload("POST with a length", post(b"Content-Length: 5\r\n", body=b"hello"), (1,))
    chunked = b"Transfer-Encoding: chunked\r\n"
    yield Payload("POST chunked", post(chunked, body=b"5\r\nhello\r\n0\r\n\r\n"), (1,))
    extended = b'5;a=b;c="d"\r\nhello\r\n0;e\r\nX-T: 6.6.6.6\r\n\r\n'
    yield Payload("chunk extension and trailers", post(chunked, body=extended), (1,))
    hop = b"Connection: X-Hop, keep-alive\r\nX-Hop: 6.6.6.6\r\nKeep-Alive: 6.6.6.6\r\nTE: trailers\r\n"
    more = b"Proxy-Connection: 6.6.6.6\r\nProxy-Authorization: 6.6.6.6\r\nTrailer: X\r\n"
    yield Payload("hop-by-hop and nominated", get(hop, more), (1,))
    yield Payload("Connection nominates Host", get(b"Connection: Host, Content-Length\r\n"), (0,))
    yield Payload(
        "Expect", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", body=b"hello"), (1,)
    )
    for method in (b"GET", b"OPTIONS", b"HEAD"):
        name = f"{method.decode()} whose body is a request (CL.0)"
        yield Payload(name, get(length, method=method) + HIDDEN, (1,))


MUTATIONS: dict[str, bytes] = {
    "plain": b"Transfer-Encoding: chunked\r\n",
    "SP before colon": b"Transfer-Encoding : chunked\r\n",
    "TAB before colon": b"Transfer-Encoding\t: chunked\r\n",
    "TAB after colon": b"Transfer-Encoding:\tchunked\r\n",
    "no SP": b"Transfer-Encoding:chunked\r\n",
    "trailing SP": b"Transfer-Encoding: chunked \r\n",
    "Chunked": b"Transfer-Encoding: Chunked\r\n",
    "upper-case name": b"TRANSFER-ENCODING: chunked\r\n",
    "xchunked": b"Transfer-Encoding: xchunked\r\n",
    "chunked, identity": b"Transfer-Encoding: chunked, identity\r\n",
    "identity, chunked": b"Transfer-Encoding: identity, chunked\r\n",
    "gzip, chunked": b"Transfer-Encoding: gzip, chunked\r\n",
    ",chunked": b"Transfer-Encoding: ,chunked\r\n",
    "chunked,": b"Transfer-Encoding: chunked,\r\n",
    "identity and chunked": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "chunked and x": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "folded": b"Transfer-Encoding:\r\n chunked\r\n",
    "folded inside": b"Transfer-Encoding: chu\r\n nked\r\n",
    "quoted": b'Transfer-Encoding: "chunked"\r\n',
    "parameter": b"Transfer-Encoding: chunked;q=1\r\n",
    "behind a bare CR": b"X: y\rTransfer-Encoding: chunked\r\n",
    "behind a bare LF": b"X: y\nTransfer-Encoding: chunked\r\n",
    "behind an empty line's CR": b"Foo: bar\r\n\rTransfer-Encoding: chunked\r\n",
    "leading SP": b" Transfer-Encoding: chunked\r\n",
    "leading TAB": b"\tTransfer-Encoding: chunked\r\n",
    "value after VT": b"Transfer-Encoding: \x0bchunked\r\n",
    "value after FF": b"Transfer-Encoding: \x0cchunked\r\n",
    "value after A0": b"Transfer-Encoding: \xa0chunked\r\n",
    "value after FF byte": b"Transfer-Encoding: \xffchunked\r\n",
    "value before NUL": b"Transfer-Encoding: chunked\x00\r\n",
    "Transfer_Encoding": b"Transfer_Encoding: chunked\r\n",
    "Transfer-AD-Encoding": b"Transfer\xad-Encoding: chunked\r\n",
    "Content-Encoding": b"Content-Encoding: chunked\r\n",
}
ELSE = frozenset({"Transfer_Encoding", "Content-Encoding"})
"""Fields that say nothing about framing: the length alone counts, what follows it is a request."""


def _two_framings() -> Iterator[Payload]:
    hidden = b"0\r\n\r\n" + HIDDEN
    length = b"Content-Length: %d\r\n" % len(hidden)
    for name, mutation in MUTATIONS.items():
        heard = (1,) if name in ELSE else (0,)
        yield Payload(f"CL.TE {name}", post(length, mutation, body=hidden), heard)
    size = b"%x\r\n" % len(HIDDEN)
    body = size + HIDDEN + b"\r\n0\r\n\r\n"
    length = b"Content-Length: %d\r\n" % len(size)
    for name, mutation in MUTATIONS.items():
        heard = (2,) if name in ELSE else (0,)
        yield Payload(f"TE.CL {name}", post(length, mutation, body=body), heard)


def _lengths() -> Iterator[Payload]:
    for form in (
        b"+5", b"-5", b"0x5", b"5 5", b"5,5", b"5, 6", b"05", b"5\t", b"5.0", b"\x0b5", b"5\x00",
        b"", b"9" * 20, b"1_0", "\u0665".encode(),
    ):  # fmt: skip
        heard, whole = {b"05": ((0, 1), None), b"5\t": ((1,), True), b"5,5": ((0, 1), None)}.get(
            form, ((0,), None)
        )
        data = post(b"Content-Length: " + form + b"\r\n", body=b"hello")
        yield Payload(f"Content-Length {form!r}", data, heard, whole)


def _two_lengths() -> Iterator[Payload]:
    for first, second in ((0, len(HIDDEN)), (len(HIDDEN), 0)):
        lines = b"Content-Length: %d\r\nContent-Length: %d\r\n" % (first, second)
        yield Payload(f"Content-Length {first} and {second}", post(lines, body=HIDDEN), (0,))


def _chunks() -> Iterator[Payload]:
    rejected, either = ((0, 1), False), ((0, 1), None)
    forms: dict[str, tuple[bytes, tuple[tuple[int, ...], bool | None]]] = {
        "LF chunk line": (b"5\nhello\r\n0\r\n\r\n", either),
        "LF after data": (b"5\r\nhello\n0\r\n\r\n", rejected),
        "bad terminator": (b"5\r\nhelloXX0\r\n\r\n", rejected),
        "0x": (b"0x5\r\nhello\r\n0\r\n\r\n", rejected),
        "negative": (b"-5\r\nhello\r\n0\r\n\r\n", rejected),
        "SP after size": (b"5 \r\nhello\r\n0\r\n\r\n", either),
        "extension with bare CR": (b"5;a\rb\r\nhello\r\n0\r\n\r\n", either),
        "extension with bare LF": (b"5;a\nb\r\nhello\r\n0\r\n\r\n", either),
        "17 digits": (b"00000000000000005\r\nhello\r\n0\r\n\r\n", either),
        "0_5": (b"0_5\r\nhello\r\n0\r\n\r\n", rejected),
        "empty size": (b"\r\nhello\r\n0\r\n\r\n", rejected),
        "framing in trailers": (
            b"5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: 6.6.6.6\r\n\r\n",
            ((0, 1), None),
        ),
        "LF end": (b"5\r\nhello\r\n0\n\n", either),
        "request after the last chunk": (b"5\r\nhello\r\n0\r\n\r\n" + NEXT, ((2,), True)),
    }
    for name, (body, (heard, whole)) in forms.items():
        data = post(b"Transfer-Encoding: chunked\r\n", body=body)
        yield Payload(f"chunks: {name}", data, heard, whole)


def _framing() -> Iterator[Payload]:
    yield Payload("bare LF everywhere", b"GET / HTTP/1.1\nHost: a\n\n", (0, 1))
    yield Payload("bare CR line", b"GET / HTTP/1.1\rHost: a\r\r", (0,))
    yield Payload("NUL", get(b"X: a\x00b\r\n"), (0,))
    yield Payload("CTL", get(b"X: a\x01b\r\n"), (0,))
    yield Payload("two Host", get(b"Host: b\r\n"), (0,))
    yield Payload("no Host", b"GET / HTTP/1.1\r\n\r\n", (0,))
    yield Payload("absolute-form, other host", get(path=b"http://6.6.6.6/x"), (0,))
    yield Payload("@host target", get(path=b"@6.6.6.6/"), (0,))
    yield Payload("no slash", get(path=b"x"), (0,))
    yield Payload("OPTIONS *", get(method=b"OPTIONS", path=b"*"), (0,))
    yield Payload("TAB in the request line", b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n", (0,))
    yield Payload("two SP in the request line", b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", (0,))
    for version in (b"HTTP/1.2", b"HTTP/2.0"):
        data = b"GET / " + version + b"\r\n" + HOST + b"\r\n"
        yield Payload(version.decode(), data + HIDDEN, (0,))
    yield Payload("HTTP/0.9", b"GET /\r\n", (0,))
    yield Payload("%0d%0a in the path", get(path=b"/x%20HTTP/1.1%0d%0aX:%20y"), (0,))
    yield Payload("8-bit path", get(path=b"/\xe9"), (0,))
    spoofed = b"X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"
    yield Payload("forwarding fields", get(spoofed, b"X-Original-URL: /6.6.6.6\r\n"), (1,))
    yield Payload("X_Forwarded_For", get(b"X_Forwarded_For: 6.6.6.6\r\n"), (1,))
    yield Payload("obs-fold", get(b"X: a\r\n b\r\n"), (0, 1))
    yield Payload("leading CRLF", b"\r\n" + get(), (0, 1))
    yield Payload("three pipelined", get() + get(path=b"/2") + get(path=b"/3"), (3,))


def _tunnels() -> Iterator[Payload]:
    yield Payload("CONNECT and a request", get(method=b"CONNECT", path=b"a:1") + HIDDEN, (0,))
    yield Payload("PRI", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (0,))
    h2c = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    yield Payload("h2c upgrade", get(h2c), (1,))
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    path = b"/_stcore/stream"
    length = b"Sec-WebSocket-Version: 13\r\nContent-Length: %d\r\n" % len(HIDDEN)
    yield Payload("WebSocket with a body", get(key, length, path=path) + HIDDEN, (0,))
    version = b"Sec-WebSocket-Version: 777\r\n"
    yield Payload(
        "WebSocket version 777 and a request", get(key, version, path=path) + HIDDEN, (0,)
    )
    old = b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield Payload("chunked on HTTP/1.0 and a request", old + HIDDEN, (0,))
