"""The plain case of HTTP/1.1: a request without a body, an answer of known length; pure, for both sides.

Nearly everything that is relayed looks like this. h11 stays the judge of all else: what is not plain
to the letter is None here, and goes through h11 from its first byte.
Measured for a small GET: 17 microseconds against 65 in h11 towards the service, 6 against 37 towards
the client.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

Header = tuple[bytes, bytes]

_TARGET = re.compile(rb"[\x21-\x7e]+")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
# Neither empty nor with white space at an end, which h11 judges.
_VALUE = re.compile(rb"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
_STATUS = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]?"
    rb"([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)"
)
# Whatever frames a body otherwise, or says that the connection ends.
_NOT_PLAIN = frozenset({b"transfer-encoding", b"connection", b"upgrade"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"expect"})
_BEYOND_GET = _FRAMING - {b"connection"} | {b"upgrade", b"http2-settings", b"te", b"trailer"}
_GET = re.compile(rb"GET ([\x21-\x7e]+) HTTP/1\.1")
_BODILESS = frozenset({204, 205, 304})
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """A whole head; ``length`` is its Content-Length, ``rest`` what came behind it."""

    status: int
    headers: Sequence[Header]
    length: int
    rest: bytes


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A request for ``target`` without a body."""

    target: bytes
    headers: list[Header]


@dataclass(frozen=True, slots=True)
class PlainHead:
    """An answer's head as bytes, and the length of the body that it promises."""

    data: bytes
    length: int


def request(method: bytes, target: bytes, headers: Sequence[Header]) -> bytes | None:
    """The bytes of a request without a body whose first field is its only Host."""
    if method not in {b"GET", b"OPTIONS"} or not _TARGET.fullmatch(target):
        return None
    if not headers or headers[0][0] != b"host":
        return None  # h11 puts it first (RFC 9110 7.2)
    lines = [method, b" ", target, b" HTTP/1.1\r\n"]
    hosts = 0
    for name, value in headers:
        if name in _FRAMING or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        hosts += name == b"host"
        lines += (name, b": ", value, b"\r\n")
    lines.append(b"\r\n")
    return b"".join(lines) if hosts == 1 else None


def answer(data: bytes) -> PlainAnswer | None:
    """The answer that ``data`` begins with; None unless its head is whole and plain."""
    top, blank, rest = data.partition(b"\r\n\r\n")
    first, *lines = top.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if not blank or status is None or int(status[1]) in _BODILESS:
        return None
    headers = _fields(lines)
    length = None if headers is None else _length(headers)
    if headers is None or length is None:
        return None
    return PlainAnswer(int(status[1]), headers, length, rest)


def asked(data: bytes) -> PlainRequest | None:
    """The request that ``data`` is: a GET without a body, whole, with nothing behind it."""
    if not data.startswith(b"GET ") or data.find(b"\r\n\r\n") != len(data) - 4:
        return None
    first, *lines = data[:-4].split(b"\r\n")
    wanted = _GET.fullmatch(first)
    headers = _fields(lines)
    if wanted is None or headers is None:
        return None
    hosts = 0
    for name, value in headers:
        if name in _BEYOND_GET or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        hosts += name == b"host"
    return PlainRequest(wanted[1], headers) if hosts == 1 else None


def head(status: int, headers: Sequence[Header], date: bytes) -> PlainHead | None:
    """The bytes of an answer's head with Date added if missing; None unless it is plain."""
    if not 200 <= status <= 599 or status in _BODILESS:
        return None
    lines = [b"HTTP/1.1 %d " % status]
    lowered: list[Header] = []
    for name, value in headers:
        small = name.lower()
        if not _NAME.fullmatch(small) or not _VALUE.fullmatch(value):
            return None
        lowered.append((small, value))
        lines.append(b"%b: %b" % (name, value))
    length = _length(lowered)
    if length is None:
        return None
    if all(name != b"date" for name, _ in lowered):
        lines.append(b"date: " + date)
    lines.append(b"\r\n")
    return PlainHead(b"\r\n".join(lines), length)


def _fields(lines: Sequence[bytes]) -> list[Header] | None:
    """The fields, names in lower case; None if one line is not plain."""
    headers: list[Header] = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        headers.append((field[1].lower(), field[2]))
    return headers


def _length(headers: Sequence[Header]) -> int | None:
    """The one Content-Length that frames an answer, if nothing else does."""
    length: bytes | None = None
    for name, value in headers:
        if name in _NOT_PLAIN:
            return None
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > _LONGEST_NUMBER:
                return None
            length = value
    return None if length is None else int(length)
