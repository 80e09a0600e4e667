"""Which header fields pass the gateway, one function a direction; pure.

A proxy must not pass on what was meant for one hop (RFC 9110 7.6.1), must say who it is (7.6.3),
and must never let a client speak in the name of another proxy.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from fluxlit.protocol.refusal import Refusal, malformed

Header: TypeAlias = tuple[bytes, bytes]
Headers: TypeAlias = Sequence[Header]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Meant for one connection, whatever Connection says (RFC 9110 7.6.1, 11.7; RFC 9113 8.2.2)."""

FORWARDING = frozenset(
    {
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"client-ip",
        b"fastly-client-ip",
        b"forwarded",
        b"front-end-https",
        b"proxy-client-ip",
        b"true-client-ip",
        b"wl-proxy-client-ip",
        b"x-appengine-user-ip",
        b"x-azure-clientip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-envoy-external-address",
        b"x-host",
        b"x-original-forwarded-for",
        b"x-original-host",
        b"x-original-url",
        b"x-real-ip",
        b"x-rewrite-url",
    }
)
"""Claims about the client or the target that only a trusted proxy may make; with x-forwarded-*."""

PROTECTED = frozenset(
    {
        b"authorization",
        b"content-length",
        b"cookie",
        b"forwarded",
        b"host",
        b"origin",
        b"transfer-encoding",
        b"via",
        b"x-xsrftoken",
    }
)
"""Fields that Connection must not name: removing them would change what the request means."""

