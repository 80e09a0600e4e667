"""An exchange that takes the short way where it is plain, and goes through h11 where it is not.

A request without a body and an answer of known length need no grammar beyond a few lines; both are
judged in plain.py. The first thing that is not plain is given to h11 with all that came before it.
"""

from collections.abc import Iterable

from fluxlit.errors import UpstreamClosed
from fluxlit.protocol import plain
from fluxlit.protocol.exchange import (
    BodyEnd,
    BodyPart,
    Event,
    Exchange,
    Framing,
    RequestHead,
    ResponseHead,
)


class Shortcut:
    """One request and its answer, like Exchange and with its errors."""

    def __init__(self) -> None:
        self._long: Exchange | None = None
        self._asked: RequestHead | None = None
        self._arrived = b""
        self._left: int | None = None
        self._behind = False
        self._ended = False

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another exchange: both sides done and nothing behind."""
        if self._long is not None:
            return self._long.reusable
        return self._left == 0 and not (self._behind or self._ended)

    def begin(self, head: RequestHead, framed: Framing) -> bytes:
        """The bytes of the request's head; with ``Framing.NONE`` that is the whole request."""
        if framed is Framing.NONE:
            data = plain.request(head.method, head.target, head.headers)
            if data is not None:
                self._asked = head
                return data
        self._long = Exchange()
        return self._long.begin(head, framed)

    def body(self, chunk: bytes) -> bytes:
        """The bytes that carry ``chunk`` of a request's body."""
        return self._long.body(chunk) if self._long is not None else b""

    def end(self) -> bytes:
        """The bytes that end the request; none if it has ended already."""
        return self._long.end() if self._long is not None else b""

    def receive(self, data: bytes) -> None:
        """Take bytes that came from the upstream."""
        if self._long is not None:
            self._long.receive(data)
        else:
            self._arrived = self._arrived + data if self._arrived else data

    def receive_eof(self) -> None:
        """The upstream sends no more."""
        self._ended = True
        if self._long is not None:
            self._long.receive_eof()

    def events(self) -> Iterable[Event]:
        """What the bytes received so far amount to; interim answers (1xx) are swallowed."""
        if self._long is not None:
            return self._long.events()
        data, self._arrived = self._arrived, b""
        if self._left == 0:
            self._behind = self._behind or bool(data)
            return []
        if self._left is not None:
            return self._part(data)
        found = plain.answer(data)
        if found is None:
            return self._resort(data).events()
        self._left = found.length
        head = ResponseHead(found.status, found.headers)
        if found.rest or not found.length:
            return [head, *self._part(found.rest)]
        return [head]

    def _part(self, data: bytes) -> list[Event]:
        """The events for bytes of a body of known length."""
        left = self._left or 0
        if len(data) > left:
            self._behind = True
            data = data[:left]
        self._left = left = left - len(data)
        if left and self._ended:
            raise UpstreamClosed("the answer was cut off", received_head=True)
        events: list[Event] = [BodyPart(data)] if data else []
        return events if left else [*events, BodyEnd()]

    def _resort(self, data: bytes) -> Exchange:
        """The same exchange through h11, from its beginning."""
        assert self._asked is not None  # noqa: S101 - nothing arrives before begin()
        self._long = Exchange()
        self._long.begin(self._asked, Framing.NONE)
        self._long.receive(data)
        if self._ended:
            self._long.receive_eof()
        return self._long
