"""WebSocket frames: what bytes mean, and the bytes of a message."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.events import Event as WireEvent
from wsproto.frame_protocol import CloseReason

from fluxlit.protocol.closing import Message
from fluxlit.protocol.framing import (
    PIECE,
    Broke,
    CloseReceived,
    Frames,
    Pinged,
    Ponged,
    Received,
    frame,
)

KEY = b"\x01\x02\x03\x04"


def server(*events: WireEvent) -> bytes:
    """The bytes of a server that sends ``events``."""
    wire = Connection(ConnectionType.SERVER)
    return b"".join(wire.send(event) for event in events)


def read(*pieces: bytes, most: int = 1000) -> list[object]:
    """What ``pieces`` mean to a client."""
    frames = Frames(most)
    return [event for piece in pieces for event in frames.receive(piece)]


def text(*parts: str) -> bytes:
    """One text message in fragments."""
    last = len(parts) - 1
    return server(*(TextMessage(part, message_finished=n == last) for n, part in enumerate(parts)))


def test_messages_keep_their_kind() -> None:
    """Text stays text, binary stays binary, empty ones are messages too."""
    data = server(TextMessage("é"), BytesMessage(b"\xff"), TextMessage(""), BytesMessage(b""))
    assert read(data) == [Received(Message(m)) for m in ("é", b"\xff", "", b"")]


def test_fragments_become_one_message() -> None:
    """Fragments are put together, with control frames between them told in order."""
    data = server(
        BytesMessage(b"a", message_finished=False),
        Ping(b"p"),
        BytesMessage(b"b", message_finished=False),
        Pong(b""),
        BytesMessage(b"c"),
    )
    assert read(data) == [Pinged(b"p"), Ponged(), Received(Message(b"abc"))]


def test_a_character_cut_by_fragments_is_whole_again() -> None:
    """A fragment may end inside a character (RFC 6455 5.6)."""
    euro = "€".encode()
    data = b"\x01\x01" + euro[:1] + b"\x80\x02" + euro[1:]
    assert read(data) == [Received(Message("€"))]


@pytest.mark.parametrize(
    "parts", [("x" * 1001,), ("x" * 600, "x" * 600), ("€" * 400,), ("€" * 200, "€" * 200)]
)
def test_a_message_over_the_limit_is_refused_while_it_comes(parts: tuple[str, ...]) -> None:
    """Bytes are counted, not characters, over all fragments; the last need not have come."""
    assert read(text(*parts)) == [Broke(1009, "a message over the limit")]
    assert read(text(*parts, "never")[: len("".join(parts).encode()) + 8])[-1:] == [
        Broke(1009, "a message over the limit")
    ]


@pytest.mark.parametrize("parts", [("x" * 1000,), ("x" * 500, "x" * 500), ("€" * 333, "x")])
def test_a_message_at_the_limit_passes(parts: tuple[str, ...]) -> None:
    """The limit itself is allowed."""
    assert read(text(*parts)) == [Received(Message("".join(parts)))]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (CloseConnection(code=1000, reason="bye"), CloseReceived(1000, "bye")),
        (CloseConnection(code=1012), CloseReceived(1012, "")),
        (CloseConnection(code=4999, reason="x" * 200), CloseReceived(4999, "x" * 123)),
        (CloseConnection(code=CloseReason.NO_STATUS_RCVD), CloseReceived(None, "")),
    ],
)
def test_a_close(event: CloseConnection, expected: CloseReceived) -> None:
    """A Close frame tells its code, None where it has none; nothing after it counts."""
    assert read(server(event) + text("late")) == [expected]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02\xc3\x28", 1007),
        (b"\x88\x04\x03\xe8\xc3\x28", 1007),
        (b"\x81\x81\x00\x00\x00\x00x", 1002),
        (b"\xc1\x01x", 1002),
        (b"\x83\x00", 1002),
        (b"\x80\x01x", 1002),
        (b"\x01\x01x\x81\x01y", 1002),
        (b"\x09\x00", 1002),
        (b"\x89\x7e\x00\x80", 1002),
        (b"\x88\x01x", 1002),
        (b"\x88\x02\x03\xf6", 1002),
        (b"\x88\x02\x03\xee", 1002),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1002),
    ],
    ids=[
        "bad text", "bad reason", "masked", "rsv1", "opcode", "continues nothing", "two at once", "cut ping",
        "long ping", "close of 1", "close 1014", "close 1006", "length 2^63",
    ],
)  # fmt: skip
def test_broken_rules_end_it(data: bytes, code: int) -> None:
    """Each fault of an upstream has its code, and nothing is read after it (wsproto would go on)."""
    events = read(data, text("late"))
    assert len(events) == 1
    assert isinstance(events[0], Broke)
    assert events[0].code == code


@given(st.lists(st.binary(max_size=64)))
def test_any_bytes_are_events(pieces: list[bytes]) -> None:
    """No bytes of an upstream raise, and none follow an end."""
    events = read(*pieces)
    assert not any(isinstance(event, (Broke, CloseReceived)) for event in events[:-1])


@given(st.lists(st.integers(0, 60)))
def test_cuts_between_reads_change_nothing(cuts: list[int]) -> None:
    """However the network cuts frames, the same comes of them."""
    data = text("é€", "x") + server(Ping(b"1"), BytesMessage(b"y" * 20), CloseConnection(code=1001))
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert read(*pieces) == read(data)


def as_server(pieces: Sequence[bytes]) -> list[tuple[str | bytes, bool]]:
    """What a server reads of one frame: its data, and whether the message ends with it."""
    wire = Connection(ConnectionType.SERVER)
    wire.receive_data(b"".join(pieces))
    events = [e for e in wire.events() if isinstance(e, (TextMessage, BytesMessage))]
    return [
        (e.data if isinstance(e, TextMessage) else bytes(e.data), e.message_finished)
        for e in events
    ]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, PIECE, PIECE + 1, 3 * PIECE + 2])
def test_a_server_reads_what_we_send(size: int) -> None:
    """Messages of every length form arrive whole, in one frame."""
    payload = bytes(n % 251 for n in range(size))
    assert as_server(list(frame(payload, KEY))) == [(payload, True)]
    assert as_server(list(frame("é" * (size // 2), KEY))) == [("é" * (size // 2), True)]


def test_a_large_message_leaves_in_bounded_pieces() -> None:
    """Nothing is masked in one go for longer than a piece takes."""
    pieces = list(frame(b"x" * (5 * PIECE + 1), KEY))
    assert max(map(len, pieces)) <= PIECE
    assert pieces[0] == b"\x82\xff" + (5 * PIECE + 1).to_bytes(8, "big") + KEY


def test_control_frames() -> None:
    """Ping, pong and Close are well formed; a reason is cut, a missing code leaves it empty."""
    frames, wire = Frames(10), Connection(ConnectionType.SERVER)
    wire.receive_data(frames.ping() + frames.pong(b"p") + frames.close(1001, "r" * 200))
    assert list(wire.events()) == [Ping(), Pong(b"p"), CloseConnection(1001, "r" * 123)]
    wire = Connection(ConnectionType.SERVER)
    wire.receive_data(Frames(10).close(None, ""))
    assert list(wire.events()) == [CloseConnection(1005, "")]
