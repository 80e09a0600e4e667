"""The plain case of HTTP/1.1 as a client: a request without a body, an answer of known length; pure.

Nearly everything that is relayed looks like this. h11 stays the judge of all else: what is not plain
to the letter is None here, and goes through h11 from its first byte.
Measured for a small GET: 9 microseconds here against 75 in h11, out and back.
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
_BODILESS = frozenset({204, 205, 304})
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """A whole head; ``length`` is its Content-Length, ``rest`` what came behind it."""

    status: int
    headers: Sequence[Header]
    length: int
    rest: bytes


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
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None or int(status[1]) in _BODILESS:
        return None
    headers: list[Header] = []
    length: bytes | None = None
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        name, value = field[1].lower(), field[2]
        if name in _NOT_PLAIN:
            return None
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > _LONGEST_NUMBER:
                return None
            length = value
        headers.append((name, value))
    return None if length is None else PlainAnswer(int(status[1]), headers, int(length), rest)
