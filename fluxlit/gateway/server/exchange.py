"""One HTTP exchange: Hypercorn's stream, strict about what the application sends."""

from collections.abc import Awaitable, Callable
from typing import Any

from anyio.lowlevel import checkpoint
from hypercorn.protocol.http_stream import HTTPStream


class Exchange(HTTPStream):
    """Hypercorn's HTTP stream; after the client has left, sending is quiet but gives up the turn."""

    app_put: Callable[[Any], Awaitable[None]]

    async def app_send(self, message: Any) -> None:  # noqa: ANN401 - Hypercorn's own event types
        """Take a message of the application; None when it has ended."""
        if message is not None:
            if self.closed:
                await checkpoint()
                return
            if message["type"] == "http.response.start":
                check_status(message["status"])
        await super().app_send(message)


def check_status(status: int) -> None:
    """Refuse what cannot be the status of an answer: a 1xx would break the exchange (measured)."""
    if not 200 <= int(status) <= 599:
        message = f"the application answered with status {status}"
        raise ValueError(message)
