"""One HTTP/1.1 exchange, as bytes in and events out."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxlit.errors import UpstreamClosed, UpstreamError, UpstreamProtocolError
from fluxlit.protocol.exchange import (
    LARGEST_HEAD,
    BodyEnd,
    BodyLengthError,
    BodyPart,
    Exchange,
    Framing,
    RequestHead,
    ResponseHead,
    framing,
)

HOST = (b"host", b"a.example")
GET = RequestHead(b"GET", b"/", [HOST])
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def play(pieces: Sequence[bytes], head: RequestHead = GET, *, eof: bool = True) -> list[object]:
    """What comes of an answer in ``pieces``: status, body, end, or the type of the error."""
    exchange = Exchange()
    exchange.begin(head, Framing.NONE)
    seen: list[object] = []
    body = bytearray()
    try:
        for data in [*pieces, *([b""] if eof else [])]:
            if data:
                exchange.receive(data)
            else:
                exchange.receive_eof()
            for event in exchange.events():
                if isinstance(event, BodyPart):
                    body += event.data
                else:
                    seen.append(event.status if isinstance(event, ResponseHead) else "end")
    except UpstreamError as exc:
        seen.append(type(exc))
    return [*seen, bytes(body)]


def request(head: RequestHead, framed: Framing = Framing.NONE) -> bytes:
    """The bytes of a request's head."""
    return Exchange().begin(head, framed)


@pytest.mark.parametrize("target", [b"/%2e%2E//a?x=%zz&y", b"/a;b=c?q=%FF%00", b"/?"])
def test_the_target_is_sent_byte_by_byte(target: bytes) -> None:
    """No byte of the target is decoded, encoded or normalised."""
    sent = request(RequestHead(b"GET", target, [HOST]))
    assert sent.split(b"\r\n")[0] == b"GET " + target + b" HTTP/1.1"


def test_headers_keep_their_order_and_bytes() -> None:
    """Equal names stay apart and in order; bytes above 0x7f pass."""
    headers = [HOST, (b"x-b", b"2"), (b"cookie", b"a=\xff\xe9"), (b"x-b", b"1")]
    sent = request(RequestHead(b"GET", b"/", headers))
    assert sent.split(b"\r\n")[1:5] == [
        b"host: a.example",
        b"x-b: 2",
        b"cookie: a=\xff\xe9",
        b"x-b: 1",
    ]


def test_framing_is_our_own() -> None:
    """Transfer-Encoding, Connection and Expect of the request never reach the wire."""
    smuggled = [
        HOST,
        (b"transfer-encoding", b"gzip"),
        (b"connection", b"close"),
        (b"expect", b"100-continue"),
        (b"content-length", b"7"),
    ]
    sent = request(RequestHead(b"POST", b"/", smuggled), Framing.CHUNKED)
    assert sent == b"POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("lengths", "body", "expected"),
    [
        ([], None, Framing.NONE),
        ([], "", Framing.CHUNKED),
        ([b"5"], "", Framing.LENGTH),
        ([b"5", b"5"], "", Framing.LENGTH),
        ([b"5", b"6"], "", Framing.CHUNKED),
        ([b"+5"], "", Framing.CHUNKED),
    ],
)
def test_framing_follows_one_valid_length(
    lengths: list[bytes], body: str | None, expected: Framing
) -> None:
    """Content-Length is kept if there is one valid value, anything else is sent chunked."""
    head = RequestHead(b"POST", b"/", [HOST, *((b"content-length", n) for n in lengths)])
    assert framing(head, body) is expected


def test_a_body_with_a_length_ends_with_its_last_byte() -> None:
    """The request is complete without waiting for the end of the stream that carries the body."""
    exchange = Exchange()
    head = RequestHead(b"POST", b"/", [HOST, (b"content-length", b"4")])
    start = exchange.begin(head, Framing.LENGTH)
    assert start.endswith(b"content-length: 4\r\n\r\n")
    sent = [(exchange.body(chunk), exchange.sent) for chunk in (b"ab", b"cd")]
    assert sent == [(b"ab", False), (b"cd", True)]
    assert exchange.end() == b""


def test_a_body_without_a_length_is_chunked() -> None:
    """Chunks are framed by us, empty ones left out, the end is explicit."""
    exchange = Exchange()
    exchange.begin(RequestHead(b"POST", b"/", [HOST]), Framing.CHUNKED)
    assert exchange.body(b"abc") == b"3\r\nabc\r\n"
    assert exchange.body(b"") == b""
    assert exchange.end() == b"0\r\n\r\n"


