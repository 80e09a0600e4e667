"""From an ASGI scope to a request whose client, host and path are settled; the rules, no I/O."""

from dataclasses import dataclass, replace

from fluxlit.config.settings import Settings
from fluxlit.gateway.asgi import Scope, raw_path
from fluxlit.protocol import headers as fields
from fluxlit.protocol import mount, origin, trust
from fluxlit.protocol.exchange import RequestHead
from fluxlit.protocol.headers import Header, Headers
from fluxlit.protocol.hosts import Hosts
from fluxlit.protocol.refusal import Refusal, malformed
from fluxlit.protocol.rewriting import Site

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has passed the rules every request must pass.

    ``headers`` are still the client's own; ``to_api`` and ``to_ui`` make of them what others see.
    """

    method: str
    path: mount.Path
    query: bytes
    headers: Headers
    hop: trust.Hop
    version: str


class Rules:
    """What the settings say about every request; raises ValueError for settings out of shape."""

    def __init__(self, settings: Settings, *, pseudonym: bytes) -> None:
        gateway = settings.gateway
        self._root_path = gateway.root_path
        self._trust = trust.Trust.of(
            enabled=gateway.trust_proxy, allowed=gateway.forwarded_allow_ips
        )
        self._public = origin.parse(gateway.public_base_url) if gateway.public_base_url else None
        self.origins = origin.Origins.of(gateway.public_base_url, gateway.allowed_origins)
        self._hosts = Hosts.of(gateway.allowed_hosts)
        self._pseudonym = pseudonym

    def admit(self, scope: Scope) -> Request:
        """The request behind the scope; raises Refusal (400, 405, 414, 417, 421, 431, 501)."""
        headers: Headers = list(scope["headers"])
        method = scope.get("method", "GET")
        fields.check(headers)
        _known(method)
        hop = self._hop(scope, headers)
        self._hosts.judge(hop.host)
        raw, query = mount.origin_form(raw_path(scope), hop.host), scope.get("query_string", b"")
        if raw == b"*":
            raise _asterisk(method)
        text = mount.check(raw, query)
        path = mount.locate(raw, text, root_path=self._root_path, prefix=hop.prefix)
        return Request(method, path, query, headers, hop, scope.get("http_version", "1.1"))

    def to_ui(self, request: Request, raw: bytes, request_id: bytes) -> RequestHead:
        """The head that goes up to the sidecar; raises Refusal 508 for a loop, 204 for the last hop."""
        kept = fields.to_upstream(
            request.headers, version=request.version, pseudonym=self._pseudonym
        )
        host = origin.upstream_host(request.headers, request.hop, self.origins)
        target = raw + b"?" + request.query if request.query else raw
        headers = [(b"host", host), *_identified(kept, request, request_id), *_hops(request)]
        return RequestHead(request.method.encode("ascii"), target, headers)

    def to_api(self, scope: Scope, request: Request, prefix: str, request_id: bytes) -> Scope:
        """The scope that the API sees: its path is whole and starts with root_path (ASGI 3)."""
        path, hop = request.path, request.hop
        kept = _identified(fields.to_api(request.headers), request, request_id)
        secure = hop.scheme == "https"
        schemes = {"http": "https" if secure else "http", "websocket": "wss" if secure else "ws"}
        return {
            **scope,
            "client": hop.client,
            "scheme": schemes[scope["type"]],
            "headers": [(b"host", hop.host.encode("ascii")), *kept],
            "root_path": path.mount + prefix,
            "path": path.mount + path.text,
            "raw_path": path.mount.encode("ascii") + path.raw,
        }

    def site(self, request: Request) -> Site:
        """Where the browser finds us, for what the sidecar says about places."""
        host = origin.upstream_host(request.headers, request.hop, self.origins)
        return Site(request.hop.scheme, host.decode("ascii"), request.path.mount)

    def _hop(self, scope: Scope, headers: Headers) -> trust.Hop:
        client, scheme = scope.get("client"), trust.SCHEMES[scope["scheme"]]
        host = _host(headers, default=self._public)
        peer = trust.Hop(trust.normal(tuple(client)) if client else None, scheme, host)
        hop = trust.read(headers, peer, self._trust)
        if self._public and origin.parse(f"{self._public[0]}://{hop.host}") == self._public:
            # The operator says what users type: TLS ends in front of us, whatever is said here.
            return replace(hop, scheme=self._public[0])
        return hop


def _identified(headers: list[Header], request: Request, request_id: bytes) -> list[Header]:
    kept = [field for field in headers if field[0] != b"x-request-id"]
    return [*kept, *trust.clean(request.hop), (b"x-request-id", request_id)]


def _host(headers: Headers, *, default: origin.Origin | None) -> str:
    """The one Host (RFC 9110 7.2); raises Refusal 400 for none, several, or anything but a host."""
    hosts = fields.values(headers, b"host")
    if not hosts and default:
        return default[1]
    text = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
    if not trust.HOST.fullmatch(text):
        raise malformed("The request must have exactly one Host field that names a host.")
    return text


def _known(method: str) -> None:
    if method == "TRACE":
        # It would echo cookies to a script.
        raise Refusal(405, "TRACE is not served.", headers=((b"allow", _allowed()),))
    if method not in METHODS:
        raise Refusal(501, "This method is not served.", severs=True)


def _hops(request: Request) -> list[Header]:
    """Max-Forwards counted down, which only OPTIONS has; at 0 the answer is ours (RFC 9110 7.6.2)."""
    left = fields.hops_left(request.headers) if request.method == "OPTIONS" else None
    if left == 0:
        raise _asterisk(request.method)
    return [] if left is None else [(b"max-forwards", b"%d" % (left - 1))]


def _asterisk(method: str) -> Refusal:
    if method == "OPTIONS":
        return Refusal(204, "", headers=((b"allow", _allowed()),))
    return malformed("Only OPTIONS has the target *.")


def _allowed() -> bytes:
    return ", ".join(sorted(METHODS)).encode("ascii")
