"""The opening handshake of a WebSocket towards an upstream, without I/O (RFC 6455 4.1).

wsproto's own handshake is not used: it sends Host through IDNA, which fails on long labels, gives
up at heads of 16 KiB, and takes every interim answer for a refusal (wsproto 1.3.2, handshake.py).
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha1
from typing import TypeAlias

import h11

from fluxlit.errors import UpstreamClosed, UpstreamProtocolError
from fluxlit.protocol.exchange import (
    LARGEST_HEAD,
    MOST_INTERIM,
    Headers,
    RequestHead,
    ResponseHead,
    final_head,
)

# Bytes of a refusal's body that are kept: enough for an error page, bounded for the rest.
LARGEST_REFUSAL = 65536

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OURS = frozenset(
    {
        b"connection",
        b"upgrade",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-extensions",
        b"sec-websocket-accept",
        b"content-length",
        b"transfer-encoding",
        b"expect",
    }
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The upstream agreed; ``leftover`` are bytes of its first frames that came with the 101."""

    headers: Headers
    subprotocol: bytes | None
    leftover: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The upstream answered something else; ``body`` is at most LARGEST_REFUSAL bytes of it."""

    head: ResponseHead
    body: bytes


Outcome: TypeAlias = Accepted | Refused


def accept_key(key: bytes) -> bytes:
    """What a server must answer to ``key`` (RFC 6455 4.2.2)."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


class Handshake:
    """Asks for a WebSocket once; ``nonce`` are 16 random bytes, new for each connection.

    Raises ValueError where the request cannot be sent as it stands, UpstreamProtocolError where the
    answer breaks the rules, UpstreamClosed where none comes.
    """

    def __init__(self, head: RequestHead, nonce: bytes) -> None:
        if len(nonce) != 16:
            raise ValueError("a nonce has 16 bytes")
        self._head = head
        self._key = b64encode(nonce)
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self._offered = tokens(head.headers, b"sec-websocket-protocol")
        self._interim = 0
        self._refusal: ResponseHead | None = None
        self._body = bytearray()
        self._ended = False

    def request(self) -> bytes:
        """The bytes to send; no extension is offered, so none may be answered."""
        headers = [field for field in self._head.headers if field[0] not in _OURS]
        headers += [
            (b"connection", b"Upgrade"),
            (b"upgrade", b"websocket"),
            (b"sec-websocket-key", self._key),
            (b"sec-websocket-version", b"13"),
        ]
        try:
            request = h11.Request(method=b"GET", target=self._head.target, headers=headers)
            return self._wire.send(request) + self._wire.send(h11.EndOfMessage())
        except h11.LocalProtocolError as exc:
            msg = f"the request cannot be sent: {exc}"
            raise ValueError(msg) from exc

    def receive(self, data: bytes) -> Outcome | None:
        """Take bytes from the upstream, none of them at its end; None: more are needed."""
        self._ended = not data
        self._wire.receive_data(data)
        while True:
            event = self._next()
            if event is h11.NEED_DATA:
                return None
            outcome = self._judge(event)
            if outcome is not None:
                return outcome

    def _next(self) -> object:
        try:
            return self._wire.next_event()
        except h11.RemoteProtocolError as exc:
            if self._refusal is not None:
                return h11.EndOfMessage()  # a body cut off is still the best there is to show
            if self._ended:
                raise UpstreamClosed("no answer came", received_head=False) from exc
            msg = f"not HTTP/1.1: {exc}"
            raise UpstreamProtocolError(msg) from exc

    def _judge(self, event: object) -> Outcome | None:
        match event:
            case h11.InformationalResponse(status_code=101):
                return self._accepted(list(event.headers))
            case h11.InformationalResponse():
                self._interim += 1
                if self._interim > MOST_INTERIM:
                    raise UpstreamProtocolError("too many interim answers")
            case h11.Response():
                self._refusal = final_head(event)
            case h11.Data():
                self._body += event.data
                if len(self._body) >= LARGEST_REFUSAL:
                    return self._refused()
            case _:
                return self._refused()
        return None

    def _refused(self) -> Refused:
        if self._refusal is None:
            raise UpstreamProtocolError("an end without an answer")
        return Refused(self._refusal, bytes(self._body[:LARGEST_REFUSAL]))

    def _accepted(self, headers: Headers) -> Accepted:
        if tokens(headers, b"upgrade", lower=True) != [b"websocket"]:
            raise UpstreamProtocolError("a 101 that upgrades to something else")
        if b"upgrade" not in tokens(headers, b"connection", lower=True):
            raise UpstreamProtocolError("a 101 without Connection: Upgrade")
        if values(headers, b"sec-websocket-accept") != [accept_key(self._key)]:
            raise UpstreamProtocolError("a wrong Sec-WebSocket-Accept")
        if values(headers, b"sec-websocket-extensions"):
            raise UpstreamProtocolError("an extension that was not offered")
        return Accepted(headers, self._chosen(headers), self._wire.trailing_data[0])

    def _chosen(self, headers: Headers) -> bytes | None:
        chosen = values(headers, b"sec-websocket-protocol")
        if not chosen:
            return None
        if len(chosen) > 1 or chosen[0] not in self._offered:
            raise UpstreamProtocolError("a subprotocol that was not offered")
        return chosen[0]


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of the fields called ``name``, in order."""
    return [value for field, value in headers if field == name]


def tokens(headers: Headers, name: bytes, *, lower: bool = False) -> list[bytes]:
    """The comma-separated members of all fields called ``name``; empty ones are left out."""
    parts: Iterable[bytes] = b",".join(values(headers, name)).split(b",")
    stripped = (part.strip(b" \t") for part in parts)
    return [part.lower() if lower else part for part in stripped if part]
