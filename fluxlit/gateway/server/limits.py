"""The limits of the public listener, and Hypercorn's configuration made from ours."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from hypercorn.config import Config
from hypercorn.logging import Logger

from fluxlit.config.settings import Gateway

HYPERCORN = "0.18.0"
"""The one version whose insides the subclasses here are written for."""

if version("hypercorn") != HYPERCORN:
    message = (
        f"fluxlit.gateway.server is written for hypercorn {HYPERCORN}, found {version('hypercorn')}"
    )
    raise ImportError(message)

HEAD_BYTES = 65_536
"""Request line and fields together; single sign-on cookies pass 32 KiB."""

HEAD_FIELDS = 128
"""Fields of one request; Hypercorn alone counts none (1500 passed, measured)."""

READ_BYTES = 65_536
"""One read from a socket."""

QUEUED_MESSAGES = 8
QUEUED_BYTES = 262_144
"""What an application may leave unread before the connection is read no further; one message always fits."""

BODY_RATE = 1024
"""Bytes a second below which a request's body is no upload but an attempt to hold a connection."""

LINGER_BYTES = 10_485_760
"""What a client may still send after its answer before it is cut off."""

BURST_BYTES = 1_048_576
"""Moved without waiting for the socket before other tasks get their turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the listener waits for what, in seconds."""

    idle: float
    """A connection without a request, and between two requests."""
    head: float = 15.0
    """From the first byte of a request's head to its last (slow-header attack)."""
    body: float = 30.0
    """Between two pieces of a request's body, while nothing but the client is waited for (slow-body attack)."""
    write: float = 30.0
    """A client that takes not one byte of its answer (slow-read attack)."""
    linger: float = 5.0
    """After the last answer, for the client to close, so that no reset destroys what it has not read."""
    ping: float = 20.0
    """A WebSocket heard nothing from for this long is pinged."""
    pong: float = 20.0
    """After a ping nothing is heard for this long: the client is gone."""
    tick: float = 1.0
    """How often all these are looked at, at most."""


class Silence(Logger):
    """Hypercorn's own log, off: its lines can be forged by a path (measured) and its handlers write to stderr."""

    def __init__(self, config: Config) -> None:  # noqa: ARG002 - called by Hypercorn with its Config
        self.access_logger = None
        self.error_logger = None

    async def access(self, request: Any, response: Any, request_time: float) -> None:  # noqa: ANN401 - as inherited
        """Nothing: the gateway writes the access log."""


def hypercorn_config(gateway: Gateway) -> Config:
    """What Hypercorn's protocol classes read of our settings."""
    config = Config()
    config.logger_class = Silence
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.include_date_header = False
    config.alpn_protocols = ["http/1.1"]
    config.h11_max_incomplete_size = HEAD_BYTES
    config.keep_alive_max_requests = 1_000_000
    config.websocket_max_message_size = gateway.max_websocket_message
    config.websocket_ping_interval = None
    return config
