"""Whose word counts about the client: the peer's address, or what a trusted proxy says; pure.

Off by default. When on, a header is believed only if the peer is in ``forwarded_allow_ips``, and of
a chain only the part that trusted proxies wrote: the rightmost address that is not theirs.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from fluxlit.protocol.headers import Header, Headers, first, listed

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Client: TypeAlias = tuple[str, int]

HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{1,5})?")
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
DEFAULT_PORTS = {"http": "80", "https": "443"}

_PAIR = re.compile(r'\s*([A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*')


@dataclass(frozen=True, slots=True)
class Hop:
    """Who asks and how, as far as it can be believed.

    ``client`` is None on a Unix socket, ``scheme`` is http or https, ``host`` is what the browser
    typed (with its port, if it has one), ``prefix`` what a trusted proxy says it cut off.
    """

    client: Client | None
    scheme: str
    host: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: nobody unless ``enabled``; ``everyone`` is ``*`` written out."""

    enabled: bool = False
    everyone: bool = False
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, *, enabled: bool, allowed: Iterable[str]) -> "Trust":
        """From the settings ``trust_proxy`` and ``forwarded_allow_ips``; raises ValueError."""
        texts = tuple(allowed)
        networks = tuple(ip_network(text, strict=False) for text in texts if text != "*")
        return cls(enabled, "*" in texts, networks)

    def believes(self, peer: str | None) -> bool:
        """Whether headers of this peer count; None is a Unix socket, which its file protects."""
        if not self.enabled:
            return False
        if peer is None or self.everyone:
            return True
        address = _address(peer)
        return address is not None and self.includes(address)

    def includes(self, address: Address) -> bool:
        """Whether the address is one of the listed proxies; ``*`` lists nobody in particular."""
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class _Said:
    """What one proxy of the chain says about the one before it."""

    client: str
    scheme: str = ""
    host: str = ""


def read(headers: Headers, peer: Hop, trust: Trust) -> Hop:
    """The hop that counts: ``peer`` itself, or what trusted proxies say about it."""
    if not trust.believes(peer.client[0] if peer.client else None):
        return peer
    said = _chain(headers)
    place = _rightmost(said, trust)
    hop = peer if place is None else replace(peer, client=_client(said[place].client))
    if said:
        chosen = said[len(said) - 1 if place is None else place]
        hop = _with(hop, chosen)
    if not _by_family(headers):
        return hop
    port, prefix = _last(headers, b"x-forwarded-port"), _last(headers, b"x-forwarded-prefix")
    return replace(hop, host=_with_port(hop, port), prefix=_prefix(prefix))


def normal(client: tuple[str, int]) -> Client:
    """The peer as others know it: an IPv4 peer of a dual-stack listener is ``::ffff:a.b.c.d``."""
    address = _address(client[0])
    return (str(address) if address else client[0], client[1])


def clean(hop: Hop) -> list[Header]:
    """The only forwarding fields that anybody behind the gateway sees: one of each."""
    fields = [
        (b"x-forwarded-proto", hop.scheme.encode("ascii")),
        (b"x-forwarded-host", hop.host.encode("ascii")),
    ]
    return [(b"x-forwarded-for", hop.client[0].encode("ascii")), *fields] if hop.client else fields


def _by_family(headers: Headers) -> bool:
    # Nearly every proxy writes X-Forwarded-* and passes a client's Forwarded through untouched; so
    # RFC 7239 is read only where the other family is absent.
    return any(name.startswith(b"x-forwarded-") for name, _ in headers) or not first(
        headers, b"forwarded"
    )


def _chain(headers: Headers) -> list[_Said]:
    """What the proxies said, first hop first; from one of the two families."""
    if not _by_family(headers):
        return _rfc7239(b", ".join(value for name, value in headers if name == b"forwarded"))
    clients = _texts(listed(headers, b"x-forwarded-for"))
    schemes = _texts(listed(headers, b"x-forwarded-proto"))
    hosts = _texts(listed(headers, b"x-forwarded-host"))
    length = max(len(clients), 1 if schemes or hosts else 0)
    clients = clients or [""] * length
    pairs = zip(_aligned(schemes, length), _aligned(hosts, length), strict=True)
    return [_Said(c, s, h) for c, (s, h) in zip(clients, pairs, strict=True)]


def _aligned(texts: Sequence[str], length: int) -> list[str]:
    # A list as long as the chain was written hop by hop; of any other the last word counts.
    if len(texts) == length:
        return list(texts)
    return [texts[-1] if texts else ""] * length


def _rfc7239(value: bytes) -> list[_Said]:
    """Elements of Forwarded (RFC 7239 4), first hop first; from a malformed part on, nothing."""
    elements: list[_Said] = []
    pairs: dict[str, str] = {}
    text, at = value.decode("latin-1"), 0
    while match := _PAIR.match(text, at):
        pairs[match[1].lower()] = _unquoted(match[2])
        at = match.end()
        separator = text[at : at + 1]
        if separator in {"", ","}:
            elements.append(
                _Said(pairs.get("for", ""), pairs.get("proto", ""), pairs.get("host", ""))
            )
            pairs = {}
        if separator not in {",", ";"}:
            break
        at += 1
    # A tail that cannot be read was written by the nearest proxy: then nothing of it counts.
    return elements if at >= len(text) else []


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _rightmost(said: Sequence[_Said], trust: Trust) -> int | None:
    """The place of the first address from the right that is no listed proxy; None if unreadable.

    An element that is no address ends the walk: what stands left of it was not written by ours.
    """
    found: int | None = None
    for place in range(len(said) - 1, -1, -1):
        client = _client(said[place].client)
        address = _address(client[0]) if client else None
        if address is None:
            break
        found = place
        if not trust.includes(address):
            break
    return found


def _with(hop: Hop, said: _Said) -> Hop:
    scheme = SCHEMES.get(said.scheme.lower(), hop.scheme)
    host = said.host if HOST.fullmatch(said.host) else hop.host
    return replace(hop, scheme=scheme, host=host)


def _with_port(hop: Hop, port: str) -> str:
    has_port = ":" in hop.host.rpartition("]")[2]
    wanted = port.isdecimal() and 0 < int(port) < 65_536 and port != DEFAULT_PORTS[hop.scheme]
    return f"{hop.host}:{int(port)}" if wanted and not has_port else hop.host


def _prefix(text: str) -> str:
    text = text.rstrip("/")
    dots = {".", ".."} & set(text.split("/"))
    return text if PREFIX.fullmatch(text) and not dots else ""


def _client(text: str) -> Client | None:
    """An address with an optional port: ``1.2.3.4``, ``1.2.3.4:5``, ``::1``, ``[::1]:5``."""
    port = "0"
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        port = rest[1:] if rest else "0"
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    address = _address(text)
    valid = address is not None and port.isdecimal() and len(port) <= 5 and "%" not in text
    return (str(address), int(port)) if valid else None


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    # Cached, for a connection asks with each of its requests: 1.4 microseconds each.
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A dual-stack listener shows IPv4 peers as ::ffff:a.b.c.d; lists of proxies do not.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _last(headers: Headers, name: bytes) -> str:
    return (_texts(listed(headers, name)) or [""])[-1]


def _texts(values: Iterable[bytes]) -> list[str]:
    return [value.decode("latin-1") for value in values]
