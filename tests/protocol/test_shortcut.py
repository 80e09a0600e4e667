"""The short way against the long one: the same events, the same errors, the same connection after."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.errors import UpstreamError
from fluxlit.protocol.exchange import BodyPart, Exchange, Framing, RequestHead
from fluxlit.protocol.shortcut import Shortcut

PLAIN = RequestHead(b"GET", b"/a", [(b"host", b"a"), (b"x", b"y")])
HEAD = RequestHead(b"HEAD", b"/a", [(b"host", b"a")])
ANSWERS = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    b"nonsense\r\n\r\n",
]


def course(
    exchange: Exchange | Shortcut, head: RequestHead, parts: Sequence[bytes]
) -> list[object]:
    """All that is to be seen of one exchange: bytes, events with whole bodies, errors, the end."""
    seen: list[object] = [exchange.begin(head, Framing.NONE)]
    body = b""
    try:
        for part in parts:
            if part:
                exchange.receive(part)
            else:
                exchange.receive_eof()
            for event in exchange.events():
                if isinstance(event, BodyPart):
                    body += event.data
                else:
                    seen.append(event)
    except UpstreamError as error:
        seen.append((type(error), str(error), getattr(error, "received_head", None)))
    return [*seen, body, exchange.reusable]


@pytest.mark.parametrize("head", [PLAIN, HEAD], ids=["GET", "HEAD"])
@pytest.mark.parametrize("ended", [False, True])
@given(answer=st.sampled_from(ANSWERS), cuts=st.lists(st.integers(0, 80), max_size=3))
def test_both_ways_are_one(head: RequestHead, ended: bool, answer: bytes, cuts: list[int]) -> None:
    """However the answer is cut into reads, and wherever it stops."""
    places = sorted({0, *cuts, len(answer)})
    parts = [answer[a:b] for a, b in itertools.pairwise(places) if answer[a:b]]
    if ended:
        parts = [*parts[: len(parts) // 2 + 1], b""]
    assert course(Shortcut(), head, parts) == course(Exchange(), head, parts)


def test_a_body_goes_the_long_way() -> None:
    """Framing of a request's body is h11's."""
    head = RequestHead(b"POST", b"/a", [(b"host", b"a"), (b"content-length", b"2")])
    exchange = Shortcut()
    sent = exchange.begin(head, Framing.LENGTH) + exchange.body(b"ok") + exchange.end()
    assert sent.endswith(b"\r\n\r\nok")
    exchange.receive(ANSWERS[0])
    assert len(list(exchange.events())) == 3
    assert exchange.reusable
