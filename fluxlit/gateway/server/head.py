"""What a request's head must look like before anything is made of it (pure)."""

import re
from enum import Enum, auto

import h11

from fluxlit.gateway.server.limits import HEAD_BYTES, HEAD_FIELDS

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
FIELD_OVERHEAD = 4


class Kind(Enum):
    """What a request asks for."""

    EXCHANGE = auto()
    WEBSOCKET = auto()


def examine(request: h11.Request) -> Kind | int:
    """What the request is, or the status it is refused with.

    h11 alone lets through (measured): any version digit, control characters in values, Content-Length
    beside Transfer-Encoding, Transfer-Encoding on HTTP/1.0, any number of fields.
    RFC 9112 2.3, 6.1; RFC 9110 5.5, 15.6.6; RFC 6455 4.1.
    """
    if request.http_version not in {b"1.1", b"1.0"}:
        return 505
    headers = list(request.headers)
    if too_large(request.target, headers):
        return 431
    if CONTROL.search(b"".join([value for _, value in headers])):
        return 400
    fields = {name: value for name, value in headers if name in INTERESTING}
    if b"transfer-encoding" in fields and (
        b"content-length" in fields or request.http_version == b"1.0"
    ):
        return 400
    # Methods are case-sensitive (RFC 9110 9.1), and the scope's is upper-case whatever was sent.
    if request.method == b"CONNECT" or request.method != request.method.upper():
        return 501
    return kind(request, fields, headers)


INTERESTING = frozenset({b"transfer-encoding", b"content-length", b"upgrade", b"connection"})


def too_large(target: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the head passes the limits on fields or bytes."""
    if len(headers) > HEAD_FIELDS:
        return True
    total = sum([len(name) + len(value) for name, value in headers])
    return total + FIELD_OVERHEAD * len(headers) + len(target) > HEAD_BYTES


def kind(
    request: h11.Request, fields: dict[bytes, bytes], headers: list[tuple[bytes, bytes]]
) -> Kind | int:
    """Whether it opens a WebSocket; one with a body, of another method or on HTTP/1.0 is refused."""
    if b"upgrade" not in fields or b"websocket" not in tokens(headers, b"upgrade"):
        return Kind.EXCHANGE
    if b"upgrade" not in tokens(headers, b"connection"):
        return Kind.EXCHANGE
    framed = b"content-length" in fields or b"transfer-encoding" in fields
    if framed or request.method != b"GET" or request.http_version != b"1.1":
        return 400
    return Kind.WEBSOCKET


def tokens(headers: list[tuple[bytes, bytes]], wanted: bytes) -> set[bytes]:
    """The comma-separated values of all lines of a field, in lower case."""
    lines = b",".join([value for name, value in headers if name == wanted])
    return {token.strip().lower() for token in lines.split(b",")}
