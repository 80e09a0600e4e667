"""Whole messages against wsproto: what is taken is what wsproto takes, and means the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, Ping, TextMessage

from fluxlit.protocol.whole import is_between_messages, mask, message

MOST = 70_000


def framed(first: int, length: bytes, payload: bytes, key: bytes) -> bytes:
    """A frame, sound or not."""
    return bytes([first]) + length + key + (mask(payload, key) if key else payload)


@given(
    first=st.sampled_from([0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0xC1, 0x83]),
    payload=st.one_of(st.binary(max_size=130), st.text(max_size=40).map(str.encode)),
    long=st.booleans(),
    key=st.sampled_from([b"", b"\x01\x02\x03\x04", bytes(4)]),
    cut=st.integers(0, 3),
    masked=st.booleans(),
)
def test_a_whole_message_is_what_wsproto_reads(
    *, first: int, payload: bytes, long: bool, key: bytes, cut: int, masked: bool
) -> None:
    """For both sides, whatever comes."""
    size, bit = len(payload), 0x80 if key else 0
    extended = bytes([126 | bit]) + size.to_bytes(2, "big")
    length = extended if long or size > 125 else bytes([size | bit])
    data = framed(first, length, payload, key)
    data = data[: len(data) - cut]
    found = message(data, masked=masked, most=MOST)
    if found is None:
        return
    kind = ConnectionType.SERVER if masked else ConnectionType.CLIENT
    connection = Connection(kind, [])
    connection.receive_data(data)
    (event,) = connection.events()
    assert isinstance(event, TextMessage if isinstance(found, str) else BytesMessage)
    told: Any = event
    assert (told.data, told.message_finished) == (found, True)
    assert is_between_messages(connection)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 1023, 1024, 65_535])
def test_what_everybody_sends_is_taken(size: int, masked: bool) -> None:
    """Else the short way would be nobody's."""
    payload = bytes(n % 251 for n in range(size))
    bit = 0x80 if masked else 0
    length = bytes([size | bit]) if size < 126 else bytes([126 | bit]) + size.to_bytes(2, "big")
    data = framed(0x82, length, payload, b"\x01\x02\x03\x04" if masked else b"")
    assert message(data, masked=masked, most=size) == payload
    assert message(data, masked=masked, most=size - 1) is None
    assert message(data, masked=not masked, most=size) is None


def test_between_messages_nothing_is_held() -> None:
    """Neither a part of a frame, nor a message that goes on, nor a Close."""
    connection = Connection(ConnectionType.CLIENT, [])
    for data, free in (
        (b"", True),
        (b"\x82", False),
        (b"\x01a", True),
        (b"\x02\x01a", False),
        (b"\x89\x00", False),
        (b"\x80\x01b", True),
        (b"\x88\x00", False),
    ):
        connection.receive_data(data)
        list(connection.events())
        assert is_between_messages(connection) is free


@given(st.integers(0, 1100), st.binary(min_size=4, max_size=4))
def test_masking_is_its_own_inverse(size: int, key: bytes) -> None:
    """As RFC 6455 5.3 defines it, in both ways of doing it: byte i xor key byte i mod 4."""
    payload = bytes(n % 251 for n in range(size))
    masked = mask(payload, key)
    assert masked == bytes(byte ^ key[n % 4] for n, byte in enumerate(payload))
    assert mask(memoryview(masked), key) == payload


def test_a_ping_is_not_a_message() -> None:
    """Control frames are wsproto's."""
    ping = Connection(ConnectionType.SERVER, []).send(Ping(b"x"))
    assert message(ping, masked=False, most=MOST) is None
