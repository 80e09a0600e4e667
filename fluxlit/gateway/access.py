"""What is known of one exchange while it runs, and the one line that is written at its end."""

import re
import time
from email.utils import formatdate
from secrets import token_hex

import anyio

from fluxlit.config.settings import Log
from fluxlit.gateway.asgi import OFFER, Message, Offer, Scope, Send, extensions, raw_path
from fluxlit.log import get_logger, redact_path, redact_query
from fluxlit.protocol.headers import Headers, first, values

CLIENT_LEFT = 499
"""What nginx logs for a client that left before the answer; never sent to anybody."""

ASSET = "asset"
"""The route of Streamlit's own files: a page has a hundred of them, and nobody reports one by its id;
without it a cold load is 4 KB shorter (measured)."""

log = get_logger("fluxlit.gateway")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def request_id(headers: Headers) -> bytes:
    """The client's X-Request-ID, if it is one and safe to log, else a new one."""
    said = values(headers, b"x-request-id")
    if len(said) == 1 and _REQUEST_ID.fullmatch(said[0]):
        return said[0]
    # As long as a UUID and more random, at a lower price.
    return token_hex(16).encode("ascii")


class _Dates:
    """The Date field, formatted once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = b""

    def now(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, formatdate(second, usegmt=True).encode("ascii")
        return self._text


class Exchange:
    """One exchange with a client: everything sent goes through here and is counted.

    Adds X-Request-ID to every answer except assets, and Date where it is missing (the server adds none, so that
    a relayed answer does not have two).
    """

    _dates = _Dates()

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._offer: Offer | None = extensions(scope).get(OFFER)
        self._began = anyio.current_time()
        self.request_id = request_id(scope["headers"])
        self.route = "none"
        self.instance: str | None = None
        self.client = str(scope["client"][0]) if scope.get("client") else None
        self.status = 0
        self.sent = 0
        self.close_code: int | None = None

    @property
    def started(self) -> bool:
        """Whether an answer has begun, so that no other one can be given."""
        return self.status != 0

    def offer(self, data: str | bytes) -> bool:
        """Send a WebSocket message at once, if the server can and the client takes it; else False."""
        if self._offer is None or not self._offer(data):
            return False
        self.sent += len(data)
        return True

    async def send(self, message: Message) -> None:
        """Send an ASGI message to the client."""
        kind = message["type"]
        if kind.endswith(".start"):
            self.status = message["status"]
            message = {**message, "headers": self._headed(message.get("headers", []))}
        elif kind == "websocket.accept":
            self.status = 101
            own = (b"x-request-id", self.request_id)
            message = {**message, "headers": [*message.get("headers", []), own]}
        elif kind == "websocket.close":
            self.status = self.status or 403
            self.close_code = message.get("code", 1000)
        else:
            self.sent += len(
                message.get("body") or message.get("bytes") or message.get("text") or ""
            )
        await self._send(message)

    def left(self) -> None:
        """The client left before an answer began."""
        self.status = self.status or CLIENT_LEFT

    def done(self, settings: Log) -> None:
        """Write the exchange's line."""
        if not settings.access:
            return
        scope = self._scope
        websocket = scope["type"] == "websocket"
        query: bytes = scope.get("query_string", b"")
        fields: dict[str, object] = {
            "method": scope.get("method", "GET"),
            "path": redact_path(raw_path(scope)),
            "query": redact_query(query) if query else None,
            "status": self.status,
            "duration": round(anyio.current_time() - self._began, 4),
            "bytes": self.sent,
            "client": self.client,
            "route": self.route,
            "instance": self.instance,
            "code": self.close_code if websocket else None,
        }
        event = "websocket.done" if websocket else "request.done"
        log.info(event, **{name: value for name, value in fields.items() if value is not None})

    def _headed(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        kept = [(name.lower(), value) for name, value in headers]
        kept = [field for field in kept if field[0] != b"x-request-id"]
        if self.route != ASSET:
            kept.append((b"x-request-id", self.request_id))
        if first(kept, b"date") is None:
            kept.append((b"date", self._dates.now()))
        return kept