MAX_FIELDS = 100
"""Fields of a head. Streamlit's WebSocket server hangs above 128 lines (measured), we add some."""
MAX_HEAD = 65_536
"""Bytes of all fields together, which is also what one line of the sidecar's limit is raised to."""
VIA_PROTOCOL = {"1.0": b"1.0 ", "2": b"2 ", "2.0": b"2 "}

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of ``name`` (lower-case), in order."""
    return [value for field, value in headers if field == name]


def first(headers: Headers, name: bytes) -> bytes | None:
    """The first value of ``name`` (lower-case), or None."""
    return next((value for field, value in headers if field == name), None)


def listed(headers: Headers, name: bytes) -> list[bytes]:
    """All lines of ``name`` as one comma list without empty elements (RFC 9110 5.6.1)."""
    parts = (part.strip(b" \t") for value in values(headers, name) for part in value.split(b","))
    return [part for part in parts if part]


def declares_body(headers: Headers) -> bool:
    """Whether the head says that a body follows; HTTP/2 need not say it."""
    lengths = values(headers, b"content-length")
    return any(name == b"transfer-encoding" for name, _ in headers) or lengths not in ([], [b"0"])


def is_forwarding(name: bytes) -> bool:
    """Whether a field of this name claims something that only a proxy may."""
    return name in FORWARDING or name.startswith(b"x-forwarded-")


def check(headers: Headers) -> None:
    """Refuse a request head that is too large, unclean or ambiguous in its framing.

    Raises Refusal: 431 for size, 400 for control characters (RFC 9110 5.5), Content-Length beside
    Transfer-Encoding (RFC 9112 6.1) and a Connection field that names what it must not; 417 for an
    unknown expectation.
    """
    if len(headers) > MAX_FIELDS or sum([len(n) + len(v) for n, v in headers]) > MAX_HEAD:
        raise Refusal(431, "The request's header fields are too many or too long.", severs=True)
    names = {name for name, _ in headers}
    if _CONTROL.search(b"".join([value for _, value in headers])):
        raise malformed("A header field contains a control character.")
    if {b"content-length", b"transfer-encoding"} <= names:
        raise malformed("Content-Length and Transfer-Encoding exclude each other.")
    if b"connection" in names:
        nominated(headers)
    if b"expect" in names and any(
        value.lower() != b"100-continue" for value in listed(headers, b"expect")
    ):
        raise Refusal(417, "Only the expectation 100-continue is known.", severs=True)


def nominated(headers: Headers) -> frozenset[bytes]:
    """The fields that Connection names, lower-case; raises Refusal 400 for a protected one."""
    names = frozenset(name.lower() for name in listed(headers, b"connection"))
    if any(name in PROTECTED or is_forwarding(name) or name.startswith(b"sec-") for name in names):
        raise malformed("The Connection field names a field that is not a hop's own.")
    return names


def hops_left(headers: Headers) -> int | None:
    """How many more hops an OPTIONS may take (RFC 9110 7.6.2); None: any. Raises Refusal 400."""
    said = values(headers, b"max-forwards")
    if not said:
        return None
    if len(said) > 1 or not said[0].isdigit() or len(said[0]) > 9:
        raise malformed("Max-Forwards must be one number.")
    return int(said[0])


def to_upstream(headers: Headers, *, version: str, pseudonym: bytes) -> list[Header]:
    """What a service may see of a request's fields, besides Host and what trust adds.

    One Cookie line (RFC 6265 5.4), Via appended, no Expect, no Max-Forwards, no hop's own fields,
    no forwarding claims. Raises Refusal 508 when the request has been here before.
    """
    via = listed(headers, b"via")
    if any(element.split()[1:2] == [pseudonym] for element in via):
        raise Refusal(508, "The request comes back to where it has been already.", severs=True)
    gone = HOP_BY_HOP | nominated(headers) | {b"host", b"expect", b"max-forwards", b"via"}
    kept = _one_cookie(_without(headers, gone))
    own = VIA_PROTOCOL.get(version, b"1.1 ") + pseudonym
    return [*kept, (b"via", b", ".join([*via, own]))]


def handshake(headers: Headers) -> list[Header]:
    """The fields of a WebSocket handshake that are not the handshake's own: those are made anew.

    The offered subprotocols become one line, order and empty items kept: Streamlit reads positions
    (its name, the XSRF token, the session id), and a server library may read only the last line.
    """
    gone = {b"content-length"}
    offers = values(headers, b"sec-websocket-protocol")
    kept = [h for h in headers if not h[0].startswith(b"sec-websocket-") and h[0] not in gone]
    return [*kept, (b"sec-websocket-protocol", b", ".join(offers))] if offers else kept


def to_api(headers: Headers) -> list[Header]:
    """What an application inside the gateway may see: no forwarding claims, no Host.

    The hop's own fields stay: for the application the gateway is the server, not a proxy.
    """
    return list(_without(headers, frozenset({b"host"})))


def from_upstream(headers: Headers, *, status: int) -> list[Header]:
    """What a client may see of an answer's fields: none of the hop's own, framing by status.

    A 204 has no Content-Length (RFC 9110 8.6), a 205 no content. Raises ValueError for a field that
    would break the client's parser (a line feed in a value reaches HTTP/2 clients unchecked).
    """
    named = {name.lower() for name in listed(headers, b"connection")}
    gone = HOP_BY_HOP | named
    if status in {204, 205} or status < 200:
        gone |= {b"content-length"}
    kept = [(name, value) for name, value in headers if name not in gone]
    for name, value in kept:
        if not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise ValueError("the service sent an unclean header field")
    return kept


def _without(headers: Headers, gone: frozenset[bytes]) -> Iterable[Header]:
    for name, value in headers:
        # CGI-style servers read X_Forwarded_For as X-Forwarded-For.
        folded = name.replace(b"_", b"-")
        suspect = folded != name and (folded in PROTECTED or folded in HOP_BY_HOP)
        if name not in gone and not suspect and not is_forwarding(folded):
            yield name, value


def _one_cookie(headers: Iterable[Header]) -> list[Header]:
    kept: list[Header] = []
    crumbs: list[bytes] = []
    for name, value in headers:
        if name == b"cookie":
            crumbs.append(value)
        else:
            kept.append((name, value))
    return [*kept, (b"cookie", b"; ".join(crumbs))] if crumbs else kept
