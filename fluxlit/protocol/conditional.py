"""What a client has already, and which part of the rest it wants (RFC 9110 13 and 14); pure."""

import re
from dataclasses import dataclass

from fluxlit.protocol.headers import Headers, listed, values
from fluxlit.protocol.refusal import Refusal

_RANGE = re.compile(rb"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes ``first`` to ``last`` of ``size``, both included."""

    first: int
    last: int
    size: int

    @property
    def content_range(self) -> bytes:
        """The value of Content-Range."""
        return b"bytes %d-%d/%d" % (self.first, self.last, self.size)


def unchanged(headers: Headers, etag: bytes) -> bool:
    """Whether If-None-Match names what we would send: then 304, compared weakly (13.1.2)."""
    named = listed(headers, b"if-none-match")
    return named == [b"*"] or etag in {tag.removeprefix(b"W/") for tag in named}


def wanted(headers: Headers, etag: bytes, size: int) -> Span | None:
    """The single range to answer with 206; None for the whole.

    Whatever is no single range of bytes is ignored, as 14.2 allows: several ranges are a way to ask
    for the same bytes many times. So is a range behind an If-Range that does not name exactly what
    we have (13.1.5; a date never does). Raises Refusal 416 for a range that lies outside.
    """
    asked, condition = values(headers, b"range"), values(headers, b"if-range")
    found = _RANGE.fullmatch(asked[0]) if len(asked) == 1 else None
    if not found or found[1] == found[2] == b"" or condition not in ([], [etag]):
        return None
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), int(found[2] or size)
        if found[2] and last < first:
            return None
    last = min(last, size - 1)
    if first > last:
        field = (b"content-range", b"bytes */%d" % size)
        raise Refusal(416, "The range lies outside the file.", headers=(field,))
    return Span(first, last, size)
