"""The plain case of HTTP/1.1 against h11: what is taken is what h11 takes, and means the same."""

from typing import Any

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxlit.protocol import plain

DATE = b"Thu, 01 Jan 1970 00:00:00 GMT"
NAMES = st.sampled_from(
    [
        b"host",
        b"Host",
        b"content-length",
        b"Content-Length",
        b"connection",
        b"transfer-encoding",
        b"x",
        b"X-Y",
        b"expect",
        b"upgrade",
        b"date",
        b"a b",
        b"a:",
        b"",
        b"x\n",
        b"\xff",
    ]
)
VALUES = st.sampled_from(
    [
        b"a",
        b"0",
        b"5",
        b"+5",
        b"5,5",
        b"chunked",
        b"close",
        b"keep-alive",
        b"",
        b" ",
        b"a ",
        b"\ta",
        b"a b",
        b"\xe9",
        b"a\nb",
        b"a\rb",
        b"a\x00",
        b"\x7f",
        b"9" * 30,
        b"a\r\nx: y",
    ]
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
SEPARATORS = st.sampled_from([b": ", b":", b":  ", b" : ", b":\t"])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\n "])
ANSWERS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200",
        b"HTTP/1.1 404 \xe9",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 099 ",
        b"HTTP/1.1 204 ",
        b"HTTP/1.1 304 ",
        b"HTTP/1.1 100 ",
        b"HTTP/1.1  200 ",
        b"HTTP/1.1 600 ",
        b"",
    ]
)
REQUESTS = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"GET /a?b HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET  / HTTP/1.1",
        b"GET * HTTP/1.1",
        b"POST / HTTP/1.1",
        b"get / HTTP/1.1",
    ]
)


def wire(first: bytes, fields: Any, separator: bytes, end: bytes, rest: bytes) -> bytes:
    """A message as somebody may send it."""
    lines = b"".join(name + separator + value + end for name, value in fields)
    return first + b"\r\n" + lines + b"\r\n" + rest


def events(connection: h11.Connection, data: bytes) -> list[Any]:
    """All that h11 makes of bytes."""
    connection.receive_data(data)
    found: list[Any] = []
    while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        found.append(event)
        if isinstance(event, h11.EndOfMessage):
            break
    return found


@given(ANSWERS, FIELDS, SEPARATORS, ENDS, st.binary(max_size=8))
@example(b"HTTP/1.1 200 OK", [(b"content-length", b"2")], b": ", b"\r\n", b"okmore")
def test_a_plain_answer_is_what_h11_reads(
    first: bytes,
    fields: Any,
    separator: bytes,
    end: bytes,
    rest: bytes,
) -> None:
    """Status, fields, and where the body ends."""
    data = wire(first, fields, separator, end, rest)
    found = plain.answer(data)
    if found is None:
        return
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=b"GET", target=b"/", headers=[(b"host", b"a")]))
    client.send(h11.EndOfMessage())
    response, *parts = events(client, data)
    assert (response.status_code, list(response.headers)) == (found.status, list(found.headers))
    body = b"".join(bytes(part.data) for part in parts if isinstance(part, h11.Data))
    assert body == found.rest[: found.length]


@given(REQUESTS, FIELDS, SEPARATORS, ENDS, st.sampled_from([b"", b"", b"x", b"GET / HTTP/1.1\r\n"]))
@example(b"GET / HTTP/1.1", [(b"Host", b"a"), (b"connection", b"keep-alive")], b": ", b"\r\n", b"")
def test_a_plain_request_is_what_h11_reads(
    first: bytes,
    fields: Any,
    separator: bytes,
    end: bytes,
    rest: bytes,
) -> None:
    """Target and fields; it has ended, and the connection stays."""
    data = wire(first, fields, separator, end, rest)
    found = plain.asked(data)
    if found is None:
        return
    server = h11.Connection(h11.SERVER)
    request, last = events(server, data)
    assert (request.target, list(request.headers)) == (found.target, found.headers)
    assert isinstance(last, h11.EndOfMessage)
    assert (server.their_state, server.trailing_data[0]) == (h11.DONE, b"")
    assert not server.they_are_waiting_for_100_continue


@given(st.sampled_from([b"GET", b"HEAD", b"G T"]), st.sampled_from([b"/a", b"/ a", b"/\n"]), FIELDS)
@example(b"GET", b"/a", [(b"host", b"a"), (b"x", b"a b")])
def test_a_plain_request_is_written_as_h11_writes_it(
    method: bytes,
    target: bytes,
    fields: Any,
) -> None:
    """Byte for byte; what h11 refuses is not plain."""
    data = plain.request(method, target, fields)
    if data is None:
        return
    client = h11.Connection(h11.CLIENT)
    expected = client.send(h11.Request(method=method, target=target, headers=fields)) or b""
    assert data == expected + (client.send(h11.EndOfMessage()) or b"")


@given(st.sampled_from([200, 204, 304, 404, 599, 600, 103]), FIELDS)
@example(200, [(b"content-length", b"5"), (b"X", b"a")])
def test_a_plain_head_is_written_as_h11_writes_it(status: int, fields: Any) -> None:
    """Byte for byte, with one Date; what h11 refuses, or changes, is not plain."""
    found = plain.head(status, fields, DATE)
    if found is None:
        return
    server = h11.Connection(h11.SERVER)
    events(server, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    dated = any(name.lower() == b"date" for name, _ in fields)
    headers = fields if dated else [*fields, (b"date", DATE)]
    assert found.data == server.send(h11.Response(status_code=status, headers=headers))
    server.send(h11.Data(data=bytes(found.length))) if found.length < 10 else None


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n", b"GET "])
def test_a_part_is_not_plain(data: bytes) -> None:
    """Only whole heads are."""
    assert plain.asked(data) is None
    assert plain.answer(data) is None


def test_what_everybody_sends_is_plain() -> None:
    """Else the short way would be nobody's."""
    assert plain.asked(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n") is not None
    assert plain.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") is not None
    assert plain.request(b"GET", b"/", [(b"host", b"a"), (b"via", b"1.1 a")]) is not None
    assert plain.head(200, [(b"content-length", b"0")], DATE) is not None
