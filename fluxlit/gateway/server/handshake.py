"""The opening handshake of a WebSocket: RFC 6455 4.2, without extensions."""

import binascii
from base64 import b64decode
from collections.abc import Iterable

from hypercorn.protocol.ws_stream import Handshake
from wsproto.connection import Connection

from fluxlit.gateway.server.frames import ServerConnection

Pairs = list[tuple[bytes, bytes]]

OURS = frozenset(
    {
        b"connection",
        b"content-length",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields of the 101 that are not the application's to set."""


class Opening(Handshake):
    """What the client asked for, with repeated lines joined (RFC 9110 5.3) and compression not offered.

    Hypercorn always agrees to permessage-deflate and inflates without bound: 61 KB became 126 MiB (measured).
    """

    def __init__(self, headers: Pairs, http_version: str) -> None:
        super().__init__(joined(headers), http_version)

    def objection(self) -> int | None:
        """The status to refuse with, or None."""
        if self.version != b"13":
            return 426
        if self.key is None or not is_key(self.key):
            return 400
        return None

    def answer(
        self, subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]], limit: int
    ) -> tuple[int, Pairs, Connection]:
        """The whole 101 and the connection behind it; raises before anything is sent.

        Messages above ``limit`` bytes are refused.
        """
        extra = [(bytes(name).lower().strip(), bytes(value).strip()) for name, value in headers]
        for name, _ in extra:
            if name in OURS:
                message = f"the application may not set {name.decode('latin-1')} on a WebSocket"
                raise ValueError(message)
        status, pairs, _ = self.accept(subprotocol, extra)
        return status, pairs, ServerConnection(limit)


def joined(headers: Pairs) -> Pairs:
    """The fields of the handshake, Sec-WebSocket-Protocol on one line and extensions dropped."""
    protocols = [value for name, value in headers if name == b"sec-websocket-protocol"]
    rest = [
        pair
        for pair in headers
        if not pair[0].startswith((b"sec-websocket-protocol", b"sec-websocket-extensions"))
    ]
    return [*rest, (b"sec-websocket-protocol", b",".join(protocols))] if protocols else rest


def is_key(key: bytes) -> bool:
    """Whether it is 16 bytes in base64."""
    try:
        return len(b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
