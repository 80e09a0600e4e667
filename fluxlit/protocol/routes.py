"""From the path to whoever answers it; pure.

The decision is made on the decoded path, case-sensitively, and a path that only looks like one of
ours after decoding or folding is nobody's: it is answered 404 and never relayed.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from fluxlit.protocol.mount import Path
from fluxlit.protocol.refusal import Refusal

STREAM = b"/_stcore/stream"
"""The only path on which Streamlit speaks WebSocket."""
PROBES = {"healthz": "health", "health": "health", "readyz": "ready", "ready": "ready"}
"""Names below the API prefix. Some front ends swallow paths that end in z; hence the aliases
(https://github.com/streamlit/streamlit/issues/484)."""
DOCS = frozenset({"/docs", "/docs/", "/redoc", "/redoc/", "/openapi.json"})
INTERNAL = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
"""Unauthenticated insides of Streamlit: session counts, an agent's interface, a full script run."""
SPOKEN = frozenset({b"/_stcore/health", b"/_stcore/host-config"})
"""Streamlit's client shows the body of a failed answer on these two in its connection dialog."""

_CORE = "/_stcore"


class Probe(StrEnum):
    """What a probe of the daemon asks."""

    HEALTH = "health"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class ToApi:
    """The application below the API prefix answers."""


@dataclass(frozen=True, slots=True)
class ToUi:
    """The sidecar answers; ``raw`` goes up byte for byte."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class ToOps:
    """The daemon itself answers."""

    probe: Probe


@dataclass(frozen=True, slots=True)
class Redirect:
    """The client shall ask elsewhere on the same origin."""

    location: bytes


Route: TypeAlias = ToApi | ToUi | ToOps | Redirect


@dataclass(frozen=True, slots=True)
class Routes:
    """The route table: the API prefix, and whether there is an API at all."""

    api_prefix: str = "/api"
    has_api: bool = True

    def probes(self, root_path: str) -> dict[bytes, Probe]:
        """Raw path to probe, with and without the mount; asked before anything else is looked at."""
        return {
            f"{mount}{self.api_prefix}/{name}".encode(): Probe(probe)
            for mount in (root_path, "")
            for name, probe in PROBES.items()
        }

    def http(self, path: Path, method: str, query: bytes = b"") -> Route:
        """Who answers this HTTP request; raises Refusal 404 or 405."""
        reading = method in {"GET", "HEAD"}
        if path.bare and reading:
            return Redirect(_with_query(f"{path.mount}/", query))
        if self.has_api and reading and path.text in DOCS:
            place = path.mount + self.api_prefix + path.text.rstrip("/")
            return Redirect(_with_query(place, query))
        route = self._any(path)
        if isinstance(route, ToOps) and not reading:
            raise Refusal(405, "Only GET and HEAD.", headers=((b"allow", b"GET, HEAD"),))
        return route

    def websocket(self, path: Path) -> Route:
        """Who answers this WebSocket handshake; raises Refusal 404."""
        route = self._any(path)
        if isinstance(route, ToApi) or route == ToUi(STREAM):
            return route
        raise _nothing()

    def _any(self, path: Path) -> Route:
        if _below(path.text.lower(), self.api_prefix.lower()):
            return self._api(path)
        _guard_core(path)
        return ToUi(path.raw)

    def _api(self, path: Path) -> Route:
        if not _below(path.raw.decode("ascii"), self.api_prefix):
            raise _nothing()
        probe = PROBES.get(path.text.removeprefix(f"{self.api_prefix}/"))
        if probe and path.raw.decode("ascii") == path.text:
            return ToOps(Probe(probe))
        if not self.has_api:
            raise _nothing()
        return ToApi()


def _guard_core(path: Path) -> None:
    """Streamlit's own paths: literal ones only, none of the internal ones."""
    folded, raw = path.text.lower(), path.raw.decode("ascii")
    if folded.endswith(("/_stcore/health", "/_stcore/host-config")) and not folded.startswith(
        _CORE
    ):
        # The client looks for its base by asking below the page's own path first, and takes any
        # 200 for the base; Streamlit's page answers everything with 200.
        raise _nothing()
    if not _below(folded, _CORE):
        return
    literal = _below(raw, _CORE) and "%" not in raw.split("/")[2 if raw.count("/") > 1 else 1]
    if not literal or any(_below(folded, internal) for internal in INTERNAL):
        raise _nothing()


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _with_query(place: str, query: bytes) -> bytes:
    return place.encode("ascii") + (b"?" + query if query else b"")


def _nothing() -> Refusal:
    return Refusal(404, "There is nothing here.")
