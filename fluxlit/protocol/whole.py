"""A read that is exactly one unfragmented message, without wsproto's machinery; pure, for both sides.

Nearly every small message comes like this. Anything else is None, and wsproto's to judge.
Measured from the upstream: 1.3 against 5.8 microseconds for 128 bytes, 1.5 against 6.6 for 16 KiB.
"""

from struct import unpack_from
from typing import Any

from wsproto.connection import Connection, ConnectionState

_TEXT = 0x81
_BINARY = 0x82
_TABLES = tuple(bytes(byte ^ key for byte in range(256)) for key in range(256))
# From here on translating every fourth byte beats one xor of two large numbers: 14 to 25 against
# 44 microseconds for 16 KiB, but 0.7 against 0.5 for 128 bytes.
_TRANSLATED = 1024


def is_between_messages(wire: Connection) -> bool:
    """Whether ``wire`` is open and holds neither a part of a frame nor of a message."""
    if wire.state is not ConnectionState.OPEN:
        return False
    proto: Any = wire._proto
    frames = proto._frame_decoder
    return (
        frames.header is None and not len(frames.buffer) and proto._message_decoder.opcode is None
    )


def message(data: bytes, *, masked: bool, most: int) -> str | bytes | None:
    """The message that ``data`` is, at most ``most`` bytes of it; None for all that is not one whole."""
    if len(data) < 2 or data[0] not in {_TEXT, _BINARY} or (data[1] >= 0x80) is not masked:
        return None
    size, start = data[1] & 0x7F, 2
    if size == 126 and len(data) >= 4:
        (size,), start = unpack_from("!H", data, 2), 4
        if size < 126:
            return None  # not the shortest form (RFC 6455 5.2)
    elif size >= 126:
        return None
    key = data[start : start + 4] if masked else b""
    start += len(key)
    if len(data) != start + size or size > most or (masked and len(key) < 4):
        return None
    payload = data[start:]
    if masked:
        payload = mask(payload, key)
    return payload if data[0] == _BINARY else _text(payload)


def mask(payload: bytes | memoryview, key: bytes) -> bytes:
    """``payload`` xor the four bytes of ``key`` repeated (RFC 6455 5.3)."""
    size = len(payload)
    if size < _TRANSLATED:
        repeated = (key * (size // 4 + 1))[:size]
        number = int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")
        return number.to_bytes(size, "little")
    masked = bytearray(payload)
    for place in range(4):
        masked[place::4] = masked[place::4].translate(_TABLES[key[place]])
    return bytes(masked)


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None
