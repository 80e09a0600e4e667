"""The opening handshake of a WebSocket, as bytes in and an outcome out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.errors import UpstreamClosed, UpstreamError, UpstreamProtocolError
from fluxlit.protocol.exchange import RequestHead, ResponseHead
from fluxlit.protocol.handshake import (
    LARGEST_REFUSAL,
    Accepted,
    Handshake,
    Outcome,
    Refused,
    accept_key,
    tokens,
)

# The key and its answer are the example of RFC 6455 1.3.
NONCE = b"the sample nonce"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HEAD = RequestHead(
    b"GET",
    b"/_stcore/stream",
    [(b"host", b"a.example"), (b"sec-websocket-protocol", b"streamlit, , xsrf, id")],
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)


def answer(*pieces: bytes, head: RequestHead = HEAD) -> Outcome | None:
    """What comes of a handshake answered with ``pieces``."""
    handshake = Handshake(head, NONCE)
    handshake.request()
    outcome = None
    for piece in pieces:
        outcome = outcome or handshake.receive(piece)
    return outcome


def test_the_example_of_the_standard() -> None:
    """Our key is the nonce in base64, the expected answer as in RFC 6455 1.3."""
    assert accept_key(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_request_adds_what_an_upgrade_needs() -> None:
    """Our own key and version go up, the client's and any extension do not; the rest verbatim."""
    head = RequestHead(
        b"GET",
        b"/_stcore/stream?a=%2F",
        [
            *HEAD.headers,
            (b"sec-websocket-key", b"theirs"),
            (b"sec-websocket-extensions", b"permessage-deflate"),
            (b"connection", b"keep-alive, Upgrade"),
        ],
    )
    assert Handshake(head, NONCE).request().split(b"\r\n") == [
        b"GET /_stcore/stream?a=%2F HTTP/1.1",
        b"host: a.example",
        b"sec-websocket-protocol: streamlit, , xsrf, id",
        b"connection: Upgrade",
        b"upgrade: websocket",
        b"sec-websocket-key: " + KEY,
        b"sec-websocket-version: 13",
        b"",
        b"",
    ]


def test_a_long_host_label_passes() -> None:
    """The handshake of wsproto sends Host through IDNA, which fails over 63 bytes."""
    head = RequestHead(b"GET", b"/", [(b"host", b"a" * 80 + b".example")])
    assert b"a" * 80 in Handshake(head, NONCE).request()


@pytest.mark.parametrize("nonce", [b"", b"short", b"seventeen bytes !"])
def test_a_nonce_has_sixteen_bytes(nonce: bytes) -> None:
    """RFC 6455 4.1."""
    with pytest.raises(ValueError, match="16"):
        Handshake(HEAD, nonce)


def test_a_request_that_cannot_be_sent_is_refused() -> None:
    """A header value with a line break raises before anything is sent."""
    head = RequestHead(b"GET", b"/", [(b"host", b"a"), (b"x", b"a\nb")])
    with pytest.raises(ValueError, match="request"):
        Handshake(head, NONCE).request()


def test_an_agreement() -> None:
    """The 101 gives its headers, the subprotocol and the frames that came with it."""
    cookie = b"set-cookie: a=b\r\n"
    outcome = answer(SWITCH + cookie + b"sec-websocket-protocol: streamlit\r\n\r\n\x81\x00")
    assert isinstance(outcome, Accepted)
    assert (b"set-cookie", b"a=b") in outcome.headers
    assert (outcome.subprotocol, outcome.leftover) == (b"streamlit", b"\x81\x00")


def test_interim_answers_are_not_refusals() -> None:
    """100 and 103 may precede the 101."""
    early = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    assert isinstance(answer(early, SWITCH + b"\r\n"), Accepted)
    with pytest.raises(UpstreamProtocolError):
        answer(early * 11)


@pytest.mark.parametrize(
    "switch",
    [
        SWITCH.replace(b"s3p", b"S3p"),
        SWITCH.replace(b"WebSocket", b"h2c"),
        SWITCH.replace(b"connection: Upgrade", b"connection: close"),
        SWITCH.replace(b"upgrade: WebSocket\r\n", b""),
        SWITCH.replace(b"sec-websocket-accept", b"sec-websocket-else"),
        SWITCH + b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        SWITCH + b"sec-websocket-extensions: permessage-deflate\r\n",
        SWITCH + b"sec-websocket-protocol: other\r\n",
        SWITCH + b"sec-websocket-protocol: Streamlit\r\n",
        SWITCH + b"sec-websocket-protocol: streamlit\r\nsec-websocket-protocol: streamlit\r\n",
        b"garbage",
    ],
)
def test_a_wrong_agreement_is_none(switch: bytes) -> None:
    """RFC 6455 4.1: any flaw in the 101 fails the connection; the accept key is exact."""
    with pytest.raises(UpstreamProtocolError):
        answer(switch + b"\r\n\r\n")


def test_a_refusal_brings_its_answer() -> None:
    """Status, headers and body of a refusal are kept for the browser."""
    refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"
    expected = Refused(ResponseHead(403, [(b"content-length", b"2")]), b"no")
    assert answer(refusal) == expected
    assert answer(*[refusal[n : n + 1] for n in range(len(refusal))]) == expected


def test_a_refusal_cut_off_is_shown_as_far_as_it_came() -> None:
    """A status and half a body are worth more than an error of ours."""
    outcome = answer(b"HTTP/1.1 500 E\r\ncontent-length: 9\r\n\r\nhalf", b"")
    assert isinstance(outcome, Refused)
    assert (outcome.head.status, outcome.body) == (500, b"half")


def test_a_long_refusal_is_cut() -> None:
    """A refusal without end is cut at its limit."""
    outcome = answer(b"HTTP/1.1 500 E\r\n\r\n", b"x" * 60000, b"x" * 60000)
    assert isinstance(outcome, Refused)
    assert len(outcome.body) == LARGEST_REFUSAL


def test_no_answer() -> None:
    """The end of the connection before an answer is told as such."""
    with pytest.raises(UpstreamClosed) as caught:
        answer(b"HTTP/1.1 101 Swi", b"")
    assert not caught.value.received_head


@given(st.lists(st.binary(min_size=1) | st.sampled_from([SWITCH, b"\r\n", b"HTTP/1.1 200 OK\r\n"])))
def test_any_bytes_end_in_an_outcome_or_an_upstream_error(pieces: list[bytes]) -> None:
    """No bytes of an upstream raise anything but our own errors."""
    try:
        answer(*pieces, b"")
    except UpstreamError:
        return


def test_tokens_join_lines_and_skip_empty_members() -> None:
    """Fields of one name are one comma list (RFC 9110 5.3)."""
    headers = [(b"a", b"x, ,Y"), (b"b", b"no"), (b"a", b"z")]
    assert tokens(headers, b"a") == [b"x", b"Y", b"z"]
    assert tokens(headers, b"a", lower=True) == [b"x", b"y", b"z"]
