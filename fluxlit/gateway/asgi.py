"""The ASGI types, as far as they can be typed."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Watch: TypeAlias = Callable[[Callable[[], None]], None]
Offer: TypeAlias = Callable[[str | bytes], bool]
Take: TypeAlias = Callable[[Callable[[Message], bool]], None]

WATCH = "fluxlit.watch"
"""The scope extension of our own listener, a Watch: it takes what to call, once, when the client
leaves, and calls it at once if the client has left already."""
OFFER = "fluxlit.offer"
"""The scope extension of our own listener, an Offer: it sends a WebSocket message at once, or says
False and has sent nothing: then there is no way but ``send``."""
TAKE = "fluxlit.take"
"""The scope extension of our own listener, a Take: it is given what takes messages, and offers it
each event before that is queued for ``receive``; what it says False to is queued."""


def raw_path(scope: Scope) -> bytes:
    """The path as it came; a server that does not keep it is no use here, but tests may be."""
    raw = scope.get("raw_path")
    return bytes(raw) if raw else str(scope["path"]).encode("utf-8")


def extensions(scope: Scope) -> Mapping[str, Any]:
    """What the server offers beyond ASGI; empty if it says nothing."""
    return scope.get("extensions") or {}
