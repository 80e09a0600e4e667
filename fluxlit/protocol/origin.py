"""Whether a page may open a WebSocket to the sidecar or change something there; pure.

Judged here before any upstream I/O, for two reasons: Streamlit lets http://localhost through from
any host, and on a mismatch it asks an outside address service on its own event loop, which holds
every session for seconds where there is no way out (measured).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from fluxlit.protocol.headers import Headers, first, values
from fluxlit.protocol.refusal import Refusal
from fluxlit.protocol.trust import DEFAULT_PORTS, Hop

Origin: TypeAlias = tuple[str, str, str]
"""Scheme, host in lower case, port as text."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Origins:
    """Origins besides the request's own host: ``public_base_url`` and ``allowed_origins``."""

    allowed: frozenset[Origin] = frozenset()

    @classmethod
    def of(cls, public_base_url: str, allowed: Iterable[str]) -> "Origins":
        """From the settings; what is no origin is left out, the configuration checks them."""
        parsed = (parse(text) for text in (public_base_url, *allowed) if text)
        return cls(frozenset(origin for origin in parsed if origin))


def parse(text: str) -> Origin | None:
    """An http(s) origin (a longer URL is cut to its origin), or None (so is ``null``)."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, str(port or DEFAULT_PORTS[parts.scheme])


def judge(headers: Headers, hop: Hop, origins: Origins) -> None:
    """Refuse (403) a request that another site's page makes; one without Origin is no page's.

    The scheme of our own origin is not compared: TLS may end in front of us without a word. A
    browser that sends no Origin still says ``Sec-Fetch-Site: cross-site``.
    """
    said = values(headers, b"origin")
    if not said:
        if first(headers, b"sec-fetch-site") == b"cross-site":
            raise _refused("a cross-site request without Origin", hop)
        return
    text = said[0].decode("latin-1")
    origin = parse(text)
    if len(said) > 1 or origin is None or not _ours(origin, hop, origins):
        raise _refused("Origin " + repr(text), hop)


def upstream_host(headers: Headers, hop: Hop, origins: Origins) -> bytes:
    """The Host that the sidecar is shown.

    Streamlit compares the Origin's host and port with Host letter by letter, and takes ``:443`` for
    another port than none (measured: 403). So Host repeats an accepted Origin; without one it is
    the public host without a default port.
    """
    said = first(headers, b"origin")
    origin = parse(said.decode("latin-1")) if said else None
    if said and origin and _ours(origin, hop, origins):
        return said.partition(b"://")[2].partition(b"/")[0]
    return hop.host.removesuffix(f":{DEFAULT_PORTS[hop.scheme]}").encode("ascii")


def _ours(origin: Origin, hop: Hop, origins: Origins) -> bool:
    scheme, host, port = origin
    own = parse(f"{scheme}://{hop.host}")
    return own == (scheme, host, port) or origin in origins.allowed


def _refused(what: str, hop: Hop) -> Refusal:
    return Refusal(
        403,
        "This page's origin may not do that here.",
        hint=(
            f"{what} does not match Host {hop.host!r}; if it is yours, name it in "
            "gateway.allowed_origins or gateway.public_base_url, or let the proxy pass Host on"
        ),
    )
