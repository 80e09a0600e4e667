"""Drives the opening handshake of a WebSocket over a Stream."""

import anyio

from fluxlit.errors import UpstreamClosed, UpstreamError, UpstreamTimeout
from fluxlit.protocol.exchange import RequestHead, ResponseHead
from fluxlit.protocol.handshake import Accepted, Handshake, Outcome, Refused
from fluxlit.relay.stream import Stream, StreamBroken


class HandshakeRefused(UpstreamError):  # noqa: N818 - an answer, not a mishap
    """The upstream answered a handshake with something else than 101; ``body`` is cut at 64 KiB."""

    def __init__(self, head: ResponseHead, body: bytes) -> None:
        super().__init__(f"the WebSocket was refused with status {head.status}")
        self.head = head
        self.body = body


async def upgrade(stream: Stream, head: RequestHead, nonce: bytes, seconds: float) -> Accepted:
    """Ask for a WebSocket within ``seconds``.

    Raises HandshakeRefused, UpstreamTimeout("head"), UpstreamProtocolError, UpstreamClosed.
    """
    handshake = Handshake(head, nonce)
    outcome: Outcome | None = None
    with anyio.move_on_after(seconds):
        outcome = await _shake(stream, handshake)
    if outcome is None:
        raise UpstreamTimeout("head")
    if isinstance(outcome, Refused):
        raise HandshakeRefused(outcome.head, outcome.body)
    return outcome


async def _shake(stream: Stream, handshake: Handshake) -> Outcome:
    try:
        await stream.send(handshake.request())
        while True:
            outcome = handshake.receive(await stream.receive())
            if outcome is not None:
                return outcome
    except StreamBroken as exc:
        raise UpstreamClosed(str(exc), received_head=False) from exc
