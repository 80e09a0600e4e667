"""WebSocket frames of a client: bytes to events through wsproto, messages to masked bytes.

Messages leave through code of our own. wsproto copies a payload six times and masks it in one go:
measured, 64 MiB stop the event loop for 0.42 s; here it is masked piece by piece, others
run between two pieces, and a small message costs a quarter (1 against 4 microseconds).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import pack
from typing import TypeAlias

from wsproto import ConnectionType
from wsproto.connection import Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.events import Event as WireEvent
from wsproto.frame_protocol import CloseReason

from fluxlit.protocol.closing import BAD_TEXT, NO_CODE, PROTOCOL_ERROR, TOO_BIG, Message, cut
from fluxlit.protocol.whole import is_between_messages, mask, message

# Bytes masked at once; a multiple of four, so that each piece starts with the same key byte.
PIECE = 65536

_TEXT = 0x81  # final fragment, text
_BINARY = 0x82  # final fragment, binary
_MASKED = 0x80


@dataclass(frozen=True, slots=True)
class Received:
    """A whole message came."""

    message: Message


@dataclass(frozen=True, slots=True)
class Pinged:
    """A ping came; it is to be answered with ``payload``."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Ponged:
    """A pong came."""


@dataclass(frozen=True, slots=True)
class CloseReceived:
    """A Close frame came; ``code`` is None if it had none."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Broke:
    """The upstream broke the rules; ``code`` is what it is told, and nothing more is read."""

    code: int
    detail: str


FrameEvent: TypeAlias = Received | Pinged | Ponged | CloseReceived | Broke


class Frames:
    """The frames of one open WebSocket; ``most`` bounds the bytes of one message received."""

    def __init__(self, most: int) -> None:
        self._wire = Connection(ConnectionType.CLIENT, [])
        self._most = most
        self._parts = bytearray()
        self._dead = False

    def receive(self, data: bytes) -> Iterator[FrameEvent]:
        """What ``data`` completes. Nothing comes after an CloseReceived or Broke."""
        if self._dead or self._wire.state is ConnectionState.CLOSED:
            return
        if is_between_messages(self._wire) and not self._parts:
            whole = message(data, masked=False, most=self._most)
            if whole is not None:
                yield Received(Message(whole))
                return
        self._wire.receive_data(data)
        for event in self._wire.events():
            translated = self._translate(event)
            if translated is None:
                continue
            self._dead = isinstance(translated, (CloseReceived, Broke))
            yield translated
            if self._dead:
                return

    def ping(self) -> bytes:
        """A ping."""
        return self._wire.send(Ping())

    def pong(self, payload: bytes) -> bytes:
        """The answer to a ping."""
        return self._wire.send(Pong(payload))

    def close(self, code: int | None, reason: str) -> bytes:
        """A Close frame, empty where ``code`` is None; data frames may not follow."""
        if code is None:
            # The member itself: wsproto compares by identity and sends 1000 for the number 1005.
            return self._wire.send(CloseConnection(code=CloseReason.NO_STATUS_RCVD))
        return self._wire.send(CloseConnection(code=code, reason=cut(reason)))

    def _translate(self, event: WireEvent) -> FrameEvent | None:
        match event:
            case TextMessage() | BytesMessage():
                return self._collect(event)
            case Ping():
                return Pinged(bytes(event.payload))
            case CloseConnection():
                return self._closed(event)
            case _:
                return Ponged()

    def _closed(self, event: CloseConnection) -> FrameEvent:
        # wsproto reports its own parse errors as a Close from the peer, but keeps its state then.
        if self._wire.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
            code = BAD_TEXT if event.code == BAD_TEXT else PROTOCOL_ERROR
            return Broke(code, event.reason or "")
        code = int(event.code)
        return CloseReceived(None if code == NO_CODE else code, event.reason or "")

    def _collect(self, event: TextMessage | BytesMessage) -> FrameEvent | None:
        data = event.data
        whole = event.message_finished and not self._parts
        if whole and len(data) * 4 <= self._most:
            return Received(Message(data if isinstance(data, str) else bytes(data)))
        # One growing buffer: a list of one-byte fragments would weigh sixty times the message.
        self._parts += data.encode() if isinstance(data, str) else data
        if len(self._parts) > self._most:
            return Broke(TOO_BIG, "a message over the limit")
        if not event.message_finished:
            return None
        parts, self._parts = self._parts, bytearray()
        return Received(Message(parts.decode() if isinstance(data, str) else bytes(parts)))


def frame(data: str | bytes, key: bytes) -> Iterator[bytes]:
    """One whole message as a single masked frame, in pieces of about PIECE bytes.

    ``key`` are four unpredictable bytes, new for each frame (RFC 6455 5.3). One frame, because some
    servers count fragments against their limits (measured: 4 MiB in tiny ones is refused as 1009).
    """
    opcode = _TEXT if isinstance(data, str) else _BINARY
    payload = data.encode() if isinstance(data, str) else data
    size = len(payload)
    header = pack("!BB", opcode, _MASKED | _short(size)) + _extended(size) + key
    if size <= PIECE:
        yield header + mask(payload, key)
        return
    yield header
    view = memoryview(payload)
    for start in range(0, size, PIECE):
        yield mask(view[start : start + PIECE], key)


def _short(size: int) -> int:
    if size < 126:
        return size
    return 126 if size < 65536 else 127


def _extended(size: int) -> bytes:
    if size < 126:
        return b""
    return pack("!H", size) if size < 65536 else pack("!Q", size)
