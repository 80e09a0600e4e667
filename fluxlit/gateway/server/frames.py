"""WebSocket frames: wsproto's parser with a limit, and frame heads without copying the payload."""

import struct

from wsproto.connection import Connection, ConnectionType
from wsproto.frame_protocol import CloseReason, FrameDecoder, Opcode, ParseFailed

FIN = 0x80


class LimitedDecoder(FrameDecoder):
    """wsproto's frame decoder, which itself takes frames of any announced length.

    Bytes are counted from the heads of the frames, before any payload is taken (RFC 6455 7.4.1, 1009).
    """

    def __init__(self, limit: int) -> None:
        super().__init__(client=False)
        self._limit = limit
        self._message = 0

    def parse_header(self) -> bool:
        """Read a frame's head if it is there."""
        if not super().parse_header():
            return False
        if self.header is not None and not self.header.opcode.iscontrol():
            self._count(self.header.payload_len, is_last=self.header.fin)
        return True

    def _count(self, length: int, *, is_last: bool) -> None:
        self._message += length
        if self._message > self._limit:
            reason = f"message above {self._limit} bytes"
            raise ParseFailed(reason, CloseReason.MESSAGE_TOO_BIG)
        if is_last:
            self._message = 0


class ServerConnection(Connection):
    """The server side of an open WebSocket without extensions."""

    def __init__(self, limit: int) -> None:
        super().__init__(ConnectionType.SERVER, [])
        self._proto._frame_decoder = LimitedDecoder(limit)


def message_head(opcode: Opcode, length: int) -> bytes:
    """The head of an unmasked frame that is a whole message (RFC 6455 5.2)."""
    if length < 126:
        return bytes((FIN | opcode, length))
    if length < 65_536:
        return struct.pack("!BBH", FIN | opcode, 126, length)
    return struct.pack("!BBQ", FIN | opcode, 127, length)
