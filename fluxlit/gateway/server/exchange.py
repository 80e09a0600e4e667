"""One HTTP exchange: Hypercorn's stream, strict about what the application sends."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from anyio.lowlevel import checkpoint
from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.http_stream import ASGIHTTPState as State
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.utils import build_and_validate_headers, suppress_body

Pairs = list[tuple[bytes, bytes]]


class Answer(Protocol):
    """Where an exchange writes its answer."""

    async def send_head(self, status: int, headers: Pairs) -> None:
        """The status and fields; raises before anything is sent if they cannot be."""
        ...

    async def send_body(self, data: bytes, *, is_last: bool) -> None:
        """A piece of the body, in as few writes as can be."""
        ...


class Exchange(HTTPStream):
    """Hypercorn's HTTP stream with a short way for start and body.

    After the client has left, sending is quiet but gives up the turn.
    """

    app_put: Callable[[Any], Awaitable[None]]

    def __init__(self, *args: Any, answer: Answer) -> None:  # noqa: ANN401 - as the class it extends
        super().__init__(*args)
        self._answer = answer

    async def app_send(self, message: Any) -> None:  # noqa: ANN401 - Hypercorn's own event types
        """Take a message of the application; None when it has ended."""
        if message is None:
            await super().app_send(None)
        elif self.closed:
            await checkpoint()
        elif self.state is State.RESPONSE and message["type"] == "http.response.body":
            await self._send_body(message)
        elif self.state is State.REQUEST and message["type"] == "http.response.start":
            await self._send_head(message)
        else:
            await super().app_send(message)

    async def _send_head(self, message: Any) -> None:  # noqa: ANN401
        status = int(message["status"])
        check_status(status)
        self.response = message
        await self._answer.send_head(status, build_and_validate_headers(message.get("headers", [])))
        self.state = State.RESPONSE

    async def _send_body(self, message: Any) -> None:  # noqa: ANN401
        data = message.get("body", b"")
        if suppress_body(self.scope["method"], int(self.response["status"])):
            data = b""
        if message.get("more_body", False):
            await self._answer.send_body(data, is_last=False)
            return
        await self._answer.send_body(data, is_last=True)
        self.state = State.CLOSED
        await self.send(StreamClosed(stream_id=self.stream_id))


def check_status(status: int) -> None:
    """Refuse what cannot be the status of an answer: a 1xx would break the exchange (measured)."""
    if not 200 <= status <= 599:
        message = f"the application answered with status {status}"
        raise ValueError(message)