@pytest.mark.parametrize("chunks", [[b"abc"], [b"a"], [b"ab", b"c"]])
def test_a_body_of_another_length_is_never_completed(chunks: list[bytes]) -> None:
    """Too much or too little for the Content-Length raises before the request looks complete."""
    exchange = Exchange()
    exchange.begin(RequestHead(b"PUT", b"/", [HOST, (b"content-length", b"2")]), Framing.LENGTH)
    with pytest.raises(BodyLengthError):
        b"".join([*map(exchange.body, chunks), exchange.end()])


def test_an_empty_length_is_kept() -> None:
    """POST with Content-Length 0 and no body stays so, for servers that demand a length."""
    head = RequestHead(b"POST", b"/", [HOST, (b"content-length", b"0")])
    assert b"content-length: 0\r\n" in request(head)
    assert b"content-length: 0\r\n" in request(head, Framing.LENGTH)


@pytest.mark.parametrize(
    "head",
    [
        RequestHead(b"GET", b"/a b", [HOST]),
        RequestHead(b"GET", b"/", []),
        RequestHead(b"GET", b"/", [HOST, HOST]),
        RequestHead(b"GET", b"/", [HOST, (b"x", b"a\r\nb: c")]),
        RequestHead(b"G T", b"/", [HOST]),
        RequestHead(b"GET", b"/", [HOST, (b"content-length", b"5")]),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused(head: RequestHead) -> None:
    """What would split or bend the request raises ValueError; nothing is sent."""
    with pytest.raises(ValueError, match="request"):
        request(head)


@pytest.mark.parametrize(
    ("answer", "method", "expected"),
    [
        (OK, b"GET", [200, "end", b"ok"]),
        (CHUNKED + b"2\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n", b"GET", [200, "end", b"ok"]),
        (b"HTTP/1.1 200 OK\r\n\r\nok", b"GET", [200, "end", b"ok"]),
        (b"HTTP/1.0 200 OK\r\n\r\nok", b"GET", [200, "end", b"ok"]),
        (b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nlink: x\r\n\r\n" + OK, b"GET", [200, "end", b"ok"]),
        (b"HTTP/1.1 1" + b"02 P\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + OK, b"GET", [200, "end", b"ok"]),
        (b"HTTP/1.1 102 P\r\n\r\n" * 11 + OK, b"GET", [UpstreamProtocolError, b""]),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"HEAD", [200, "end", b""]),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"HEAD", [200, "end", b""]),
        (b"HTTP/1.1 204 No\r\n\r\n", b"GET", [204, "end", b""]),
        (b"HTTP/1.1 304 Not\r\ncontent-length: 9\r\n\r\n", b"GET", [304, "end", b""]),
        (OK[:-1], b"GET", [200, UpstreamClosed, b"o"]),
        (CHUNKED + b"2\r\nok\r\n", b"GET", [200, UpstreamClosed, b"ok"]),
        (CHUNKED + b"5\r\nok", b"GET", [200, UpstreamClosed, b"ok"]),
        (b"", b"GET", [UpstreamClosed, b""]),
        (b"HTTP/1.1 200 OK\r\nx: ", b"GET", [UpstreamClosed, b""]),
        (CHUNKED + b"zz\r\n", b"GET", [200, UpstreamProtocolError, b""]),
        (CHUNKED + b"2\r\nokXX", b"GET", [200, UpstreamProtocolError, b"ok"]),
        (CHUNKED.replace(b"chunked", b"gzip"), b"GET", [UpstreamProtocolError, b""]),
        (OK.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n"), b"GET", [UpstreamProtocolError, b""]),
        (CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n", b"GET", [UpstreamProtocolError, b""]),
        (OK.replace(b"\r\n\r\n", b"\r\ncontent-length: 3\r\n\r\n"), b"GET", [UpstreamProtocolError, b""]),
        (OK.replace(b"200", b"600"), b"GET", [UpstreamProtocolError, b""]),
        (OK.replace(b"200", b"999"), b"GET", [UpstreamProtocolError, b""]),
        (OK.replace(b"200", b"099"), b"GET", [UpstreamProtocolError, b""]),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", b"GET", [UpstreamProtocolError, b""]),
        (b"SSH-2.0-OpenSSH\r\n\r\n", b"GET", [UpstreamProtocolError, b""]),
        (b"HTTP/1.1 200 OK\r\na: b\x00c\r\n\r\n", b"GET", [UpstreamProtocolError, b""]),
    ],
)  # fmt: skip
def test_what_comes_of_an_answer(answer: bytes, method: bytes, expected: list[object]) -> None:
    """Each kind of answer, whole or broken, ends as RFC 9112 6.3 and the relay's rules say."""
    assert play([answer], RequestHead(method, b"/", [HOST])) == expected


ANSWERS = [
    OK,
    CHUNKED + b"2\r\nok\r\n1;x=y\r\n!\r\n0\r\na: b\r\n\r\n",
    b"HTTP/1.1 103 E\r\nlink: x\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    OK + OK,
    OK[:-1],
    CHUNKED + b"2\r\nokXX",
    OK.replace(b"200", b"600"),
]


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 120)))
def test_cuts_between_reads_change_nothing(answer: bytes, cuts: list[int]) -> None:
    """However the network cuts an answer into pieces, the same comes of it."""
    places = [0, *sorted({min(cut, len(answer)) for cut in cuts}), len(answer)]
    pieces = [answer[a:b] for a, b in pairwise(places) if a < b]
    assert play(pieces) == play([answer])


@pytest.mark.parametrize("answer", ANSWERS)
def test_byte_by_byte_changes_nothing(answer: bytes) -> None:
    """The finest cut of all."""
    assert play([answer[n : n + 1] for n in range(len(answer))]) == play([answer])


@given(st.lists(st.binary() | st.sampled_from([*ANSWERS, b"\r\n", b"HTTP/1.1 ", b"0\r\n\r\n"])))
@example([b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"])
@example([CHUNKED, b"F" * 20, b"\r\n"])
def test_any_bytes_end_in_an_event_or_an_upstream_error(pieces: list[bytes]) -> None:
    """No bytes of an upstream raise anything but our own errors."""
    play([piece for piece in pieces if piece])


def test_a_head_without_end_is_refused() -> None:
    """An answer whose head grows for ever is an error at 64 KiB, not memory."""
    endless = [
        b"HTTP/1.1 200 OK\r\n",
        *[b"a: " + b"b" * 1000 + b"\r\n"] * (LARGEST_HEAD // 1000 + 1),
    ]
    assert play([*endless, b"x"], eof=False) == [UpstreamProtocolError, b""]


def answered(answer: bytes, *, eof: bool = False, complete: bool = True) -> Exchange:
    """An exchange that has read ``answer``."""
    exchange = Exchange()
    head = RequestHead(b"POST", b"/", [HOST])
    exchange.begin(head, Framing.NONE if complete else Framing.CHUNKED)
    exchange.receive(answer)
    if eof:
        exchange.receive_eof()
    list(exchange.events())
    return exchange


def test_a_finished_exchange_leaves_a_usable_connection() -> None:
    """Request and answer complete, nothing behind them: another exchange may follow."""
    assert answered(OK).reusable


@pytest.mark.parametrize(
    "exchange",
    [
        answered(OK + b"HTTP/1.1 200 OK\r\n"),
        answered(OK + b"\n"),
        answered(OK, eof=True),
        answered(OK, complete=False),
        answered(OK[:-1]),
        answered(b""),
        answered(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")),
        answered(OK.replace(b"1.1", b"1.0")),
        answered(b"HTTP/1.1 204 N\r\n\r\nbody"),
        answered(b"HTTP/1.1 200 OK\r\n\r\nok", eof=True),
    ],
    ids=["answer behind", "byte behind", "eof", "unsent", "half", "nothing", "close", "1.0", "204+", "eof body"],
)  # fmt: skip
def test_a_connection_with_anything_left_is_not_used_again(exchange: Exchange) -> None:
    """Bytes behind an answer would be taken for the answer to somebody else's request."""
    assert not exchange.reusable


def test_the_end_is_told_once() -> None:
    """BodyEnd comes once, also when events are asked for again."""
    exchange = Exchange()
    exchange.begin(GET, Framing.NONE)
    exchange.receive(OK)
    assert list(exchange.events()) == [
        ResponseHead(200, [(b"content-length", b"2")]),
        BodyPart(b"ok"),
        BodyEnd(),
    ]
    assert list(exchange.events()) == []
