"""A server's strictest reading of a request: what a relay sends must leave no room for another one.

The names I1 to I3 are those of the invariants in test_desync.py.
"""

import re
from dataclasses import dataclass, field

REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (/[\x21-\x7e]*) HTTP/1\.1")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\x20-\x7e\x80-\xff\t]*)")
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")
FORBIDDEN = frozenset(
    {
        b"keep-alive", b"proxy-connection", b"te", b"trailer", b"http2-settings", b"expect",
        b"proxy-authorization", b"proxy-authenticate", b"proxy-authentication-info",
    }
)  # fmt: skip
"""What belongs to the client's hop alone (RFC 9110 7.6.1)."""


class Violation(Exception):  # noqa: N818 - what it is called in the tables
    """The relay has sent what a strict server must refuse or could read in two ways."""


@dataclass
class Heard:
    """One request as the upstream heard it."""

    raw: bytes
    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    complete: bool = False
    pieces: list[bytes] = field(default_factory=list[bytes])

    def values(self, name: str) -> list[bytes]:
        """Every value of a field, in order."""
        return [value for key, value in self.fields if key == name.encode()]

    def value(self, name: str) -> bytes | None:
        """The value of a field that may be there once; fails if it is there twice."""
        found = self.values(name)
        assert len(found) < 2, f"{name}: {found}"
        return found[0] if found else None

    @property
    def chunked(self) -> bool:
        """Whether its body comes in chunks."""
        return bool(self.values("transfer-encoding"))

    @property
    def length(self) -> int:
        """The length announced, 0 if none."""
        return int((self.values("content-length") or [b"0"])[0])


def head(raw: bytes) -> Heard:
    """The request whose head, with its empty line, is ``raw``; raises Violation."""
    lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise Violation(f"I1 a line ends in something else than CRLF: {raw!r}")
    match = REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise Violation(f"I1 request line {lines[0]!r}")
    heard = Heard(raw, match[1], match[2], [_field(line) for line in lines[1:]])
    _framing(heard)
    _hop(heard)
    return heard


def _field(line: bytes) -> tuple[bytes, bytes]:
    match = FIELD.fullmatch(line)
    if match is None:
        raise Violation(f"I1 field {line!r}")
    return match[1].lower(), match[2]


def _framing(heard: Heard) -> None:
    lengths, codings = heard.values("content-length"), heard.values("transfer-encoding")
    if len(heard.values("host")) != 1:
        raise Violation(f"I2 Host: {heard.values('host')}")
    if lengths and codings:
        raise Violation("I2 Content-Length beside Transfer-Encoding")
    if codings not in ([], [b"chunked"]):
        raise Violation(f"I2 Transfer-Encoding: {codings}")
    if lengths and (len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,18}", lengths[0])):
        raise Violation(f"I2 Content-Length: {lengths}")


def _hop(heard: Heard) -> None:
    names = {name for name, _ in heard.fields}
    if names & FORBIDDEN:
        raise Violation(f"I3 {names & FORBIDDEN}")
    if heard.values("max-forwards") and heard.method != b"OPTIONS":
        raise Violation("I3 Max-Forwards")
    upgrade = heard.values("upgrade")
    wanted = {b"upgrade"} if upgrade else {b"close", b"keep-alive"}
    if upgrade not in ([], [b"websocket"]):
        raise Violation(f"I3 Upgrade: {upgrade}")
    if not {value.lower() for value in heard.values("connection")} <= wanted:
        raise Violation(f"I3 Connection: {heard.values('connection')}")


def chunk_size(line: bytes) -> int:
    """The size in a chunk's first line, which has nothing else; raises Violation."""
    if CHUNK_SIZE.fullmatch(line) is None:
        raise Violation(f"I2 chunk line {line!r}")
    return int(line, 16)


def answers(data: bytes, heads: frozenset[int] = frozenset()) -> list[tuple[int, bytes, bytes]]:
    """The whole final answers in what a client received: status, head, body.

    Those numbered in ``heads`` answer HEAD, and have none.
    """
    found: list[tuple[int, bytes, bytes]] = []
    while (
        match := re.match(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n", data)
    ) is not None:
        status, text = int(match[1]), match[0].lower()
        data = data[match.end() :]
        if status < 200:
            continue
        body, data = _body(status, text, data, is_head=len(found) in heads)
        if body is None:
            break
        found.append((status, match[0], body))
    return found


def _body(status: int, text: bytes, data: bytes, *, is_head: bool) -> tuple[bytes | None, bytes]:
    if is_head or status in {204, 304}:
        return b"", data
    length = re.search(rb"\r\ncontent-length: (\d+)\r\n", text)
    if length is not None:
        size = int(length[1])
        return (data[:size], data[size:]) if len(data) >= size else (None, b"")
    if b"\r\ntransfer-encoding: chunked\r\n" not in text:
        return data, b""
    whole = b""
    while (line := re.match(rb"([0-9a-f]+)\r\n", data)) is not None:
        size = int(line[1], 16)
        piece, data = data[line.end() : line.end() + size], data[line.end() + size + 2 :]
        whole += piece
        if not size:
            return whole, data
    return None, b""
