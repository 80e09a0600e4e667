"""One HTTP/1.1 exchange as a client: a request out, an answer in, as bytes and events, without I/O.

h11 does the grammar. Around it stand the rules a relay needs and h11 leaves to its user: framing of
our own only, no answer with two framings, a bound on interim answers, and a connection is used
again only when nothing is left on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import h11

from fluxlit.errors import UpstreamClosed, UpstreamProtocolError

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Pairs of name (lower-case) and value, in order, as they stand on the wire."""

# Bytes of one head: Streamlit's answers stay below 2 KiB; node.js allows 80 KiB, Apache 8 KiB a line.
LARGEST_HEAD = 65536

# Interim answers before the final one: a real server sends one or two; more is a loop.
MOST_INTERIM = 10

_OURS = frozenset({b"content-length", b"transfer-encoding", b"connection", b"expect"})


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What is asked: ``target`` is the raw origin-form including the query, sent byte by byte."""

    method: bytes
    target: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head of the final answer; ``headers`` are the upstream's own, not yet cleaned."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class BodyPart:
    """Some bytes of the answer's body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The answer is complete."""


Event: TypeAlias = ResponseHead | BodyPart | BodyEnd


class BodyLengthError(ValueError):
    """The body given is longer or shorter than the Content-Length of the request: not completed."""


class Framing(Enum):
    """How the end of the request's body is told."""

    NONE = "no body"
    LENGTH = "by the Content-Length of the request"
    CHUNKED = "chunked"


def framing(head: RequestHead, body: object | None) -> Framing:
    """How ``head`` is framed: its one valid Content-Length if it has one, else chunked (RFC 9112 6.3)."""
    if body is None:
        return Framing.NONE
    lengths = {value for name, value in head.headers if name == b"content-length"}
    if len(lengths) == 1 and lengths.pop().isdigit():
        return Framing.LENGTH
    return Framing.CHUNKED


class Exchange:
    """One request and its answer; made anew for each, also on a connection that is used again.

    Raises ValueError where the request cannot be sent as it stands, UpstreamProtocolError where the
    answer breaks HTTP, and UpstreamClosed where it ends before it is complete.
    """

    def __init__(self) -> None:
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self._left: int | None = None
        self._interim = 0
        self._head_seen = False
        self._ended = False

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another exchange: both sides done and nothing behind.

        Bytes behind an answer would be read as the answer to somebody else's request.
        """
        wire = self._wire
        done = wire.our_state is h11.DONE and wire.their_state is h11.DONE
        return done and not self._ended and not wire.trailing_data[0]

    @property
    def sent(self) -> bool:
        """Whether the request is complete."""
        return self._wire.our_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)

    def begin(self, head: RequestHead, framed: Framing) -> bytes:
        """The bytes of the request's head; with ``Framing.NONE`` that is the whole request.

        Framing fields of ``head`` are replaced by our own, so that no two of them can disagree.
        """
        headers = [field for field in head.headers if field[0] not in _OURS]
        headers += self._framing_fields(head, framed)
        try:
            request = h11.Request(method=head.method, target=head.target, headers=headers)
            data = self._wire.send(request)
        except h11.LocalProtocolError as exc:
            msg = f"the request cannot be sent: {exc}"
            raise ValueError(msg) from exc
        if framed is Framing.NONE or self._left == 0:
            return data + self.end()
        return data

    def body(self, chunk: bytes) -> bytes:
        """The bytes that carry ``chunk``; the last byte of a Content-Length ends the request."""
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise BodyLengthError("the body is longer than its Content-Length")
        data = self._wire.send(h11.Data(data=chunk)) if chunk and not self.sent else b""
        return data + self.end() if self._left == 0 else data

    def end(self) -> bytes:
        """The bytes that end the request; none if it has ended already."""
        if self.sent:
            return b""
        try:
            return self._wire.send(h11.EndOfMessage())
        except h11.LocalProtocolError as exc:
            raise BodyLengthError("the body is shorter than its Content-Length") from exc

    def receive(self, data: bytes) -> None:
        """Take bytes that came from the upstream."""
        if data:
            self._wire.receive_data(data)

    def receive_eof(self) -> None:
        """The upstream sends no more."""
        self._ended = True
        self._wire.receive_data(b"")

    def events(self) -> Iterator[Event]:
        """What the bytes received so far amount to; interim answers (1xx) are swallowed."""
        while self._wire.their_state in (h11.SEND_RESPONSE, h11.IDLE, h11.SEND_BODY):
            event = self._next()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            translated = self._translate(event)
            if translated is not None:
                yield translated

    def _framing_fields(self, head: RequestHead, framed: Framing) -> Headers:
        if framed is Framing.CHUNKED:
            return [(b"transfer-encoding", b"chunked")]
        declared = [field for field in head.headers if field[0] == b"content-length"][:1]
        if framed is Framing.LENGTH:
            self._left = int(declared[0][1])
            return declared
        if declared and declared[0][1].strip(b"0"):
            raise ValueError("the request declares a body and has none")
        return declared

    def _next(self) -> object:
        try:
            return self._wire.next_event()
        except h11.RemoteProtocolError as exc:
            if self._ended:
                reason = "the answer was cut off" if self._head_seen else "no answer came"
                raise UpstreamClosed(reason, received_head=self._head_seen) from exc
            msg = f"not HTTP/1.1: {exc}"
            raise UpstreamProtocolError(msg) from exc

    def _translate(self, event: object) -> Event | None:
        match event:
            case h11.Data():
                return BodyPart(bytes(event.data))
            case h11.EndOfMessage():
                return BodyEnd()
            case h11.Response():
                self._head_seen = True
                return final_head(event)
            case _:  # h11.InformationalResponse: h11 itself refuses a 101 that nobody asked for
                self._interim += 1
                if self._interim > MOST_INTERIM:
                    raise UpstreamProtocolError("too many interim answers")
                return None


def final_head(response: h11.Response) -> ResponseHead:
    """The head of an answer, checked for what h11 lets pass.

    h11 believes Transfer-Encoding where Content-Length stands beside it, and takes it from
    HTTP/1.0 too; RFC 9112 6.1 and 6.3 call both an attempt to smuggle. It also takes 600 to 999.
    """
    headers = list(response.headers)
    if response.status_code > 599:
        msg = f"status {response.status_code}"
        raise UpstreamProtocolError(msg)
    names = {name for name, _ in headers}
    if b"transfer-encoding" in names:
        if b"content-length" in names:
            raise UpstreamProtocolError("Content-Length beside Transfer-Encoding")
        if response.http_version < b"1.1":
            raise UpstreamProtocolError("Transfer-Encoding in HTTP/1.0")
    return ResponseHead(response.status_code, headers)
